"""Ranks as Ray actors that live on between trials.

A trial actor holds one of these groups. Its ranks sit in the trial's placement group, meet once, and do one job after
another: starting processes, importing torch and meeting again would cost seconds for every trial
(docs/decisions/0001).
"""

from __future__ import annotations

import logging
from typing import Any  # Ray's actor handles and references carry no types

import ray
import ray.exceptions
from ray.util.placement_group import get_current_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from trainables.config import EngineConfig
from trainables.errors import MemoryExhaustedError, RankLostError
from trainables.hangs import START_SECONDS, Watch, Watcher
from trainables.jobs import EvaluateJob, Job, JobResult, TrainJob
from trainables.local_group import device_of, free_port, rank_environment, threads_per_rank, use_interface_of
from trainables.memory import GrowthGuard
from trainables.rank_process import Answer

log = logging.getLogger(__name__)

PING_SECONDS = 30.0
"""Longest wait for the answer of a rank that has nothing to do."""

_LOST = (
    ray.exceptions.RayActorError,
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.NodeDiedError,
    ray.exceptions.ObjectLostError,
)
"""What Ray raises when a process or host went away."""


class RankActor:
    """One rank in a Ray actor; see `trainables.rank_process` for one in a plain process."""

    def __init__(self) -> None:
        self._rank: Any = None  # trainables.training.Rank, imported with torch

    def address(self) -> tuple[str, int]:
        """Return this host's address and a free port on it."""
        host = ray.util.get_node_ip_address()
        return host, free_port(host)

    def ping(self) -> None:
        """Answer, which shows that this rank lives and is idle."""

    def join(self, config: str) -> None:
        """Join the group described by a ProcessGroupConfig's JSON."""
        from trainables.engine import ProcessGroupConfig
        from trainables.rank_process import join

        use_interface_of(ray.util.get_node_ip_address())
        self._rank = join(ProcessGroupConfig.model_validate_json(config))

    def run(self, job: str, *, trains: bool) -> str:
        """Do a job given as JSON; returns an Answer's JSON."""
        from trainables.rank_process import answer

        model = TrainJob if trains else EvaluateJob
        return answer(model.model_validate_json(job), rank=self._rank).model_dump_json()


class RayGroup:
    """A group of rank actors in the current placement group.

    Args:
        config: Number of ranks, threads, device.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self._ranks: list[Any] = []
        self._growth = GrowthGuard()

    def run(self, job: Job) -> JobResult:
        """Do a job on all ranks; returns what rank 0 answered.

        Raises:
            InputError: Data or checkpoint do not fit.
            RunError: The run failed, or a rank ended.
        """
        self.ready()
        try:
            pending = [rank.run.remote(job.model_dump_json(), trains=_trains(job)) for rank in self._ranks]
            result = self._gather(pending, watch=job.watch)
        except BaseException:
            self.close()  # the others may hang in a collective that will never complete
            raise
        self._replace_if_grown(result)
        return result

    def ready(self) -> None:
        """Return once every rank answers: they are started on the first call, and replaced if one was lost while idle.

        Raises:
            RankLostError: New ranks could not meet.
        """
        if self._ranks and not self._all_answer():
            log.warning("a rank was lost while it had nothing to do; the ranks are replaced")
            self.close()
        if not self._ranks:
            self._start()

    def close(self) -> None:
        """End the ranks."""
        for rank in self._ranks:
            ray.kill(rank)
        self._ranks = []
        self._growth = GrowthGuard()

    def _start(self) -> None:
        from trainables.engine.process_group import ProcessGroupConfig

        threads = threads_per_rank(self.config)
        self._ranks = [_start_rank(number, self.config, threads=threads) for number in range(self.config.num_workers)]
        try:
            addresses = ray.get([rank.address.remote() for rank in self._ranks], timeout=START_SECONDS)
            hosts = [address for address, _ in addresses]
            host, port = addresses[0]
            groups = [
                ProcessGroupConfig(
                    rank=number,
                    num_ranks=self.config.num_workers,
                    local_rank=hosts[:number].count(hosts[number]),
                    host=host,
                    port=port,
                    threads=threads,
                    device=device_of(self.config),
                )
                for number in range(self.config.num_workers)
            ]
            joins = zip(self._ranks, groups, strict=True)
            ray.get([rank.join.remote(group.model_dump_json()) for rank, group in joins], timeout=START_SECONDS)
        except BaseException as error:
            self.close()
            if isinstance(error, ray.exceptions.RayError):
                msg = f"the ranks could not meet ({error}); see Ray's worker logs, then start the sweep again"
                raise RankLostError(msg) from error
            raise

    def _all_answer(self) -> bool:
        try:
            ray.get([rank.ping.remote() for rank in self._ranks], timeout=PING_SECONDS)
        except (*_LOST, ray.exceptions.GetTimeoutError):
            return False
        return True

    def _gather(self, pending: list[Any], *, watch: Watch | None) -> JobResult:
        """Return rank 0's result once every rank has answered; fail at the first that fails."""
        first, results, watcher = pending[0], {}, Watcher(watch)
        while pending:
            done, pending = ray.wait(pending, timeout=watcher.seconds_between_looks)
            if not done:
                watcher.check()
            for reference in done:
                results[reference] = _unwrapped(reference)
        return results[first]

    def _replace_if_grown(self, result: JobResult) -> None:
        if complaint := self._growth.complaint(result):
            log.warning("the ranks are replaced: %s", complaint)
            self.close()


def _start_rank(number: int, config: EngineConfig, *, threads: int) -> Any:
    on_cuda = device_of(config) == "cuda"
    group = get_current_placement_group()
    assert group is not None  # noqa: S101  (Tune gives every trial one)
    actor = ray.remote(RankActor)
    return actor.options(
        num_cpus=threads,
        num_gpus=1 if on_cuda else 0,
        scheduling_strategy=PlacementGroupSchedulingStrategy(
            placement_group=group, placement_group_bundle_index=number
        ),
        runtime_env={"env_vars": rank_environment(threads)},
    ).remote()


def _unwrapped(reference: Any) -> JobResult:
    try:
        return Answer.model_validate_json(ray.get(reference)).unwrap()
    except ray.exceptions.OutOfMemoryError as error:
        raise MemoryExhaustedError(_first_line(error)) from error
    except _LOST as error:
        if "running low on memory" in str(error):  # Ray's memory monitor ended it before the kernel would
            raise MemoryExhaustedError(_first_line(error)) from error
        msg = f"a rank ended before it answered ({_first_line(error)}); the trial can be run again"
        raise RankLostError(msg) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _trains(job: Job) -> bool:
    return isinstance(job, TrainJob)

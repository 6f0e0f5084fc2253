"""Runs ranks as Ray actors that are kept between trials.

A trial actor holds one group of ranks. The ranks are placed in the trial's placement group, form a process group once,
and do one job after another: starting processes, importing torch and forming the process group again would cost seconds
for every trial (docs/decisions/0001).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any  # Ray's actor handles and references carry no types

import ray
import ray.exceptions
from ray.util.placement_group import get_current_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from trainables.config import EngineConfig, FrozenModel
from trainables.config.rank_group import ProcessGroupConfig
from trainables.errors import HostLostError, MemoryExhaustedError, RankLostError, RunError
from trainables.monitoring.watchdog import START_SECONDS, Watch
from trainables.number_words import number_of
from trainables.ranks.devices import HostResources, RankDevices, threads_on
from trainables.ranks.jobs import EvaluateJob, Job, JobResult, TrainJob
from trainables.ranks.local_group import free_port, interface_variables, rank_environment
from trainables.ranks.memory import GrowthGuard
from trainables.ranks.rank_place import host_names, place_on, this_host
from trainables.ranks.rank_process import RankAnswer
from trainables.ranks.root_cause import Gathering

log = logging.getLogger(__name__)

PLACE_SECONDS = 60.0
"""How long a trial that has lost a host waits for room on other hosts, before it is re-queued."""

PING_SECONDS = 30.0
"""Longest wait for the answer of an idle rank."""

_SEES_ALL_GPUS = "RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES"
"""If set, a rank sees all GPUs of its host, and the GPU that Ray assigned to it is not number 0."""

_LOST = (
    ray.exceptions.RayActorError,
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.NodeDiedError,
    ray.exceptions.ObjectLostError,
)
"""Errors of Ray when a process or host was lost."""


class RankSeat(FrozenModel):
    """The host and GPUs on which Ray has placed a rank."""

    host: str
    """Address of its host."""
    port: int
    """A free port on the host."""
    gpus: tuple[str, ...]
    """GPUs of the host that Ray has assigned to the rank; ranks that share a GPU have the same number here."""


class RankActor:
    """One rank in a Ray actor; see `trainables.ranks.rank_process` for one in a plain process."""

    def __init__(self) -> None:
        self._rank: Any = None  # trainables.training.rank.Rank, imported with torch
        self._place = this_host()

    def seat(self) -> str:
        """Return this rank's RankSeat, as JSON."""
        host = ray.util.get_node_ip_address()
        gpus = tuple(str(gpu) for gpu in ray.get_gpu_ids())
        return RankSeat(host=host, port=free_port(host), gpus=gpus).model_dump_json()

    def ping(self) -> None:
        """Return at once: an answer shows that this rank is alive and idle."""

    def join(self, config: str) -> str | None:
        """Join the group described by a ProcessGroupConfig's JSON; return a RankAnswer's JSON if that failed."""
        from trainables.ranks.rank_failure import unexpected_failure
        from trainables.ranks.rank_process import join

        os.environ.update(interface_variables(ray.util.get_node_ip_address()))
        gpus = ray.get_gpu_ids()
        node = ray.get_runtime_context().get_node_id()
        host = names_of_hosts(ray.nodes()).get(node, self._place.host)
        known = {"host": host, "node": node, "gpu": str(gpus[0]) if gpus else None}
        self._place = self._place.model_copy(update=known)
        try:
            self._rank = join(ProcessGroupConfig.model_validate_json(config))
            device = self._rank.device
            uuid = place_on(device.type, index=device.index or 0).gpu_uuid
        except Exception as error:  # noqa: BLE001  the trial's process decides what becomes of it
            return RankAnswer(place=self._place, failure=unexpected_failure(error)).model_dump_json()
        self._place = self._place.model_copy(update={"gpu_uuid": uuid})
        return None

    def run(self, job: str, *, trains: bool) -> str:
        """Do a job given as JSON; returns a RankAnswer's JSON."""
        from trainables.ranks.rank_process import answer

        model = TrainJob if trains else EvaluateJob
        return answer(model.model_validate_json(job), rank=self._rank, place=self._place).model_dump_json()


class RayGroup:
    """A group of rank actors in the current placement group.

    Args:
        config: Has the number of ranks.
        devices: Devices of each rank, which the driver has chosen for the sweep.
    """

    def __init__(self, config: EngineConfig, *, devices: RankDevices) -> None:
        self.config, self.devices = config, devices
        self._ranks: list[Any] = []
        self._growth = GrowthGuard()
        self._start_seconds = 0.0

    def run(self, job: Job) -> JobResult:
        """Do a job on all ranks, and return the result of rank 0.

        Raises:
            InputError: Data or checkpoint do not fit the job.
            RunError: The job failed, or a rank ended.
        """
        self.ready()
        try:
            pending = [rank.run.remote(job.model_dump_json(), trains=_trains(job)) for rank in self._ranks]
            result = self._gather(pending, watch=job.watch)
        except BaseException:
            self.close()  # the other ranks may hang in a collective that never completes
            raise
        self._replace_if_grown(result)
        start_seconds, self._start_seconds = self._start_seconds, 0.0
        return result.model_copy(update={"start_seconds": start_seconds})

    def ready(self) -> None:
        """Start the ranks on the first call, replace them if one was lost while idle, and return when all answer.

        Raises:
            HostLostError: The hosts have no room for the ranks any more.
            RankLostError: New ranks could not form a process group.
        """
        if self._ranks and not self._all_answer():
            log.warning("an idle rank was lost; all ranks of the trial are replaced")
            self.close()
        if not self._ranks:
            started = time.monotonic()
            self._start()
            self._start_seconds = time.monotonic() - started

    def close(self) -> None:
        """End the ranks."""
        for rank in self._ranks:
            ray.kill(rank)
        self._ranks = []
        self._growth = GrowthGuard()

    def _start(self) -> None:
        if not _placement_group().wait(PLACE_SECONDS):  # at once, unless one of its hosts has gone
            raise HostLostError(PLACE_SECONDS)
        threads = _threads_of_bundles(self.devices)[: self.config.num_workers]
        self._ranks = [_start_rank(number, self.devices, threads=each) for number, each in enumerate(threads)]
        try:
            answers = ray.get([rank.seat.remote() for rank in self._ranks], timeout=START_SECONDS)
            seats = [RankSeat.model_validate_json(answer) for answer in answers]
            groups = _process_groups(seats, devices=self.devices, threads=threads)
            joins = zip(self._ranks, groups, strict=True)
            _wait_until_joined([rank.join.remote(group.model_dump_json()) for rank, group in joins])
        except BaseException as error:
            self.close()
            if isinstance(error, ray.exceptions.RayError) or type(error) is RunError:
                msg = (
                    f"the ranks could not form a process group ({error}); see Ray's worker logs, then start the sweep "
                    "again"
                )
                raise RankLostError(msg) from error
            raise

    def _all_answer(self) -> bool:
        try:
            ray.get([rank.ping.remote() for rank in self._ranks], timeout=PING_SECONDS)
        except (*_LOST, ray.exceptions.GetTimeoutError):
            return False
        return True

    def _gather(self, pending: list[Any], *, watch: Watch | None) -> JobResult:
        """Return rank 0's result when every rank has answered; if there are several errors, raise the root cause."""
        numbers = {reference: number for number, reference in enumerate(pending)}
        gathering = Gathering[JobResult](len(pending), watch=watch)
        while not gathering.is_over:
            done, pending = ray.wait(pending, timeout=gathering.seconds_to_wait)
            for reference in done:
                gathering.take(numbers[reference], partial(_unwrapped, reference))
            if not done:
                gathering.nobody_answered()
        gathering.raise_cause()
        return gathering.results[0]

    def _replace_if_grown(self, result: JobResult) -> None:
        if reason := self._growth.complaint(result):
            log.warning("all ranks of the trial are replaced: %s", reason)
            self.close()


def names_of_hosts(nodes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return Ray's id of each host that is alive -> its name.

    Args:
        nodes: The hosts, as `ray.nodes()` returns them.
    """
    return host_names((node["NodeID"], node["NodeManagerHostname"]) for node in nodes if node["Alive"])


def _process_groups(
    seats: Sequence[RankSeat], *, devices: RankDevices, threads: Sequence[int]
) -> list[ProcessGroupConfig]:
    """Return the process group configuration of each rank, from the hosts and GPUs on which Ray has placed them."""
    hosts = [seat.host for seat in seats]
    taken = [(seat.host, gpu) for seat in seats for gpu in seat.gpus]
    return [
        ProcessGroupConfig(
            rank=number,
            num_ranks=len(seats),
            local_rank=hosts[:number].count(hosts[number]),
            host=seats[0].host,
            port=seats[0].port,
            threads=threads[number],
            device=devices.computes_on,
            memory_share=devices.gpus_per_rank or 1.0,
            shares_device=len(set(taken)) < len(taken),
            spans_hosts=len(set(hosts)) > 1,
        )
        for number in range(len(seats))
    ]


def _threads_of_bundles(devices: RankDevices) -> list[int]:
    """Return the threads of a rank in each bundle of the trial's placement group; they depend on the bundle's host."""
    resources = {node["NodeID"]: node["Resources"] for node in ray.nodes()}
    placed = ray.util.placement_group_table(_placement_group())["bundles_to_node_id"]
    return [threads_on(_host(resources[placed[bundle]]), devices=devices) for bundle in sorted(placed)]


def _host(resources: Mapping[str, float]) -> HostResources:
    return HostResources(cpus=resources.get("CPU", 0.0), gpus=resources.get("GPU", 0.0))


def _placement_group() -> Any:
    group = get_current_placement_group()
    assert group is not None  # noqa: S101  (Tune gives every trial one)
    return group


def _start_rank(number: int, devices: RankDevices, *, threads: int) -> Any:
    actor = ray.remote(RankActor)
    return actor.options(
        num_cpus=devices.cpus_per_rank,
        num_gpus=devices.gpus_per_rank,
        scheduling_strategy=PlacementGroupSchedulingStrategy(
            placement_group=_placement_group(), placement_group_bundle_index=number
        ),
        runtime_env={"env_vars": rank_environment(threads) | {_SEES_ALL_GPUS: "0"}},
    ).remote()


def _wait_until_joined(pending: list[Any]) -> None:
    """Return when all ranks have joined the process group.

    Raises:
        RunError: A rank could not join; if there are several errors, the root cause.
        GetTimeoutError: They took too long.
    """
    numbers = {reference: number for number, reference in enumerate(pending)}
    gathering = Gathering[None](len(pending), watch=None)
    deadline = time.monotonic() + START_SECONDS
    while not gathering.is_over and (left := deadline - time.monotonic()) > 0:
        wait = gathering.seconds_to_wait
        done, pending = ray.wait(pending, timeout=left if wait is None else min(left, wait))
        for reference in done:
            gathering.take(numbers[reference], partial(_check_joined, reference))
    gathering.raise_cause()
    if pending:
        msg = f"{number_of(len(pending), 'rank')} did not answer for {START_SECONDS:g} s"
        raise ray.exceptions.GetTimeoutError(msg)


def _check_joined(reference: Any) -> None:
    if (failed := _answered(reference)) is not None:
        RankAnswer.model_validate_json(failed).unwrap()


def _unwrapped(reference: Any) -> JobResult:
    return RankAnswer.model_validate_json(_answered(reference)).unwrap()


def _answered(reference: Any) -> Any:
    """Return the answer of a rank.

    Raises:
        MemoryExhaustedError: Ray ended the rank because its host's memory was almost full.
        RankLostError: The rank ended before it answered.
    """
    try:
        return ray.get(reference)
    except ray.exceptions.OutOfMemoryError as error:
        raise MemoryExhaustedError(_first_line(error)) from error
    except _LOST as error:
        if "running low on memory" in str(error):  # Ray's memory monitor ended it before the kernel would
            raise MemoryExhaustedError(_first_line(error)) from error
        msg = f"a rank ended before it answered ({_first_line(error)}); the trial can run again"
        raise RankLostError(msg) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _trains(job: Job) -> bool:
    return isinstance(job, TrainJob)

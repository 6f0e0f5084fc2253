"""Runs ranks as processes of this machine, without Ray; `xstilts run` uses it."""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import socket
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Protocol

import psutil

from trainables.config import EngineConfig
from trainables.config.rank_group import ProcessGroupConfig
from trainables.errors import RankLostError
from trainables.monitoring.watchdog import Watch
from trainables.ranks.devices import RankDevices
from trainables.ranks.jobs import Job, JobResult
from trainables.ranks.local_devices import devices_here
from trainables.ranks.memory import GrowthGuard
from trainables.ranks.rank_process import RankAnswer
from trainables.ranks.root_cause import Gathering

log = logging.getLogger(__name__)

SECONDS_TO_END = 5.0
LOOPBACK = "127.0.0.1"


class WorkerGroup(Protocol):
    """Ranks that do jobs together. They start with the first job, and stay for the next ones."""

    def run(self, job: Job) -> JobResult:
        """Do a job on all ranks; return rank 0's result.

        Raises:
            InputError: Data or checkpoint do not fit.
            RunError: The run failed; the ranks are replaced before the next job.
        """
        ...

    def close(self) -> None:
        """End the ranks."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _RankProcess:
    process: subprocess.Popen[bytes]
    answers: IO[bytes]


class LocalGroup:
    """A group of rank processes on this machine.

    Args:
        config: Number of ranks, threads, device.
        devices: Their devices; None: settled from the GPUs that torch finds here.
        log: File for the output of ranks; None: standard error.
        visible: CUDA devices that the ranks see, as CUDA_VISIBLE_DEVICES names them; None: those of this process.

    Raises:
        ConfigError: This machine has too few GPUs or cores for the ranks.
    """

    def __init__(
        self,
        config: EngineConfig,
        *,
        devices: RankDevices | None = None,
        log: Path | None = None,
        visible: str | None = None,
    ) -> None:
        self._config, self._log = config, log
        self._devices = devices or devices_here(config)
        self._variables = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
        self._ranks: list[_RankProcess] = []
        self._growth = GrowthGuard()
        self._is_ended = False

    def run(self, job: Job) -> JobResult:
        """Do a job on all ranks; return rank 0's result.

        Raises:
            InputError: Data or checkpoint do not fit.
            RunError: The run failed, or a rank ended.
        """
        try:
            if not self._ranks:
                self._start()
            self._raise_if_ended()
            for rank in self._ranks:
                _send(rank, job.model_dump_json())
            result = self._gather(job.watch)
        except BaseException:
            self.close()  # the others can hang in a collective that will never complete
            raise
        self._replace_if_grown(result)
        return result

    def close(self) -> None:
        """End the ranks by closing their standard input."""
        for rank in self._ranks:
            with contextlib.suppress(BrokenPipeError):
                _stdin(rank).close()
        for rank in self._ranks:
            try:
                rank.process.wait(SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                rank.process.kill()
                rank.process.wait()
            rank.answers.close()
        self._ranks = []
        self._growth = GrowthGuard()

    def _replace_if_grown(self, result: JobResult) -> None:
        if complaint := self._growth.complaint(result):
            log.warning("the ranks are replaced: %s", complaint)
            self.close()

    def end(self) -> None:
        """End the ranks from another thread while a job runs; the job fails with RankLostError."""
        self._is_ended = True
        for rank in list(self._ranks):
            rank.process.kill()

    def _raise_if_ended(self) -> None:
        if self._is_ended:
            raise RankLostError("the ranks were ended from outside; run the trial again")

    def _start(self) -> None:
        port, threads = free_port(), self._devices.threads or 1
        self._ranks = [self._spawn(threads) for _ in range(self._config.num_workers)]
        for number, rank in enumerate(self._ranks):
            group = ProcessGroupConfig(
                rank=number,
                num_ranks=self._config.num_workers,
                local_rank=number,
                host=LOOPBACK,
                port=port,
                threads=threads,
                device=self._devices.computes_on,
                device_index=number // self._devices.ranks_per_gpu,
                memory_share=self._devices.gpus_per_rank or 1.0,
                shares_device=self._devices.ranks_per_gpu > 1 and self._config.num_workers > 1,
            )
            _send(rank, group.model_dump_json())

    def _spawn(self, threads: int) -> _RankProcess:
        read_end, write_end = os.pipe()
        log = self._log.open("ab") if self._log else None
        process = subprocess.Popen(  # noqa: S603  (our own module)
            [sys.executable, "-m", "trainables.ranks.rank_process", str(write_end)],
            stdin=subprocess.PIPE,
            stdout=log or sys.stderr,
            stderr=log,
            pass_fds=(write_end,),
            env=os.environ | rank_environment(threads) | interface_variables(LOOPBACK) | self._variables,
            start_new_session=True,  # Ctrl-C reaches only the parent, which ends the ranks in order
        )
        os.close(write_end)
        if log:
            log.close()
        return _RankProcess(process=process, answers=os.fdopen(read_end, "rb"))

    def _gather(self, watch: Watch | None) -> JobResult:
        """Return rank 0's result when every rank has answered; of several errors, raise the cause."""
        gathering = Gathering[JobResult](len(self._ranks), watch=watch)
        with selectors.DefaultSelector() as selector:
            for number, rank in enumerate(self._ranks):
                selector.register(rank.answers, selectors.EVENT_READ, number)
            while not gathering.is_over:
                answered = selector.select(gathering.seconds_to_wait)
                for key, _ in answered:
                    gathering.take(key.data, partial(self._answer, key.data))
                    selector.unregister(key.fileobj)
                if not answered:
                    gathering.nobody_answered()
        gathering.raise_cause()
        return gathering.results[0]

    def _answer(self, number: int) -> JobResult:
        rank = self._ranks[number]
        line = rank.answers.readline()
        if not line:
            code = rank.process.wait()
            msg = (
                f"rank {number} ended with exit code {code} before it answered; its log shows why. Run the trial again"
            )
            raise RankLostError(msg)
        return RankAnswer.model_validate_json(line).unwrap()


def rank_environment(threads: int) -> dict[str, str]:
    """Return the environment variables that a rank needs before it imports torch.

    OpenMP threads that wait for each other spin for microseconds before they sleep: to wake one takes longer than many
    operators, and threads that spin for long take the core from another busy process (docs/decisions/0002).

    glibc gives large blocks back to the system as soon as they are free, and the next step pays a page fault for every
    4 KiB of them: 15 % of a step with trained embeddings, whose gradient is the largest block. So ranks keep what they
    have until a job ends (`release_memory`). Without the cache of small blocks, none of these comes to lie between two
    large ones, which could not become one again; with it, the same steps need 13 % more memory at their peak.
    """
    return {
        "GLIBC_TUNABLES": _tunables(os.environ.get("GLIBC_TUNABLES", "")),
        "OMP_NUM_THREADS": str(threads),
        "GOMP_SPINCOUNT": "1000",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONWARNINGS": "ignore::FutureWarning",
        "DS_ACCELERATOR_LOG_LEVEL": "WARNING",
    }


def _tunables(given: str) -> str:
    """Return glibc's settings of a rank: those that the user has given, and ours for the others."""
    settings = [one for one in given.split(":") if one]
    named = {one.partition("=")[0] for one in settings}
    ours = {"glibc.malloc.mmap_max": 0, "glibc.malloc.trim_threshold": 1 << 40, "glibc.malloc.tcache_count": 0}
    return ":".join(settings + [f"{name}={value}" for name, value in ours.items() if name not in named])


def free_port(host: str = LOOPBACK) -> int:
    """Return a port that is free now on the interface of one of this host's addresses."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def interface_variables(host: str) -> dict[str, str]:
    """Return the variables that make Gloo and NCCL listen only on the interface with this address.

    Variables that the user has set stay. By default the libraries use the address that the host's name resolves to:
    often loopback, although ranks are on several hosts, and sometimes the network, although all are on one.
    """
    names = [name for name, addresses in psutil.net_if_addrs().items() if any(one.address == host for one in addresses)]
    variables = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
    return {variable: names[0] for variable in variables if names and variable not in os.environ}


def _stdin(rank: _RankProcess) -> IO[bytes]:
    assert rank.process.stdin is not None  # noqa: S101  (it is a pipe, always)
    return rank.process.stdin


def _send(rank: _RankProcess, line: str) -> None:
    try:
        _stdin(rank).write(line.encode() + b"\n")
        _stdin(rank).flush()
    except BrokenPipeError as error:
        msg = "a rank has ended; its log shows why. Run the trial again"
        raise RankLostError(msg) from error

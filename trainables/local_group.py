"""Ranks as processes of this machine: how `xstilts run` trains, without Ray."""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import psutil

from trainables.config import EngineConfig
from trainables.errors import ConfigError, RankLostError
from trainables.hangs import Watch, Watcher
from trainables.jobs import Job, JobResult
from trainables.rank_process import Answer

SECONDS_TO_END = 5.0
LOOPBACK = "127.0.0.1"


class WorkerGroup(Protocol):
    """Ranks that do jobs together. Started on the first job, kept for the next ones."""

    def run(self, job: Job) -> JobResult:
        """Do a job on all ranks; returns what rank 0 answered.

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
        log: File that takes what ranks print; None passes it on to standard error.
        devices: CUDA devices that the ranks see, as CUDA_VISIBLE_DEVICES names them; None: those of this process.
    """

    def __init__(self, config: EngineConfig, *, log: Path | None = None, devices: str | None = None) -> None:
        self._config, self._log = config, log
        self._variables = {} if devices is None else {"CUDA_VISIBLE_DEVICES": devices}
        self._ranks: list[_RankProcess] = []
        self._is_ended = False

    def run(self, job: Job) -> JobResult:
        """Do a job on all ranks; returns what rank 0 answered.

        Raises:
            InputError: Data or checkpoint do not fit.
            RunError: The run failed, or a rank ended.
        """
        try:
            if not self._ranks:
                self._start()
            self._refuse_once_ended()
            for rank in self._ranks:
                _send(rank, job.model_dump_json())
            return self._gather(job.watch)
        except BaseException:
            self.close()  # the others may hang in a collective that will never complete
            raise

    def close(self) -> None:
        """End the ranks; they see their input close."""
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

    def end(self) -> None:
        """End the ranks from another thread than that which runs a job: the job fails with RankLostError."""
        self._is_ended = True
        for rank in list(self._ranks):
            rank.process.kill()

    def _refuse_once_ended(self) -> None:
        if self._is_ended:
            raise RankLostError("the ranks were ended from outside; the trial can be run again")

    def _start(self) -> None:
        from trainables.engine.process_group import ProcessGroupConfig

        threads, device, port = threads_per_rank(self._config), device_of(self._config), free_port()
        self._ranks = [self._spawn(threads) for _ in range(self._config.num_workers)]
        for number, rank in enumerate(self._ranks):
            group = ProcessGroupConfig(
                rank=number,
                num_ranks=self._config.num_workers,
                local_rank=number,
                host=LOOPBACK,
                port=port,
                threads=threads,
                device=device,
            )
            _send(rank, group.model_dump_json())

    def _spawn(self, threads: int) -> _RankProcess:
        read_end, write_end = os.pipe()
        log = self._log.open("ab") if self._log else None
        process = subprocess.Popen(  # noqa: S603  (our own module)
            [sys.executable, "-m", "trainables.rank_process", str(write_end)],
            stdin=subprocess.PIPE,
            stdout=log or sys.stderr,
            stderr=log,
            pass_fds=(write_end,),
            env=os.environ | rank_environment(threads) | self._variables,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which ends the ranks in order
        )
        os.close(write_end)
        if log:
            log.close()
        return _RankProcess(process=process, answers=os.fdopen(read_end, "rb"))

    def _gather(self, watch: Watch | None) -> JobResult:
        """Return rank 0's result once every rank has answered; fail at the first that fails."""
        results: dict[int, JobResult] = {}
        watcher = Watcher(watch)
        with selectors.DefaultSelector() as selector:
            for number, rank in enumerate(self._ranks):
                selector.register(rank.answers, selectors.EVENT_READ, number)
            while len(results) < len(self._ranks):
                answered = selector.select(watcher.seconds_between_looks)
                for key, _ in answered:
                    results[key.data] = self._answer(key.data)
                    selector.unregister(key.fileobj)
                if not answered:
                    watcher.check()
        return results[0]

    def _answer(self, number: int) -> JobResult:
        rank = self._ranks[number]
        line = rank.answers.readline()
        if not line:
            code = rank.process.wait()
            msg = (
                f"rank {number} ended with exit code {code} before it answered; its log says why, "
                "the trial can be run again"
            )
            raise RankLostError(msg)
        return Answer.model_validate_json(line).unwrap()


def threads_per_rank(config: EngineConfig) -> int:
    """Return the CPU threads of a rank: as asked for, or this process's cores divided among the ranks."""
    cores = len(os.sched_getaffinity(0))
    return config.threads_per_rank or max(1, cores // config.num_workers)


def rank_environment(threads: int) -> dict[str, str]:
    """Return what must stand in a rank's environment before torch is imported.

    Spinning OpenMP threads beside a busy neighbour made a step ten times slower (docs/decisions/0002).
    """
    return {
        "OMP_NUM_THREADS": str(threads),
        "GOMP_SPINCOUNT": "0",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONWARNINGS": "ignore::FutureWarning",
        "DS_ACCELERATOR_LOG_LEVEL": "WARNING",
    }


def device_of(config: EngineConfig) -> str:
    """Return `cuda` or `cpu`.

    Raises:
        ConfigError: CUDA was asked for, and there are fewer devices than ranks.
    """
    if config.device == "cpu":
        return "cpu"
    num_devices = num_cuda_devices()
    if config.device == "auto":
        return "cuda" if num_devices >= config.num_workers else "cpu"
    if num_devices < config.num_workers:
        message = f"cuda for {config.num_workers} ranks, but {num_devices} devices are here; use cpu or fewer ranks"
        raise ConfigError("engine.device", message)
    return "cuda"


def check_ranks_fit(config: EngineConfig) -> None:
    """Check that this machine can hold the ranks of a trial.

    Raises:
        ConfigError: There are more ranks than CUDA devices, or on the CPU more than cores.
    """
    cores = len(os.sched_getaffinity(0))
    if device_of(config) == "cpu" and config.num_workers > cores:
        message = f"{config.num_workers} ranks, but this machine has {cores} cores and each needs one; lower it"
        raise ConfigError("engine.num_workers", message)


def num_cuda_devices() -> int:
    """Return how many CUDA devices this process sees."""
    try:
        ctypes.CDLL("libcuda.so.1")  # the driver; without it torch, whose import takes a second, finds no device
    except OSError:
        return 0
    import torch

    return torch.cuda.device_count()


def free_port(host: str = LOOPBACK) -> int:
    """Return a port that is free now on the interface of one of this host's addresses."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def use_interface_of(host: str) -> None:
    """Have Gloo and NCCL talk to other hosts over the interface that has this address, unless the user named one.

    Left alone they take what the host's name resolves to, which often is loopback.
    """
    for name, addresses in psutil.net_if_addrs().items():
        if host != LOOPBACK and any(one.address == host for one in addresses):
            os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
            os.environ.setdefault("NCCL_SOCKET_IFNAME", name)


def _stdin(rank: _RankProcess) -> IO[bytes]:
    assert rank.process.stdin is not None  # noqa: S101  (it is a pipe, always)
    return rank.process.stdin


def _send(rank: _RankProcess, line: str) -> None:
    try:
        _stdin(rank).write(line.encode() + b"\n")
        _stdin(rank).flush()
    except BrokenPipeError as error:
        msg = "a rank has ended; its log says why, the trial can be run again"
        raise RankLostError(msg) from error

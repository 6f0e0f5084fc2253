"""Settles the devices of a trial's ranks once, before they start, as a value. Pure.

A sweep settles them in its driver, from the resources that Ray counts; `xstilts run` settles them from the GPUs that
torch finds (`local_devices`). Placement, counting, warnings, forecasts, ranks and the sizes of passes all read this
value; none of them looks for a device.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from trainables.config import EngineConfig
from trainables.config.frozen import FrozenModel
from trainables.errors import ConfigError, near_matches
from trainables.number_words import number_of
from trainables.ranks.gpu_memory import gigabytes_of

REHEARSAL = "XSTILTS_REHEARSE_ON_CPU"
"""Variable that makes ranks compute on the CPU although GPUs are counted for them: it rehearses, and tests, the
placement of a sweep for a GPU cluster on hosts without GPUs (docs/how-to/gpus.md)."""

_WHOLE = 1e-9
"""Tolerance when shares of a GPU are compared: ten times 0.1 is one GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostResources:
    """Resources of one host."""

    cpus: float
    """Cores."""
    gpus: float = 0.0
    """GPUs."""
    accelerator_types: frozenset[str] = frozenset()
    """Ray's names of what its GPUs are, for example `A100`; empty where Ray does not know."""
    count: int = 1
    """Hosts of this kind."""
    memory_bytes: float = 0.0
    """Memory that programs may use; 0 where it is not known."""
    gpu_bytes: float = 0.0
    """Memory of its smallest GPU; 0 where only the names of their types are known."""


class RankDevices(FrozenModel):
    """Resources and device of each rank of a trial. Crosses processes."""

    kind: Literal["cpu", "cuda"]
    """The settled value of `engine.device`, by which ranks are counted and placed."""
    computes_on: Literal["cpu", "cuda"]
    """Device of a rank: `kind`, but the CPU in a rehearsal."""
    cpus_per_rank: float = Field(default=1.0, gt=0)
    """Cores that a rank takes of its host, as Ray counts them; below 1 if a host has fewer cores than ranks."""
    gpus_per_rank: float = Field(default=0.0, ge=0)
    """GPUs, or the share of one, that a rank takes of its host."""
    accelerator_type: str | None = None
    """Ray's name of the GPU that a rank asks for; None takes any."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of a rank; None is its share of its host's cores."""
    memory_bytes: float = Field(default=0.0, ge=0)
    """Memory of a rank's GPU, or of its share of one, on the smallest GPU that it may get; 0 on the CPU."""
    on_one_host: bool = True
    """Whether all ranks of a trial are on one host; if not, a trial is too large for any host."""

    @property
    def ranks_per_gpu(self) -> int:
        """Ranks that share a GPU; 1 on the CPU."""
        return max(1, math.floor(1 / self.gpus_per_rank + _WHOLE)) if 0 < self.gpus_per_rank < 1 else 1


def settle_devices(
    engine: EngineConfig,
    *,
    hosts: Sequence[HostResources],
    may_join: Sequence[HostResources] = (),
    may_grow: bool = False,
    rehearses: bool = False,
) -> RankDevices:
    """Return the devices of the ranks of a sweep's trials.

    `auto` is CUDA if any host has a GPU, or could have one: a head without GPUs does not turn a cluster into CPUs.

    Args:
        engine: The user's settings: ranks, threads and device.
        hosts: The present hosts.
        may_join: The hosts that an autoscaler could add.
        may_grow: Whether hosts that are not in `may_join` could join, so that a missing GPU can still come.
        rehearses: Whether ranks compute on the CPU in any case.

    Raises:
        ConfigError: Ranks need more GPUs than there are, or could be; they never use the CPU instead without notice.
    """
    possible = [*hosts, *may_join]
    if engine.device == "cpu" or (engine.device == "auto" and not _num_gpus(possible)):
        _raise_if_gpu_settings_have_no_effect(engine)
        return _on_one_host(
            RankDevices(
                kind="cpu",
                computes_on="cpu",
                cpus_per_rank=engine.threads_per_rank or 1,
                threads=engine.threads_per_rank or 1,
            ),
            num_ranks=engine.num_workers,
            hosts=possible,
        )
    suitable = [host for host in possible if host.gpus and _has_type(host, engine.accelerator_type)]
    devices = RankDevices(
        kind="cuda",
        computes_on="cpu" if rehearses else "cuda",
        cpus_per_rank=_cpus_of_a_rank(engine, hosts=suitable),
        gpus_per_rank=engine.gpus_per_worker,
        accelerator_type=engine.accelerator_type,
        threads=engine.threads_per_rank,
        memory_bytes=engine.gpus_per_worker * _smallest_gpu(suitable, accelerator_type=engine.accelerator_type),
    )
    if not may_grow:
        _check_enough_gpus(engine, hosts=possible, suitable=suitable, devices=devices)
    return _on_one_host(devices, num_ranks=engine.num_workers, hosts=suitable)


def ranks_that_fit(host: HostResources, *, devices: RankDevices) -> int:
    """Return how many ranks one host has room for at the same time.

    Args:
        host: Its resources.
        devices: What each rank takes.
    """
    by_cores = math.floor(host.cpus / devices.cpus_per_rank + _WHOLE)
    if not devices.gpus_per_rank:
        return by_cores
    if not _has_type(host, devices.accelerator_type):
        return 0
    return min(by_cores, _ranks_by_gpus(host, share=devices.gpus_per_rank))


def trials_at_a_time(hosts: Iterable[HostResources], *, devices: RankDevices, num_ranks: int) -> int:
    """Return how many trials hosts have room for at the same time; 0 if not even one can be placed.

    Args:
        hosts: Their resources.
        devices: What each rank takes.
        num_ranks: Ranks of a trial.
    """
    fitting = [(ranks_that_fit(host, devices=devices), host.count) for host in hosts]
    if devices.on_one_host:
        return sum(ranks // num_ranks * count for ranks, count in fitting)
    return sum(ranks * count for ranks, count in fitting) // num_ranks


def threads_on(host: HostResources, *, devices: RankDevices) -> int:
    """Return the CPU threads of a rank on a host: as settled, or its share of the host's cores.

    Args:
        host: The rank's host.
        devices: The settled devices.
    """
    if devices.threads is not None:
        return devices.threads
    return max(1, int(host.cpus) // max(1, _ranks_by_gpus(host, share=devices.gpus_per_rank)))


def _ranks_by_gpus(host: HostResources, *, share: float) -> int:
    """Return how many ranks a host's GPUs hold: a rank's share is of one GPU, never of parts of two."""
    if 0 < share < 1:
        return int(host.gpus) * math.floor(1 / share + _WHOLE)
    return math.floor(host.gpus / share + _WHOLE) if share else 0


def _on_one_host(devices: RankDevices, *, num_ranks: int, hosts: Sequence[HostResources]) -> RankDevices:
    """Return devices that spread a trial over hosts only if no host has room for all its ranks."""
    largest = max((ranks_that_fit(host, devices=devices) for host in hosts), default=0)
    return devices.model_copy(update={"on_one_host": largest >= num_ranks})


def _cpus_of_a_rank(engine: EngineConfig, *, hosts: Sequence[HostResources]) -> float:
    """Return the cores of a rank on a GPU, chosen so that on every host the GPUs decide how many ranks it holds.

    Ray needs one number for all hosts: the smallest of their shares.
    """
    if engine.threads_per_rank:
        return float(engine.threads_per_rank)
    shares = [host.cpus / max(1, _ranks_by_gpus(host, share=engine.gpus_per_worker)) for host in hosts if host.cpus]
    least = min(shares, default=1.0)
    return float(math.floor(least)) if least >= 1 else math.floor(least * 1000) / 1000 or 0.001


def _has_type(host: HostResources, wanted: str | None) -> bool:
    return wanted is None or wanted in host.accelerator_types


def _smallest_gpu(hosts: Sequence[HostResources], *, accelerator_type: str | None) -> float:
    """Return the memory of the smallest GPU that a rank may get."""
    of_hosts = [host.gpu_bytes or _gigabytes(host, accelerator_type) * 1e9 for host in hosts]
    return min(of_hosts, default=gigabytes_of(accelerator_type or "") * 1e9)


def _gigabytes(host: HostResources, accelerator_type: str | None) -> int:
    names = [accelerator_type] if accelerator_type else [*host.accelerator_types] or [""]
    return min(gigabytes_of(name) for name in names)


def _num_gpus(hosts: Sequence[HostResources]) -> float:
    return sum(host.gpus * host.count for host in hosts)


def _raise_if_gpu_settings_have_no_effect(engine: EngineConfig) -> None:
    asked = [name for name in ("gpus_per_worker", "accelerator_type") if name in engine.model_fields_set]
    chosen = [name for name in asked if getattr(engine, name) not in (1.0, None)]
    if chosen:
        why = "engine.device is cpu" if engine.device == "cpu" else "no host has a GPU"
        message = f"{getattr(engine, chosen[0])}, and {why}, so that it has no effect; leave it out, or add GPUs"
        raise ConfigError(f"engine.{chosen[0]}", message)


def _check_enough_gpus(
    engine: EngineConfig, *, hosts: Sequence[HostResources], suitable: Sequence[HostResources], devices: RankDevices
) -> None:
    """Check that the hosts have enough GPUs for a trial; the error names both numbers.

    Raises:
        ConfigError: There are too few GPUs, GPUs of the type, or cores beside them for one trial.
    """
    if engine.accelerator_type is not None and not suitable and _num_gpus(hosts):
        _raise_unknown_type(engine.accelerator_type, hosts=hosts)
    needed, share = engine.num_workers, engine.gpus_per_worker
    by_gpus = sum(_ranks_by_gpus(host, share=share) * host.count for host in suitable)
    if by_gpus < needed:
        each = "" if share == 1 else f", each of {share:g} of a GPU"
        of_type = f"{engine.accelerator_type} " if engine.accelerator_type else ""
        gpus = number_of(_num_gpus(suitable), f"{of_type}GPU", form="g")
        message = (
            f"a trial needs {number_of(needed, 'rank')}{each}, and {gpus} "
            f"with room for {by_gpus} {'is' if _num_gpus(suitable) == 1 else 'are'} counted; lower "
            "engine.num_workers, add GPUs, or write `device: cpu`"
        )
        raise ConfigError("engine.device", f"{engine.device}: {message}")
    if (total := sum(ranks_that_fit(host, devices=devices) * host.count for host in suitable)) < needed:
        message = (
            f"{engine.threads_per_rank}: a trial needs {needed} ranks of as many cores, and the hosts with GPUs have "
            f"room for {total}; lower it, or leave it out: a rank then takes its GPU's share of the cores"
        )
        raise ConfigError("engine.threads_per_rank", message)


def _raise_unknown_type(wanted: str, *, hosts: Sequence[HostResources]) -> None:
    known = sorted({name for host in hosts for name in host.accelerator_types})
    there = f"the GPUs that are counted are {', '.join(known)}" if known else "Ray knows no type of the GPUs there"
    message = f"{wanted!r}: {there}{near_matches(wanted, known)}; name one of them, or leave it out"
    raise ConfigError("engine.accelerator_type", message)

"""Chooses the devices of a sweep's ranks, and the number of trials that run at a time, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spaces.sweep_spec import SweepSpec
from trainables.config import EngineConfig
from trainables.errors import ConfigError, InputError
from trainables.number_words import number_of
from trainables.processor import multiplies_bfloat16
from trainables.ranks.devices import (
    HostResources,
    RankDevices,
    ranks_that_fit,
    settle_devices,
    trials_at_a_time,
)
from trainables.ranks.local_devices import find_gpus, is_rehearsal, refuse_unusable

if TYPE_CHECKING:
    from search.driver.cluster_hosts import ClusterHosts


_EMULATED = (
    "the sweep's spec or record names bfloat16, and this processor has no fast products in it: steps take longer than "
    "in float32. Run it on a host that has them, or start a new sweep (--name) with "
    "engine.precision and engine.evaluation_precision float32"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a sweep's trials run."""

    engine: EngineConfig
    """The engine of every trial, with its device and threads."""
    devices: RankDevices
    """CPUs and GPUs of each rank."""
    concurrency: int
    """Trials that can run at a time; at least 1."""
    num_fitting: int
    """Trials that fit on the present hosts at the same time; 0 if the first trial waits for a host."""
    warning: str | None = None
    """A warning for the user before the sweep starts, or None."""

    @property
    def at_a_time(self) -> int:
        """Trials that run at a time on the present hosts."""
        return min(self.concurrency, self.num_fitting)

    def in_words(self) -> str:
        """Return one line that says how many trials run at a time, and on which devices."""
        devices, ranks = self.devices, self.engine.num_workers
        many = "a rank" if ranks == 1 else f"{ranks} ranks, each"
        takes = f"{devices.cpus_per_rank:g} {'core' if devices.cpus_per_rank <= 1 else 'cores'}"
        if devices.kind == "cuda":
            of = "" if devices.gpus_per_rank == 1 else "of a "
            takes = f"{devices.gpus_per_rank:g} {of}{devices.accelerator_type or 'GPU'} and {takes}"
        return f"{self.at_a_time} at a time, {many} on {takes} ({devices.kind})"


def plan_local_devices(spec: SweepSpec, engine: EngineConfig, *, hosts: ClusterHosts) -> Placement:
    """Return where the trials of a sweep run that uses only this machine.

    Args:
        spec: The sweep.
        engine: Engine of its trials, as the user wrote it.
        hosts: This machine with the resources that Ray finds on it.

    Raises:
        ConfigError: Its GPUs cannot be used, or there are too few GPUs or cores for the ranks of a trial.
        InputError: It has too few cores for the threads of a trial.
    """
    rehearses = is_rehearsal()
    (here,) = hosts.there
    if not rehearses and engine.device != "cpu":
        refuse_unusable(engine, counted=here.gpus, found=find_gpus())
    devices = settle_devices(engine, hosts=hosts.there, rehearses=rehearses)
    if devices.kind == "cpu":
        devices = _with_threads(devices, engine=engine, host=here, concurrency=spec.concurrency)
    emulates = devices.kind == "cpu" and "bfloat16" in (engine.arithmetic, engine.scoring) and not multiplies_bfloat16()
    return _placement(spec, engine, devices=devices, hosts=hosts, warning=_EMULATED if emulates else None)


def plan_cluster_devices(spec: SweepSpec, engine: EngineConfig, *, hosts: ClusterHosts) -> Placement:
    """Return where a sweep's trials run on an existing cluster, which may grow.

    Args:
        spec: The sweep.
        engine: Engine of its trials, as the user wrote it.
        hosts: The cluster.

    Raises:
        ConfigError: A trial needs more GPUs than the cluster has and could add.
    """
    devices = settle_devices(
        engine,
        hosts=hosts.there,
        may_join=hosts.may_join,
        may_grow=hosts.may_grow,
        rehearses=is_rehearsal(),
    )
    return _placement(spec, engine, devices=devices, hosts=hosts)


def plan_devices(spec: SweepSpec, engine: EngineConfig, *, hosts: ClusterHosts, is_local: bool) -> Placement:
    """Return where a sweep's trials run; see `plan_local_devices` and `plan_cluster_devices`."""
    return (plan_local_devices if is_local else plan_cluster_devices)(spec, engine, hosts=hosts)


def _placement(
    spec: SweepSpec, engine: EngineConfig, *, devices: RankDevices, hosts: ClusterHosts, warning: str | None = None
) -> Placement:
    ranks = engine.num_workers
    fitting = trials_at_a_time(hosts.there, devices=devices, num_ranks=ranks)
    settled = {"device": devices.kind} | ({"threads_per_rank": devices.threads} if devices.threads else {})
    return Placement(
        engine=engine.model_copy(update=settled),
        devices=devices,
        concurrency=spec.concurrency or max(1, fitting),
        num_fitting=fitting,
        warning=_warning(devices, num_ranks=ranks, hosts=hosts) if not fitting else warning,
    )


def _warning(devices: RankDevices, *, num_ranks: int, hosts: ClusterHosts) -> str:
    room = sum(ranks_that_fit(host, devices=devices) for host in hosts.there)
    gpu = f" and {devices.gpus_per_rank:g} GPU" if devices.gpus_per_rank else ""
    return (
        f"a trial needs {number_of(num_ranks, 'rank')} of {devices.cpus_per_rank:g} CPU{gpu}, but the cluster has room "
        f"for {room}; trials wait until more hosts join the cluster"
    )


def _with_threads(
    devices: RankDevices, *, engine: EngineConfig, host: HostResources, concurrency: int | None
) -> RankDevices:
    """Return the devices with as many threads per rank as the machine's cores allow.

    Raises:
        ConfigError: A trial has more ranks than the machine has cores.
        InputError: A trial needs more cores than the machine has.
    """
    if engine.num_workers > host.cpus:
        message = f"{engine.num_workers} ranks need a core each, but this machine has {host.cpus:g}; lower it"
        raise ConfigError("engine.num_workers", message)
    share = int(host.cpus) // engine.num_workers // (concurrency or 1)
    threads = engine.threads_per_rank or (max(1, share) if concurrency else 1)
    if (needed := engine.num_workers * threads) > host.cpus:
        msg = (
            f"a trial needs {needed} CPUs ({engine.num_workers} ranks of {threads} threads), but this machine has "
            f"{host.cpus:g}; lower trial.engine.num_workers or threads_per_rank, or use a cluster"
        )
        raise InputError(msg)
    return devices.model_copy(update={"threads": threads, "cpus_per_rank": float(threads)})

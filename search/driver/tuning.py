"""The door to Ray: the local or given cluster, and one run of Ray Tune over a proposer's trials."""

from __future__ import annotations

import _thread
import itertools
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self  # Any: Ray is untyped

import psutil

from search.driver.ray_door import start_ray
from search.driver.trial_order import TrialOrder
from search.driver.trial_trainable import TrialTrainable
from search.ray_surroundings import given_address
from search.record import SetApart
from search.scheduling.proposing import Proposer, Start
from trainables.ranks.devices import HostResources, RankDevices, trials_at_a_time

# Read by Tune when it is imported. Its loggers would write three files a trial, its handler would swallow Ctrl-C.
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray import tune
from ray.tune.execution import class_cache

from search.driver.cluster_hosts import ClusterHosts, cluster_hosts
from search.driver.quarantine import Quarantine
from search.driver.searcher import RecordSearcher, RungScheduler
from search.driver.trial_actor import SweepTrainable

SECONDS_BETWEEN_LOOKS = 1.0

AHEAD_OF_CLUSTER = 1
"""Trials that are started on a cluster beyond those that fit: what waits for devices makes its autoscaler add hosts."""

IDLE_SECONDS = 30.0
"""How long a cluster's ranks are kept for which there is no trial: some five times what it takes to start new ones."""

# Tune would send the driver's AWS keys to its actors in a form that Ray writes to its logs and tells every client. Each
# process has its host's own, from the environment or the host's role (docs/how-to/on-premises.md).
class_cache.ENV_VARS_TO_PROPAGATE -= {name for name in class_cache.ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")}

TRIALS_A_RUN = 500
"""Trials of one run of Tune at one trial at a time; with more at a time, as many times more. Its driver grows by some
ten kilobytes a trial, and at the end of a run devices wait for the last trials."""

# A trial that loses its process is told by our own driver, in a line; Tune would print a stack.
logging.getLogger("ray.tune").setLevel(logging.CRITICAL)


class RayCluster:
    """Ray, as long as the sweep needs it: the cluster that RAY_ADDRESS names, or one on this machine's loopback."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self.is_lost = False
        """Whether Ray's process on this machine has ended by itself."""
        self.session: Path | None = None
        """Folder of the session that was started here; None for a cluster that was there before."""
        self.on_lost: Callable[[], None] = _thread.interrupt_main
        """Called then, in another thread, to end what the main thread does: nothing would run any more."""

    def __enter__(self) -> Self:
        if start_ray():
            raylet = _raylet()
            self.session = _session_of(raylet)
            threading.Thread(target=self._watch, args=(raylet,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        ray.shutdown()
        if self.session is not None:
            shutil.rmtree(self.session, ignore_errors=True)

    def _watch(self, raylet: psutil.Process | None) -> None:
        """Tell when Ray's process on this machine ends."""
        while raylet is not None and not self._ended.wait(SECONDS_BETWEEN_LOOKS):
            if not raylet.is_running() or raylet.status() == psutil.STATUS_ZOMBIE:
                self.is_lost = True
                self.on_lost()
                return

    def hosts(self) -> ClusterHosts:
        """Return the hosts that are there now, and those that could join."""
        return cluster_hosts()

    def quarantine(
        self, places: Callable[[], Sequence[SetApart]], *, devices: RankDevices, num_ranks: int
    ) -> Quarantine:
        """Return what keeps a sweep's trials away from hosts and GPUs that failed too often.

        Args:
            places: Returns what is set apart, from the record.
            devices: What each rank takes.
            num_ranks: Ranks of a trial.
        """

        def fits(left: Sequence[HostResources]) -> bool:
            hosts = self.hosts()
            return hosts.may_grow or bool(
                trials_at_a_time([*left, *hosts.may_join], devices=devices, num_ranks=num_ranks)
            )

        return Quarantine(places=places, resources=trial_resources(devices, num_ranks=num_ranks), fits=fits)

    def room(self, devices: RankDevices, *, num_ranks: int, quarantine: Quarantine) -> Callable[[], int]:
        """Return what tells how many trials to start: as many as fit, and one that waits for the cluster to grow."""

        def look() -> int:
            nonlocal looked, room
            if time.monotonic() - looked >= SECONDS_BETWEEN_LOOKS:
                alive = quarantine.remaining([node for node in ray.nodes() if node["Alive"]])
                fitting = trials_at_a_time(alive, devices=devices, num_ranks=num_ranks)
                looked, room = time.monotonic(), max(1, fitting) + AHEAD_OF_CLUSTER
            return room

        looked, room = float("-inf"), 1
        return look


def _raylet() -> psutil.Process | None:
    """Return Ray's process that runs the workers of this machine, which this process has started."""
    children = psutil.Process().children(recursive=True)
    return next((child for child in children if child.name().startswith("raylet")), None)


def _session_of(raylet: psutil.Process | None) -> Path | None:
    """Return the folder of the session that a raylet belongs to, from where its sockets are."""
    for argument in raylet.cmdline() if raylet is not None else ():
        socket = Path(argument.partition("=")[2])
        if socket.parent.name == "sockets" and socket.parent.parent.name.startswith("session_"):
            return socket.parent.parent
    return None


def tune_trials(
    proposer: Proposer,
    *,
    order: Callable[[Start], TrialOrder],
    resources: tune.PlacementGroupFactory | Quarantine,
    scratch: Path,
    is_stopping: Callable[[], bool] = lambda: False,
    trainable: type[TrialTrainable] = SweepTrainable,
) -> None:
    """Run a proposer's trials until it has no more.

    Tune keeps what it knows of every trial, and its driver grows; so it is started anew after some.

    Args:
        proposer: Decides what runs next.
        order: Makes a trial's order.
        resources: What every trial takes (`trial_resources`), or what says so anew for each.
        scratch: Folder for Tune's own state, which nobody reads again.
        is_stopping: Whether the sweep was asked to stop: then nothing more is started.
        trainable: What runs a trial and says how it ended.
    """
    quarantine = resources if isinstance(resources, Quarantine) else None
    idle_seconds = IDLE_SECONDS if given_address(os.environ) else None  # a host of our own goes nowhere
    max_trials = TRIALS_A_RUN * proposer.concurrency
    for number in itertools.count():
        searcher = RecordSearcher(proposer, order=order, is_stopping=is_stopping, max_trials=max_trials)
        scheduler = RungScheduler(proposer, searcher=searcher, idle_seconds=idle_seconds, quarantine=quarantine)
        taken = resources.resources if isinstance(resources, Quarantine) else resources
        _tuner(searcher, scheduler, resources=taken, scratch=scratch / str(number), trainable=trainable).fit()
        searcher.settle()
        if searcher.is_finished:
            return


def _tuner(
    searcher: RecordSearcher,
    scheduler: RungScheduler,
    *,
    resources: tune.PlacementGroupFactory,
    scratch: Path,
    trainable: type[TrialTrainable],
) -> tune.Tuner:
    return tune.Tuner(
        tune.with_resources(trainable, resources),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch),
            failure_config=tune.FailureConfig(max_failures=0),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False, checkpoint_frequency=0),
            verbose=0,
        ),
    )


def trial_resources(devices: RankDevices, *, num_ranks: int) -> tune.PlacementGroupFactory:
    """Return a trial's placement group: an empty bundle for its actor, then one for each rank.

    Args:
        devices: What each rank takes.
        num_ranks: Ranks of a trial.
    """
    bundle = {"CPU": devices.cpus_per_rank}
    if devices.gpus_per_rank:
        bundle["GPU"] = devices.gpus_per_rank
    if devices.accelerator_type is not None:
        bundle[f"accelerator_type:{devices.accelerator_type}"] = 0.001  # as Ray's own option of actors asks for it
    strategy = "STRICT_PACK" if devices.on_one_host else "PACK"
    return tune.PlacementGroupFactory([{}, *([bundle] * num_ranks)], strategy=strategy)

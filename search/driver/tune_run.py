"""Runs the trials of a scheduler with Ray Tune, on a local Ray or on the cluster in RAY_ADDRESS."""

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

from search.driver.ray_door import start_ray, stop_ray
from search.driver.trial_order import TrialOrder
from search.driver.trial_trainable import TrialTrainable
from search.ray_environment import given_address
from search.record import QuarantinedPlace
from search.scheduling.scheduler import Start, TrialScheduler
from trainables.ranks.devices import HostResources, RankDevices, trials_at_a_time

# Tune reads these when it is imported. Its loggers would write three files per trial; its handler would catch Ctrl-C.
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
"""Trials that are started on a cluster beyond those that fit: a trial that waits for devices makes the autoscaler add
hosts."""

IDLE_SECONDS = 30.0
"""How long ranks on a cluster are kept without a trial: about five times as long as new ranks take to start."""

# Tune would send the driver's AWS keys to its actors in a form that Ray writes to its logs and shows to every client.
# Each process has the keys of its host, from the environment or the host's role (docs/how-to/on-premises.md).
class_cache.ENV_VARS_TO_PROPAGATE -= {name for name in class_cache.ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")}

TRIALS_A_RUN = 500
"""Trials in one run of Tune, for each trial that runs at a time. The memory of Tune's driver grows by about ten
kilobytes per trial, and at the end of a run devices are idle until the last trials end."""

# Our driver reports a trial that lost its process in one line; Tune would print a stack.
logging.getLogger("ray.tune").setLevel(logging.CRITICAL)


class RayCluster:
    """A context with Ray: joins the cluster in RAY_ADDRESS, or starts Ray on this machine's loopback interface."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self.is_lost = False
        """Whether Ray's process on this machine has ended unexpectedly."""
        self.session: Path | None = None
        """Folder of the Ray session that was started here; None for an existing cluster."""
        self.on_lost: Callable[[], None] = _thread.interrupt_main
        """Called in another thread when Ray's process has ended, to interrupt the main thread."""

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
        stop_ray()
        if self.session is not None:
            shutil.rmtree(self.session, ignore_errors=True)

    def _watch(self, raylet: psutil.Process | None) -> None:
        """Call `on_lost` when Ray's process on this machine ends."""
        while raylet is not None and not self._ended.wait(SECONDS_BETWEEN_LOOKS):
            if not raylet.is_running() or raylet.status() == psutil.STATUS_ZOMBIE:
                self.is_lost = True
                self.on_lost()
                return

    def hosts(self) -> ClusterHosts:
        """Return the hosts that are alive now, and those that could join."""
        return cluster_hosts()

    def quarantine(
        self, places: Callable[[], Sequence[QuarantinedPlace]], *, devices: RankDevices, num_ranks: int
    ) -> Quarantine:
        """Return the quarantine that keeps a sweep's trials away from hosts and GPUs that failed too often.

        Args:
            places: Returns the quarantined hosts and GPUs, from the record.
            devices: CPUs and GPUs of each rank.
            num_ranks: Ranks of a trial.
        """

        def fits(remaining: Sequence[HostResources]) -> bool:
            hosts = self.hosts()
            return hosts.may_grow or bool(
                trials_at_a_time([*remaining, *hosts.may_join], devices=devices, num_ranks=num_ranks)
            )

        return Quarantine(places=places, resources=trial_resources(devices, num_ranks=num_ranks), fits=fits)

    def room(self, devices: RankDevices, *, num_ranks: int, quarantine: Quarantine) -> Callable[[], int]:
        """Return a function that counts the trials to start: all that fit, and one that makes the cluster grow."""

        def count_trials() -> int:
            nonlocal looked, room
            if time.monotonic() - looked >= SECONDS_BETWEEN_LOOKS:
                alive = quarantine.remaining([node for node in ray.nodes() if node["Alive"]])
                fitting = trials_at_a_time(alive, devices=devices, num_ranks=num_ranks)
                looked, room = time.monotonic(), max(1, fitting) + AHEAD_OF_CLUSTER
            return room

        looked, room = float("-inf"), 1
        return count_trials


def _raylet() -> psutil.Process | None:
    """Return the raylet that this process has started: Ray's process that runs the workers of this machine."""
    children = psutil.Process().children(recursive=True)
    return next((child for child in children if child.name().startswith("raylet")), None)


def _session_of(raylet: psutil.Process | None) -> Path | None:
    """Return the folder of a raylet's session, from the path of its sockets."""
    for argument in raylet.cmdline() if raylet is not None else ():
        socket = Path(argument.partition("=")[2])
        if socket.parent.name == "sockets" and socket.parent.parent.name.startswith("session_"):
            return socket.parent.parent
    return None


def tune_trials(
    scheduler: TrialScheduler,
    *,
    order: Callable[[Start], TrialOrder],
    resources: tune.PlacementGroupFactory | Quarantine,
    scratch: Path,
    is_stopping: Callable[[], bool] = lambda: False,
    trainable: type[TrialTrainable] = SweepTrainable,
) -> None:
    """Run a scheduler's trials until it has no more.

    Tune keeps data of every trial in memory, so a new run of Tune is started after TRIALS_A_RUN trials.

    Args:
        scheduler: Decides which trial runs next.
        order: Makes the order for a trial actor.
        resources: Placement group of every trial (`trial_resources`), or the quarantine that has the current one.
        scratch: Folder for Tune's own state, which is not read again.
        is_stopping: Returns whether the sweep was asked to stop: then no further trial starts.
        trainable: Class that runs a trial and reports how it ended.
    """
    quarantine = resources if isinstance(resources, Quarantine) else None
    idle_seconds = IDLE_SECONDS if given_address(os.environ) else None  # no autoscaler removes this machine
    max_trials = TRIALS_A_RUN * scheduler.concurrency
    for number in itertools.count():
        searcher = RecordSearcher(scheduler, order=order, is_stopping=is_stopping, max_trials=max_trials)
        rungs = RungScheduler(scheduler, searcher=searcher, idle_seconds=idle_seconds, quarantine=quarantine)
        taken = resources.resources if isinstance(resources, Quarantine) else resources
        _tuner(searcher, rungs, resources=taken, scratch=scratch / str(number), trainable=trainable).fit()
        searcher.report_remaining()
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
    """Return a trial's placement group: an empty bundle for its actor, then one bundle for each rank.

    Args:
        devices: CPUs and GPUs of each rank.
        num_ranks: Ranks of a trial.
    """
    bundle = {"CPU": devices.cpus_per_rank}
    if devices.gpus_per_rank:
        bundle["GPU"] = devices.gpus_per_rank
    if devices.accelerator_type is not None:
        bundle[f"accelerator_type:{devices.accelerator_type}"] = (
            0.001  # the amount that Ray's own `accelerator_type` option requests
        )
    strategy = "STRICT_PACK" if devices.on_one_host else "PACK"
    return tune.PlacementGroupFactory([{}, *([bundle] * num_ranks)], strategy=strategy)

"""The door to Ray: the local or given cluster, and one run of Ray Tune over a proposer's trials."""

from __future__ import annotations

import _thread
import itertools
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self  # Any: Ray is untyped

import psutil

from search.driver.proposing import Proposer, Start
from search.driver.ray_door import start_ray
from search.ray_surroundings import given_address
from trainables.config import EngineConfig
from trainables.order import TrialOrder
from trainables.trainable import TrialTrainable

# Read by Tune when it is imported. Its loggers would write three files a trial, its handler would swallow Ctrl-C.
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray import tune
from ray.tune.execution import class_cache

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

    @property
    def num_cpus(self) -> float:
        """CPUs of the whole cluster, as it is now."""
        return float(ray.cluster_resources().get("CPU", 0))

    def num_trials_that_fit(self, engine: EngineConfig) -> int:
        """Return how many trials the cluster can run at a time as it is now, at least 1."""
        return max(1, self.num_ranks_that_fit(engine) // engine.num_workers)

    def num_ranks_that_fit(self, engine: EngineConfig) -> int:
        """Return how many ranks the hosts that are alive have room for."""
        return ranks_that_fit([node["Resources"] for node in ray.nodes() if node["Alive"]], engine=engine)

    def room(self, engine: EngineConfig) -> Callable[[], int]:
        """Return what tells how many trials to start: as many as fit, and one that waits for the cluster to grow."""

        def look() -> int:
            nonlocal looked, room
            if time.monotonic() - looked >= SECONDS_BETWEEN_LOOKS:
                looked, room = time.monotonic(), self.num_trials_that_fit(engine) + AHEAD_OF_CLUSTER
            return room

        looked, room = float("-inf"), 1
        return look


def ranks_that_fit(hosts: Iterable[Mapping[str, float]], *, engine: EngineConfig) -> int:
    """Return how many ranks find room at a time: each stays within a host.

    Args:
        hosts: Resources of each host, by Ray's names.
        engine: Threads of a rank; on CUDA each takes one GPU too.
    """
    needed = {"CPU": float(engine.threads_per_rank or 1)} | ({"GPU": 1.0} if engine.device == "cuda" else {})
    return sum(min(int(host.get(name, 0) // wanted) for name, wanted in needed.items()) for host in hosts)


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
    engine: EngineConfig,
    scratch: Path,
    is_stopping: Callable[[], bool] = lambda: False,
    trainable: type[TrialTrainable] = SweepTrainable,
) -> None:
    """Run a proposer's trials until it has no more.

    Tune keeps what it knows of every trial, and its driver grows; so it is started anew after some.

    Args:
        proposer: Decides what runs next.
        order: Makes a trial's order.
        engine: Ranks and threads of every trial.
        scratch: Folder for Tune's own state, which nobody reads again.
        is_stopping: Whether the sweep was asked to stop: then nothing more is started.
        trainable: What runs a trial and says how it ended.
    """
    idle_seconds = IDLE_SECONDS if given_address(os.environ) else None  # a host of our own goes nowhere
    max_trials = TRIALS_A_RUN * proposer.concurrency
    for number in itertools.count():
        searcher = RecordSearcher(proposer, order=order, is_stopping=is_stopping, max_trials=max_trials)
        scheduler = RungScheduler(proposer, searcher=searcher, idle_seconds=idle_seconds)
        _tuner(searcher, scheduler, engine=engine, scratch=scratch / str(number), trainable=trainable).fit()
        searcher.settle()
        if searcher.is_finished:
            return


def _tuner(
    searcher: RecordSearcher,
    scheduler: RungScheduler,
    *,
    engine: EngineConfig,
    scratch: Path,
    trainable: type[TrialTrainable],
) -> tune.Tuner:
    return tune.Tuner(
        tune.with_resources(trainable, trial_resources(engine)),
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


def trial_resources(engine: EngineConfig) -> tune.PlacementGroupFactory:
    """Return a trial's placement group: an empty bundle for its actor, then one for each rank."""
    threads = engine.threads_per_rank or 1
    gpus = {"GPU": 1.0} if engine.device == "cuda" else {}
    return tune.PlacementGroupFactory([{}, *({"CPU": float(threads), **gpus} for _ in range(engine.num_workers))])

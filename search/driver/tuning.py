"""The door to Ray: the local or given cluster, and one run of Ray Tune over a proposer's trials."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self  # Any: Ray is untyped

from search.driver.proposing import Proposer, Start
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

from search.driver.searcher import RecordSearcher, RungScheduler
from search.driver.trial_actor import SweepTrainable


class RayCluster:
    """Ray, as long as the sweep needs it: the cluster that RAY_ADDRESS names, or one on this machine's loopback."""

    def __enter__(self) -> Self:
        # Without "local" Ray would join whatever cluster was started on this machine last.
        local: dict[str, Any] = (
            {} if os.environ.get("RAY_ADDRESS") else {"address": "local", "_node_ip_address": "127.0.0.1"}
        )
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, **local)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ray.shutdown()

    @property
    def num_cpus(self) -> float:
        """CPUs of the whole cluster."""
        return float(ray.cluster_resources().get("CPU", 0))

    def num_trials_that_fit(self, engine: EngineConfig) -> int:
        """Return how many trials the cluster can run at a time, at least 1."""
        return max(1, int(self.num_cpus // (engine.num_workers * (engine.threads_per_rank or 1))))


def tune_trials(
    proposer: Proposer,
    *,
    order: Callable[[Start], TrialOrder],
    engine: EngineConfig,
    scratch: Path,
    trainable: type[TrialTrainable] = SweepTrainable,
) -> None:
    """Run a proposer's trials until it has no more.

    Args:
        proposer: Decides what runs next.
        order: Makes a trial's order.
        engine: Ranks and threads of every trial.
        scratch: Folder for Tune's own state, which nobody reads again.
        trainable: What runs a trial and says how it ended.
    """
    searcher = RecordSearcher(proposer, order=order)
    tuner = tune.Tuner(
        tune.with_resources(trainable, trial_resources(engine)),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=RungScheduler(proposer, searcher=searcher),
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
    tuner.fit()


def trial_resources(engine: EngineConfig) -> tune.PlacementGroupFactory:
    """Return a trial's placement group: an empty bundle for its actor, then one for each rank."""
    threads = engine.threads_per_rank or 1
    gpus = {"GPU": 1.0} if engine.device == "cuda" else {}
    return tune.PlacementGroupFactory([{}, *({"CPU": float(threads), **gpus} for _ in range(engine.num_workers))])

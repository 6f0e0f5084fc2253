"""Measures what a trial costs besides training: ours, and the recipe in Ray's documentation, without training.

    python benchmarks/trial_overhead.py [--quick] [--save FILE]

Ours: the real driver. Optuna's sampler proposes a trial, the driver records it, and the Tune actor receives it. The
actor keeps its ranks, which have joined a gloo group and imported DeepSpeed. Every rank receives a request and answers,
and the result is recorded durably. Only the phases are left out.

The recipe (docs.ray.io, Ray Train: "Hyperparameter Tuning with Ray Tune"): a function trainable that starts a
TorchTrainer with as many workers, which join a gloo group and report once. Nothing is recorded or proposed, and
DeepSpeed is not imported.

Both run one trial at a time on the same local cluster. The first trial of each side starts processes and is not
counted.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import logging
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # Ray is untyped

from machine import heading, save

from search.driver.trial_actor import SweepTrainable
from search.driver.trial_order import TrialOrder
from search.driver.trial_trainable import DISK, RUNG
from search.driver.tune_run import (  # sets what Ray reads when it is imported: so Ray is imported later here
    trial_resources,
    tune_trials,
)
from search.record import Record, open_record
from search.scheduling.disk_pause import DiskPause
from search.scheduling.scheduler import Start, TrialScheduler
from search.scheduling.stage_demand import StagePlans
from spaces.sweep_spec import SweepSpec, make_sweep_spec
from trainables.config import EngineConfig
from trainables.ranks.devices import RankDevices
from trainables.results import TrialResult
from trainables.stage_store import StageStore

TARGET_RATIO = 50
"""The target for the recipe's seconds per trial, as a multiple of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a side took."""

    first_seconds: float
    """Until the end of the first trial, which includes the start of processes."""
    later_seconds: tuple[float, ...]
    """Each further trial."""

    @property
    def typical(self) -> float:
        """Median of the trials after the first."""
        return statistics.median(self.later_seconds)


class IdleTrial(SweepTrainable):
    """A trial whose ranks answer and do nothing."""

    def step(self) -> dict[str, Any]:
        """Ask every rank; record a made-up result."""
        self.publisher.started(self._order)
        self._kept_group(self._order.config.engine, devices=self._order.devices).ready()
        result = TrialResult(languages={"en": 0.5}, num_items=1, task_scores={}, stages=())
        self.publisher.measured(self._order, result, rung=self._rung)
        return {"done": True, RUNG: self._rung, DISK: None}


def main() -> None:
    """Run the benchmark and print its table."""
    options = _options()
    lines = heading(["ray", "optuna", "torch", "deepspeed"])
    lines += ["", f"{'workers':>7}  {'side':24}{'first trial':>12}{'later trials':>14}{'trials':>8}"]
    ratios: list[str] = []
    with _cluster(max(options.workers)), _scratch_folder() as folder:
        for num_workers in options.workers:
            ours = time_ours(num_workers, num_trials=options.trials * options.more, folder=folder)
            recipe = time_recipe(num_workers, num_trials=options.trials, folder=folder)
            lines += [_row(num_workers, "ours", ours), _row(num_workers, "Tune + TorchTrainer", recipe)]
            ratio = recipe.typical / ours.typical
            ratios.append(f"recipe / ours, {num_workers} workers: {ratio:.0f}x   (target: {TARGET_RATIO}x)")
    lines += ["", *ratios]
    print("\n".join(lines))
    if options.save:
        save(options.save, title="Overhead of a trial", text="\n".join(lines))


def time_ours(num_workers: int, *, num_trials: int, folder: Path) -> Timing:
    """Run idle trials through the driver; their ends are read from the record."""
    engine = EngineConfig(num_workers=num_workers, threads_per_rank=1, device="cpu")
    devices = RankDevices(kind="cpu", computes_on="cpu", threads=1)
    resources = trial_resources(devices, num_ranks=num_workers)
    name, place = f"ours-{num_workers}", folder / f"record-{num_workers}.db"
    spec = _spec(name, num_trials=num_trials)
    started = time.time()
    with open_record(str(place)) as record:
        record.put_sweep(name, spec=spec.model_dump(mode="json"), objective=spec.score, planned_trials=spec.trials)

        def order(start: Start) -> TrialOrder:
            return TrialOrder(
                sweep=name,
                number=start.trial.number,
                config=start.trial.trial_config.model_copy(update={"engine": engine}),
                devices=devices,
                record=str(place),
                store=str(folder / "store"),
                downloads=folder / "downloads",
                progress=folder / "progress.json",
                log=folder / "log",
            )

        pause = DiskPause(free=lambda: 1 << 40, make_room=lambda: 0, works=lambda: True, note=lambda _: None)
        plans = StagePlans(StageStore(folder / "store"), rungs=spec.rungs)
        scheduler = TrialScheduler(record, name=name, spec=spec, concurrency=1, plans=plans, pause=pause)
        tune_trials(scheduler, order=order, resources=resources, scratch=folder / name, trainable=IdleTrial)
        return _timing(started, ends=_ends(record, name))


def time_recipe(num_workers: int, *, num_trials: int, folder: Path) -> Timing:
    """Run trials as Ray's documentation shows; a Tune callback records when they end."""
    from ray import tune

    ends: list[float] = []

    class EndMarker(tune.Callback):
        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            del iteration, trials, trial, info
            ends.append(time.time())

    name = f"recipe-{num_workers}"
    started = time.time()
    tune.Tuner(
        _driver_function(num_workers, folder=folder / f"{name}-train"),
        tune_config=tune.TuneConfig(num_samples=num_trials, max_concurrent_trials=1),
        run_config=tune.RunConfig(name="tune", storage_path=str(folder / name), callbacks=[EndMarker()], verbose=0),
    ).fit()
    if len(ends) < num_trials:
        message = f"{num_trials - len(ends)} of the recipe's {num_trials} trials failed; see Ray's logs"
        raise RuntimeError(message)
    return _timing(started, ends=ends)


def _driver_function(num_workers: int, *, folder: Path) -> Any:
    from ray import train, tune
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    def report_once() -> None:
        train.report({"score": 0.5})

    def train_driver(config: dict[str, Any]) -> None:
        del config
        TorchTrainer(
            report_once,
            scaling_config=train.ScalingConfig(num_workers=num_workers, resources_per_worker={"CPU": 1}),
            run_config=train.RunConfig(
                name=tune.get_context().get_trial_id(), storage_path=str(folder), callbacks=[TuneReportCallback()]
            ),
        ).fit()

    return train_driver


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What a trial costs beside its training.")
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 1], help="ranks of a trial (default: 2 and 1)")
    parser.add_argument("--trials", type=int, default=5, help="trials of the recipe (default: %(default)s)")
    parser.add_argument("--more", type=int, default=8, help="times as many trials of ours (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="2 trials, 2 workers: shows that it runs")
    parser.add_argument("--save", type=Path, help="Markdown file for the result")
    options = parser.parse_args()
    if options.quick:
        options.workers, options.trials, options.more = [2], 2, 2
    return options


def _spec(name: str, *, num_trials: int) -> SweepSpec:
    return make_sweep_spec(
        {
            "name": name,
            "trials": num_trials,
            "concurrency": 1,
            "trial": {"encoder": {"name": "miniature"}, "target": {"mixture": {"miniature_nli": 1.0}, "steps": 1}},
            "families": {"none": {}},
            "search": {"target.learning_rate": {"log": [1e-5, 1e-3]}},
        }
    )


def _ends(record: Record, name: str) -> list[float]:
    trials = record.trials(name)
    if failed := [trial for trial in trials if trial.ended_at is None or trial.state != "finished"]:
        message = f"{len(failed)} of {len(trials)} trials did not finish, the first with: {failed[0].error}"
        raise RuntimeError(message)
    return [trial.ended_at for trial in trials if trial.ended_at is not None]


def _timing(started: float, *, ends: list[float]) -> Timing:
    later = tuple(end - before for before, end in itertools.pairwise(ends))
    return Timing(first_seconds=ends[0] - started, later_seconds=later)


def _row(num_workers: int, side: str, timing: Timing) -> str:
    later = f"{timing.typical:.3f} s"
    return f"{num_workers:>7}  {side:24}{timing.first_seconds:>10.1f} s{later:>14}{1 + len(timing.later_seconds):>8}"


@contextlib.contextmanager
def _cluster(num_workers: int) -> Generator[None]:
    import ray

    # The recipe's function takes a CPU slot beside its workers': a trial could not start on fewer than workers + 1.
    num_cpus = max(num_workers + 1, len(os.sched_getaffinity(0)))
    ray.init(num_cpus=num_cpus, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _scratch_folder() -> Generator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="xstilts-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # Ray may still write its last files


if __name__ == "__main__":
    main()

"""Compares the forecast of a pruned sweep with the steps that it then takes, replayed on the recorded grid.

    python benchmarks/forecast.py [--seeds 30] [--trials 12] [--save FILE]

Each seed is a sweep of all families with successive halving, one trial at a time. Its optimiser steps are forecast as
in `xstilts search --dry-run` (the median of simulated sweeps with randomly drawn scores). Then the trials are looked up
in the grid, and their steps are counted. The forecast of a sweep without pruning is exact:
tests/end_to_end/test_forecast.py. The grid has steps and scores, and no times: `python -m scale.device_hours` compares
the forecast of device hours with those of a real sweep.
"""

from __future__ import annotations

import argparse
import os
import statistics
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: a replay's matrices are small

from machine import heading, save
from replay.replayed_sweeps import SLICES, Method, replay, spec_of
from replay.surrogate import load

from search.forecast.forecaster import Forecaster
from search.forecast.measured_times import MeasuredTimes
from search.stages.keep_policy import StageSizes

SAMPLERS = ("random", "tpe", "stage_aware")
BOUND = 0.15
NEVER = 2.0
"""A goal that no score reaches."""


def error_of(seed: int, *, sampler: str, num_trials: int) -> float:
    """Return the relative error of the forecast: forecast steps divided by the steps taken, minus 1."""
    part, method = SLICES[0], Method(name=sampler, sampler={"name": sampler})
    forecaster = Forecaster(
        spec_of(part, method, seed=seed),
        is_made=lambda _: False,
        sizes=StageSizes(weight_bytes=1),
        times=MeasuredTimes(),
    )
    forecast = forecaster.forecast(num_to_propose=num_trials).steps_paid
    assert forecast is not None  # noqa: S101  (every phase has steps)
    taken = replay(load(), part, method, seed=seed, goal=NEVER, max_trials=num_trials).steps
    return forecast.expected / taken - 1


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--trials", type=int, default=12, help="trials of a sweep; the demo has 12")
    parser.add_argument("--save", type=Path)
    chosen = parser.parse_args()
    lines = [
        *heading(["optuna"]),
        "",
        f"forecast steps of {chosen.trials} trials with successive halving, divided by those taken, minus 1",
        "",
    ]
    lines.append(f"{'sampler':14}{'median':>9}{'median size':>13}{'largest':>9}{'within 15 %':>13}")
    with ProcessPoolExecutor() as executor:
        for sampler in SAMPLERS:
            work = partial(error_of, sampler=sampler, num_trials=chosen.trials)
            errors = list(executor.map(work, range(chosen.seeds)))
            sizes = [abs(one) for one in errors]
            within = sum(size <= BOUND for size in sizes)
            lines.append(
                f"{sampler:14}{statistics.median(errors):>+9.1%}{statistics.median(sizes):>13.1%}{max(sizes):>9.1%}"
                f"{f'{within} of {len(sizes)}':>13}"
            )
            print(lines[-1], flush=True)
    text = "\n".join(lines)
    print(text)
    if chosen.save:
        save(chosen.save, title="The forecast of a pruned sweep", text=text)


if __name__ == "__main__":
    main()

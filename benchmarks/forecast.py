"""What a dry run foretells of a pruned sweep, held against what the sweep then takes, replayed on the recorded grid.

    python benchmarks/forecast.py [--seeds 30] [--trials 12] [--save FILE]

Each seed is a sweep of all families with successive halving, one trial at a time. Its optimiser steps are foretold as
`xstilts search --dry-run` does it (the median of courses with drawn scores), and counted when its trials are looked up
in the grid. A sweep without pruning is foretold exactly: tests/end_to_end/test_forecast.py.
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
from search_replay import SLICES, Method, replay, spec_of
from surrogate import load

from search.forecast.forecasting import Forecaster, Timing

SAMPLERS = ("random", "tpe", "stage_aware")
BOUND = 0.15
NEVER = 2.0
"""A goal that no score reaches."""


def error_of(seed: int, *, sampler: str, num_trials: int) -> float:
    """Return by what share of the steps that were taken the foretold ones are above them."""
    part, method = SLICES[0], Method(name=sampler, sampler={"name": sampler})
    forecaster = Forecaster(spec_of(part, method, seed=seed), is_made=lambda _: False, weight_bytes=1, timing=Timing())
    told = forecaster.forecast(num_to_propose=num_trials).steps_paid
    assert told is not None  # noqa: S101  (every phase has steps)
    taken = replay(load(), part, method, seed=seed, goal=NEVER, max_trials=num_trials).steps
    return told.expected / taken - 1


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
        f"foretold steps of {chosen.trials} trials with successive halving, over those taken",
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
        save(chosen.save, title="What a dry run foretells of a pruned sweep", text=text)


if __name__ == "__main__":
    main()

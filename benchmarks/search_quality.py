"""Measures how many optimiser steps a sweep takes to reach 99 % of the best score, replayed on a recorded grid.

    python benchmarks/search_quality.py [--grid NAME] [--seeds N] [--workers N] [--save FILE]
        [--others [NAME ...] | --priors | --pairs | --functions]

Ours is the stage-aware sampler with successive halving, shared stages, and first trials at the families' defaults. It
is compared with random search with successive halving, whose trials share stages too, and with Optuna's TPE with
successive halving, where each trial pays for its whole lineage. Both of these start with a random trial. The table
shows medians over seeds and, in brackets, their 95 % bootstrap intervals. A sweep that has not reached the goal after
--trials counts with the steps that it has taken so far, so medians with > are lower bounds and ratios with < are upper
bounds. A seed also shuffles the order of the families.

Each slice of the grid is searched separately: all families together, and each family alone; with the recorded learning
rates (listed) or with rates between them (ranges, interpolated). --pairs replays every sampler with every pruner on all
families, and --functions runs every sampler on standard test functions.
"""

from __future__ import annotations

import argparse
import os
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: a replay's matrices are small

from machine import heading, save
from replay.grids import GRIDS, Grid
from replay.replayed_sweeps import Course, Method, Slice, replay, slices
from replay.surrogate import Surrogate, load
from samplers.known_functions import function_lines
from simulated.resampling import quantiles, ratio_of_means, resampled

GOAL = 0.99
"""Share of the best score of the slice that a sweep has to reach."""

OURS = Method(name="stage-aware", sampler={"name": "stage_aware"})
RANDOM = Method(name="random", sampler={"name": "random"}, has_first=False)
TPE_ALONE = Method(name="TPE, no sharing", sampler={"name": "tpe"}, has_first=False, shares=False)
TPE = Method(name="TPE, sharing", sampler={"name": "tpe"})

OTHERS = {"random": RANDOM, "tpe-alone": TPE_ALONE, "tpe": TPE}
GOALS = {"random": " (<= 1/3)", "TPE, no sharing": " (<= 1/2)"}

SEED_DEVIATION = 0.01
"""Standard deviation of a score between training seeds, for the runs with priors: one point."""

SAMPLERS = ("random", "qmc", "tpe", "gp", "cmaes", "nsga2", "stage_aware")
PRUNERS = ("successive_halving", "hyperband", "median", "patient", "none")
"""All but `wilcoxon`, which needs scores by language or item: the grid has averages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One method on one slice over all seeds."""

    courses: tuple[Course, ...]

    @property
    def steps(self) -> tuple[int, ...]:
        """Of each seed."""
        return tuple(one.steps for one in self.courses)

    @property
    def median(self) -> float:
        """Median steps, or a lower bound of it."""
        return statistics.median(self.steps)

    @property
    def is_bound(self) -> bool:
        """Whether the median is a lower bound: the sweeps that did not reach the goal would need more steps."""
        return sum(one.has_arrived and one.steps <= self.median for one in self.courses) * 2 < len(self.courses)

    def interval(self) -> tuple[float, float]:
        """Return the 95 % bootstrap interval of the median."""
        return quantiles([statistics.median(drawn) for drawn in resampled(self.steps)])


def ratio(ours: Outcome, other: Outcome) -> str:
    """Return the ratio of medians with its 95 % interval, resampling the seeds of both."""
    pairs = zip(resampled(ours.steps), resampled(other.steps, seed=1), strict=True)
    low, high = quantiles([statistics.median(one) / statistics.median(two) for one, two in pairs])
    bound = "<" if other.is_bound else ">" if ours.is_bound else ""
    return f"{bound}{ours.median / other.median:.2f} ({low:.2f}-{high:.2f})"


class Runner:
    """Replays methods over seeds, in parallel processes.

    Args:
        executor: Processes to use.
        num_seeds: Sweeps of each method.
        max_trials: Trials after which a sweep is given up.
    """

    def __init__(self, executor: ProcessPoolExecutor, *, num_seeds: int, max_trials: int) -> None:
        self._executor, self._seeds, self._max_trials = executor, range(num_seeds), max_trials

    def run(self, part: Slice, method: Method) -> Outcome:
        """Return what a method does on a slice."""
        work = partial(_course, part=part, method=method, max_trials=self._max_trials)
        return Outcome(courses=tuple(self._executor.map(work, self._seeds)))


def _course(seed: int, *, part: Slice, method: Method, max_trials: int) -> Course:
    surrogate = _surrogate(part.grid)
    goal = GOAL * part.best(surrogate)
    return replay(surrogate, part, method, seed=seed, goal=goal, max_trials=max_trials)


_loaded: dict[str, Surrogate] = {}


def _surrogate(grid: Grid) -> Surrogate:
    if grid.name not in _loaded:
        _loaded[grid.name] = load(grid)
    return _loaded[grid.name]


def slice_lines(runner: Runner, *, grid: Grid, others: Sequence[Method]) -> list[str]:
    """Return the comparison on every slice."""
    lines = ["", f"median steps to {GOAL:.0%} of the best", ""]
    lines.append(f"{'slice':20}" + "".join(f"{method.name:>24}" for method in (OURS, *others)))
    ratios = ["", "ratio of medians, stage-aware to", ""]
    ratios.append(f"{'slice':20}" + "".join(f"{method.name + GOALS.get(method.name, ''):>28}" for method in others))
    for part in slices(grid):
        ours, *found = [runner.run(part, method) for method in (OURS, *others)]
        lines.append(f"{part.name:20}" + "".join(f"{_median_text(one):>24}" for one in (ours, *found)))
        ratios.append(f"{part.name:20}" + "".join(f"{ratio(ours, other):>28}" for other in found))
        print(lines[-1], flush=True)
    return lines + (ratios if others else [])


def _median_text(outcome: Outcome) -> str:
    low, high = outcome.interval()
    return f"{'>' if outcome.is_bound else ''}{outcome.median:,.0f} ({low:,.0f}-{high:,.0f})"


PRIORS = ("none", "right", "reversed")


def prior_lines(executor: ProcessPoolExecutor, *, grid: Grid, num_seeds: int, max_trials: int) -> list[str]:
    """Return what a right and a reversed prior over the families do to ours, on all families.

    Each seed has its own noisy grid, as other training seeds would have produced it, and its own right order: that of
    the families' best scores there. The grid itself is one draw, on which luck would decide which first order is good.
    """
    lines = [
        "",
        f"stage-aware with a prior over the families; each score with noise of {SEED_DEVIATION:.0%} of its own",
        "",
        f"{'slice':20}{'prior':10}{'trials to the best family':>30}{'steps to the goal':>30}",
    ]
    for part in slices(grid):
        if len(part.families) == 1:
            continue
        found: dict[str, list[Course]] = {}
        for name in PRIORS:
            work = partial(_believing, part=part, prior=name, max_trials=max_trials)
            found[name] = list(executor.map(work, range(num_seeds)))
            columns = "".join(
                f"{_against([of(one) for one in found[name]], [of(one) for one in found['none']]):>30}"
                for of in (attrgetter("trials_to_family"), attrgetter("steps"))
            )
            lines.append(f"{part.name:20}{name:10}{columns}")
            print(lines[-1], flush=True)
    return lines


def _believing(seed: int, *, part: Slice, prior: str, max_trials: int) -> Course:
    surrogate = _surrogate(part.grid).retrained(seed, deviation=SEED_DEVIATION)
    best = {family: surrogate.best(family) for family in part.families}
    ranked = sorted(best, key=lambda family: -best[family])
    values = sorted(best.values(), reverse=prior == "right")
    priors = {} if prior == "none" else {"arms": {"family": dict(zip(ranked, values, strict=True))}}
    method = Method(name=prior, sampler=OURS.sampler, priors=priors)
    return replay(surrogate, part, method, seed=seed, goal=GOAL * part.best(surrogate), max_trials=max_trials)


def _against(values: Sequence[int], other: Sequence[int]) -> str:
    """Return the mean, and its ratio to that of other values of the same seeds."""
    ratio_text = "" if values == other else f"  {ratio_of_means(values, against=other)}"
    return f"{statistics.fmean(values):,.1f}{ratio_text}"


def pair_lines(runner: Runner, *, grid: Grid) -> list[str]:
    """Return every sampler with every pruner on all families, learning rates as recorded."""
    part = next(one for one in slices(grid) if len(one.families) > 1 and one.is_listed)
    lines = ["", f"median steps to {GOAL:.0%} of the best, {part.name}, stages shared", ""]
    lines.append(f"{'sampler':14}" + "".join(f"{pruner:>26}" for pruner in PRUNERS))
    for sampler in SAMPLERS:
        methods = [Method(name=sampler, sampler={"name": sampler}, pruner=pruner) for pruner in PRUNERS]
        lines.append(f"{sampler:14}" + "".join(f"{_median_text(runner.run(part, one)):>26}" for one in methods))
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grid", choices=GRIDS, default="surrogate", help="(default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--trials", type=int, default=250, help="trials after which a sweep is given up")
    parser.add_argument("--others", nargs="*", choices=OTHERS, default=list(OTHERS), help="whom to compare ours with")
    parser.add_argument("--priors", action="store_true", help="priors over the families alone")
    parser.add_argument("--pairs", action="store_true", help="every sampler with every pruner, instead")
    parser.add_argument("--functions", action="store_true", help="standard test functions, instead")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--save", type=Path)
    chosen = parser.parse_args()
    grid = GRIDS[chosen.grid]
    lines = [*heading(["optuna", "numpy", "scipy"]), f"grid      {grid.name}: {grid.document['description']}"]
    with ProcessPoolExecutor(chosen.workers) as executor:
        runner = Runner(executor, num_seeds=chosen.seeds, max_trials=chosen.trials)
        if chosen.pairs:
            lines += pair_lines(runner, grid=grid)
        elif chosen.priors:
            lines += prior_lines(executor, grid=grid, num_seeds=chosen.seeds, max_trials=chosen.trials)
        elif chosen.functions:
            lines += function_lines(executor, samplers=SAMPLERS, num_seeds=chosen.seeds, max_trials=chosen.trials)
        else:
            lines += slice_lines(runner, grid=grid, others=[OTHERS[name] for name in chosen.others])
            if len(chosen.others) == len(OTHERS):
                lines += prior_lines(executor, grid=grid, num_seeds=chosen.seeds, max_trials=chosen.trials)
    lines += ["", f"{chosen.seeds} seeds, given up after {chosen.trials} trials"]
    text = "\n".join(lines)
    print(text)
    if chosen.save:
        save(chosen.save, title="Steps that a sweep takes to a good score", text=text)


if __name__ == "__main__":
    main()

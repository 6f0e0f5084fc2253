"""Measures how many optimiser steps a sweep over mixture weights takes to 99 % of the best score, in simulated worlds.

    cd benchmarks; python -m samplers.mixtures [--tasks 5] [--seeds 30] [--trials 80] [--kinds KIND ...] [--save FILE]

The worlds are in `simulated/mixture_worlds.py`: weights of mixed tasks and a target learning rate decide the score. A
trial has reached the goal if its score without noise is 99 % of the best. `before` is the stage-aware sampler with
weights as plain numbers. Every sweep starts with equal weights. In `no sharing`, each trial pays for its own
intermediate phase. The tables show medians over seeds and their 95 % bootstrap intervals, and the ratios of medians. A
sweep that has not reached the goal after --trials counts with the steps that it has taken so far, so medians with > are
lower bounds and ratios with < are upper bounds.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: a sweep's matrices are small

from machine import heading, save
from simulated.mixture_worlds import BEST, GOAL, KINDS, TASKS, Course, World, sweep
from simulated.resampling import quantiles, resampled

from search.sampler.stage_aware import mixtures

OURS, BEFORE, TPE, RANDOM = "stage-aware", "before", "TPE", "random"
_SAMPLERS = {OURS: "stage_aware", BEFORE: "stage_aware", TPE: "tpe", RANDOM: "random"}
TPE_ALONE = "TPE, no sharing"
_COLUMNS = (OURS, BEFORE, TPE, TPE_ALONE, RANDOM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The steps of one method in one kind of world, over all seeds."""

    steps: tuple[int, ...]
    num_arrived: int

    @property
    def median(self) -> float:
        """Median steps, or a lower bound of it."""
        return statistics.median(self.steps)

    @property
    def is_bound(self) -> bool:
        """Whether the median is a lower bound."""
        return self.num_arrived * 2 < len(self.steps)

    @property
    def text(self) -> str:
        """The median with its interval, and how many sweeps reached the goal."""
        low, high = quantiles([statistics.median(drawn) for drawn in resampled(self.steps)])
        return f"{'>' * self.is_bound}{self.median:,.0f} ({low:,.0f}-{high:,.0f}) {self.num_arrived:>3}"


def ratio(ours: Outcome, other: Outcome) -> str:
    """Return the ratio of medians with its 95 % interval, resampling the seeds of both."""
    pairs = zip(resampled(ours.steps), resampled(other.steps, seed=1), strict=True)
    low, high = quantiles([statistics.median(one) / statistics.median(two) for one, two in pairs])
    bound = {(False, False): "", (False, True): "<", (True, False): ">", (True, True): "?"}[
        ours.is_bound, other.is_bound
    ]
    return f"{bound}{ours.median / other.median:.2f} ({low:.2f}-{high:.2f})"


def _course(seed: int, *, kind: str, num_tasks: int, method: str, max_trials: int) -> Course:
    kept = mixtures.MIN_TASKS
    if method == BEFORE:
        mixtures.MIN_TASKS = len(TASKS) + 1  # the other side models no mixture
    try:
        world = World(kind, seed, num_tasks=num_tasks)
        return sweep(world, {"name": _SAMPLERS[method]}, max_trials=max_trials)
    finally:
        mixtures.MIN_TASKS = kept


class Runner:
    """Runs sweeps over seeds, in parallel processes.

    Args:
        executor: Processes to use.
        num_tasks: Tasks that are mixed.
        num_seeds: Worlds of each kind.
        max_trials: Trials after which a sweep is given up.
    """

    def __init__(self, executor: ProcessPoolExecutor, *, num_tasks: int, num_seeds: int, max_trials: int) -> None:
        self._executor, self._seeds = executor, range(num_seeds)
        self._num_tasks, self._max_trials = num_tasks, max_trials

    def run(self, kind: str) -> dict[str, Outcome]:
        """Return what each method does in a kind of world."""
        found: dict[str, Outcome] = {}
        for method in _SAMPLERS:
            work = partial(_course, kind=kind, num_tasks=self._num_tasks, method=method, max_trials=self._max_trials)
            courses = list(self._executor.map(work, self._seeds))
            num_arrived = sum(one.has_arrived for one in courses)
            found[method] = Outcome(steps=tuple(one.steps for one in courses), num_arrived=num_arrived)
            if method == TPE:
                alone = tuple(one.steps_alone for one in courses)
                found[TPE_ALONE] = Outcome(steps=alone, num_arrived=num_arrived)
        return found


def kind_lines(runner: Runner, kinds: Sequence[str]) -> list[str]:
    """Return the comparison in each kind of world, and of all of them together."""
    lines = ["", f"median steps to {GOAL / BEST:.0%} of the best, and how many sweeps reached it", ""]
    lines.append(f"{'world':12}" + "".join(f"{name:>30}" for name in _COLUMNS))
    ratios = ["", "ratio of medians, stage-aware to", ""]
    ratios.append(f"{'world':12}" + "".join(f"{name:>24}" for name in _COLUMNS[1:]))
    for kind in kinds:
        found = runner.run(kind)
        lines.append(f"{kind:12}" + "".join(f"{found[name].text:>30}" for name in _COLUMNS))
        ratios.append(f"{kind:12}" + "".join(f"{ratio(found[OURS], found[name]):>24}" for name in _COLUMNS[1:]))
        print(lines[-1], ratios[-1], sep="\n", flush=True)
    return lines + ratios


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=5, choices=range(2, len(TASKS) + 1))
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--trials", type=int, default=80, help="trials after which a sweep is given up")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--save", type=Path)
    chosen = parser.parse_args()
    lines = [
        f"command   python -m samplers.mixtures {shlex.join(sys.argv[1:])}".rstrip()
        if line.startswith("command")
        else line
        for line in heading(["optuna", "numpy", "scipy"])
    ]
    lines.append("note      steps are counted: the machine's load does not change them")
    with ProcessPoolExecutor(chosen.workers) as executor:
        runner = Runner(executor, num_tasks=chosen.tasks, num_seeds=chosen.seeds, max_trials=chosen.trials)
        lines += kind_lines(runner, chosen.kinds)
    lines += ["", f"{chosen.tasks} tasks, {chosen.seeds} worlds of each kind, given up after {chosen.trials} trials"]
    text = "\n".join(lines)
    print(text)
    if chosen.save:
        save(chosen.save, title="Steps to a good mixture", text=text)


if __name__ == "__main__":
    main()

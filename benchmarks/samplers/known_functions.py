"""Compares samplers on standard test functions: trials until 99 % of the way from a random trial to the minimum."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from samplers.regret import FUNCTIONS, Function, document_of, point_of

from search.sampler import PastTrial, make_sampler
from spaces.sweep_spec import make_sweep_spec

GOAL = 0.99
_NUM_RANDOM = 4000


def function_lines(
    executor: ProcessPoolExecutor, *, samplers: Sequence[str], num_seeds: int, max_trials: int
) -> list[str]:
    """Return the comparison, a line for each function.

    Args:
        executor: Processes to use.
        samplers: Names of samplers.
        num_seeds: Sweeps of each sampler on each function.
        max_trials: Trials after which a sweep is given up.
    """
    lines = ["", f"median trials until {GOAL:.0%} of the way from the median random trial to the minimum is gone", ""]
    lines.append(f"{'function':16}" + "".join(f"{name:>14}" for name in samplers))
    for place, function in enumerate(FUNCTIONS):
        cells: list[str] = []
        for name in samplers:
            work = partial(_trials, place=place, name=name, max_trials=max_trials)
            found = sorted(executor.map(work, range(num_seeds)))
            middle = statistics.median(found)
            cells.append(f"{'> ' + str(max_trials) if middle > max_trials else format(middle, 'g'):>14}")
        lines.append(f"{function.name:16}" + "".join(cells))
        print(lines[-1], flush=True)
    return lines


def _goal(function: Function) -> float:
    chance = random.Random(0)  # noqa: S311  (points to look at)
    drawn = [function.value([chance.random() for _ in range(function.num_dimensions)]) for _ in range(_NUM_RANDOM)]
    return function.minimum + (1 - GOAL) * (statistics.median(drawn) - function.minimum)


def _trials(seed: int, *, place: int, name: str, max_trials: int) -> int:
    function = FUNCTIONS[place]
    goal = _goal(function)
    sampler = make_sampler(make_sweep_spec({**document_of(function, seed), "sampler": {"name": name}}))
    history: list[PastTrial] = []
    for number in range(max_trials):
        proposal = sampler.propose(number, history=history)
        value = function.value(point_of(proposal.assignment, function))
        if value <= goal:
            return number + 1
        history.append(
            PastTrial(
                number=number,
                assignment=proposal.assignment,
                state="finished",
                score=-value,
                attributes=proposal.attributes,
            )
        )
    return max_trials + 1

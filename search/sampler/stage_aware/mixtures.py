"""Weights of a mixture as a mixture: a regression over the simplex, and candidates where it expects improvement.

A squared exponential over weights knows only how far two mixtures are apart. With many tasks, few trials are near to
each other, and random candidates rarely have much of one task. So the model has one more part: a Bayesian linear
regression over the weights and over their saturating logarithms (linear terms over the simplex: Scheffe 1958;
regression from the weights of a mixture to a score: RegMix, Liu et al. 2024, arXiv 2407.01492). Candidates are corners,
edges and random weights, and then moves of weight between tasks that raise the expected improvement.
docs/decisions/0040 has the measurements.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
from pydantic import JsonValue

from spaces.space.parameters import SimplexParameter
from spaces.space.tree import Assignment, Parameter

MIN_TASKS = 5
"""Tasks from which on the weights of a mixture are modelled as a mixture."""

_SATURATION = 0.1
"""Share at which a task's effect starts to saturate in the logarithmic terms."""

_LEAST = 1e-3
"""Least share of a task in a candidate."""

_NUM_BASES, _NUM_DRAWN, _NUM_ROUNDS, _NUM_MOVED, _NUM_MOVES = 3, 24, 4, 6, 8
"""Best trials whose weights are changed, random weights, rounds of moves, candidates that are moved in a round, and
moves of each."""

_NUM_KEPT = 24
"""Candidates that are returned."""

_CORNER = 0.9
"""Share of the task of a corner."""

_LEAVES_OUT = 0.2
"""Probability that a move takes all of a task's weight."""

_STEP = 0.3
"""Most weight that a move of the first round gives; each round halves it."""

Weights = tuple[float, ...]


def is_mixture(parameter: Parameter) -> TypeGuard[SimplexParameter]:
    """Return whether a parameter has the weights of enough tasks, before the target phase."""
    is_before = parameter.field.split(".")[0] != "target"
    return isinstance(parameter, SimplexParameter) and len(parameter.items) >= MIN_TASKS and is_before


def num_features(parameter: SimplexParameter) -> int:
    """Return the number of terms of `features`."""
    return 2 * len(parameter.items)


def features(parameter: SimplexParameter, value: JsonValue) -> list[float]:
    """Return the terms of the regression, which are 0 at equal weights."""
    num = len(parameter.items)
    shares = np.array(_weights(parameter, value))
    linear = shares - 1 / num
    bent = np.log1p(shares / _SATURATION) - math.log1p(1 / num / _SATURATION)
    bent /= math.log1p(1 / _SATURATION)
    return [*(math.sqrt(num / 2) * linear), *(math.sqrt(num / 2) * bent)]


def _weights(parameter: SimplexParameter, value: JsonValue) -> Weights:
    assert isinstance(value, dict)  # noqa: S101  an assignment of the space
    return tuple(float(str(value[item])) for item in parameter.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureSearch:
    """Searches weights of one mixture with the highest value.

    Args:
        parameter: The weights.
        value: Returns the value of configurations.
        generator: Draws.
    """

    parameter: SimplexParameter
    value: Callable[[Sequence[Assignment]], np.ndarray]
    generator: random.Random

    def found(self, bases: Sequence[Assignment]) -> list[Assignment]:
        """Return configurations with other weights, the best first.

        Args:
            bases: The best trials that have these weights, the best first.
        """
        bases = bases[:_NUM_BASES]
        starts = [*_corners(len(self.parameter.items)), *(self._drawn() for _ in range(_NUM_DRAWN))]
        pool = [self._with(bases[place % len(bases)], weights) for place, weights in enumerate(starts)]
        pool += [move for base in bases for move in self._moves(base, step=_STEP)]
        values = self.value(pool)
        for turn in range(_NUM_ROUNDS):
            top = [pool[int(place)] for place in np.argsort(-values, kind="stable")[:_NUM_MOVED]]
            moves = [move for one in top for move in self._moves(one, step=_STEP / 2**turn)]
            pool += moves
            values = np.concatenate([values, self.value(moves)])
        return [pool[int(place)] for place in np.argsort(-values, kind="stable")[:_NUM_KEPT]]

    def _with(self, base: Assignment, weights: Weights) -> Assignment:
        masses = tuple(max(weight, _LEAST) for weight in weights)
        return {**base, self.parameter.path: self.parameter.weights(masses)}

    def _drawn(self) -> Weights:
        masses = [self.generator.expovariate(1) for _ in self.parameter.items]
        return tuple(mass / math.fsum(masses) for mass in masses)

    def _moves(self, base: Assignment, *, step: float) -> list[Assignment]:
        """Return configurations in which one task has given some or all of its weight to another, or to all others."""
        weights = _weights(self.parameter, base[self.parameter.path])
        return [self._with(base, self._moved(weights, step=step)) for _ in range(_NUM_MOVES)]

    def _moved(self, weights: Weights, *, step: float) -> Weights:
        giver, taker = self.generator.sample(range(len(weights)), 2)
        moved = list(weights)
        if self.generator.random() < _LEAVES_OUT:
            moved[giver] = 0.0
            return tuple(moved)
        given = min(step * self.generator.random(), weights[giver])
        moved[giver] -= given
        moved[taker] += given
        return tuple(moved)


def _corners(num_tasks: int) -> list[Weights]:
    """Return each task almost alone, and each pair of tasks."""
    rest = (1 - _CORNER) / (num_tasks - 1)
    alone = [tuple(_CORNER if task == one else rest for task in range(num_tasks)) for one in range(num_tasks)]
    pairs = [
        tuple(0.5 if task in {one, other} else 0.0 for task in range(num_tasks))
        for one in range(num_tasks)
        for other in range(one)
    ]
    return [*alone, *pairs]

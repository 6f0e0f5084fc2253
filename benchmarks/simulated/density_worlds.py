# ruff: noqa: S311  draws for a simulation are no secrets
"""Simulated worlds for prior densities: learning rates, a warmup and a dropout with a best place, and seed noise.

A trial of a world is a real proposal of a real space; nothing is trained. The space has two families. One of them has
three intermediate tasks and its own learning rate. Both have the target's learning rate, warmup and dropout. The losses
are of the size that fine-tuning has: half a decade of the target's learning rate costs one or two points, more decades
cost up to 30 points, and too high a rate costs twice as much as too low a rate. As in the store, the trials with the
same intermediate phase pay for it once.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import JsonValue

from search.sampler import PastTrial, make_sampler
from spaces.space.tree import Assignment
from spaces.sweep_spec import SweepSpec, make_sweep_spec

TARGET_RATE, INTERMEDIATE_RATE = "target.learning_rate", "intermediate.text.learning_rate"
WARMUP, DROPOUT = "target.schedule.warmup_fraction", "target.dropout"
RATES = (-6.0, -3.0)
"""Decimal logarithms of both ends of a range of learning rates."""
SHARES = (0.0, 0.3)
"""Both ends of the ranges of warmup and dropout."""
RATE_PATHS = (TARGET_RATE, INTERMEDIATE_RATE)

INTERMEDIATE_STEPS, TARGET_STEPS = 200, 100
BEST, NOISE = 0.80, 0.01
"""The best score, and the standard deviation of a score between seeds."""
MOST_LOST = 0.30
"""What a target learning rate that trains nothing loses."""
OF_TARGET_RATE, OF_INTERMEDIATE_RATE, OF_SHARES = 0.06, 0.02, 0.01
"""Loss of a decade of the learning rates, and of the whole range of warmup and of dropout; it grows with the square."""
_TASKS: tuple[str, ...] = ("miniature_qa", "miniature_choice", "miniature_nli")
_MIXTURES = (0.0, 0.01, 0.02)
"""What the intermediate tasks lose against the best one, in some order; `none` loses as much as the second."""
_ENOUGH = 0.99

Densities: TypeAlias = dict[str, JsonValue]
"""Path of a parameter -> its prior density, as in a spec."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityOutcome:
    """What a sweep of a world needed. Where it did not reach the goal, the numbers are one more trial than it had."""

    trials: int
    """Trials until a score without noise is 99 % of the best."""
    steps: int
    """Optimiser steps until then."""


class DensityWorld:
    """One world.

    Args:
        seed: Draws the best places and the order of the intermediate tasks.
        sampler: Name of the sampler that proposes.
    """

    def __init__(self, seed: int, *, sampler: str) -> None:
        chance = random.Random(f"densities {seed}")
        self.best_places = {path: chance.random() for path in (*RATE_PATHS, WARMUP, DROPOUT)}
        """Path -> best place in its range, in [0, 1]; any is as likely as any other."""
        self._lost = dict(zip(chance.sample(_TASKS, 3), _MIXTURES, strict=True))
        self._seed, self._sampler = seed, sampler

    def spec(self, *, num_trials: int, densities: Densities) -> SweepSpec:
        """Return the spec of a sweep of this world."""
        rates: JsonValue = {"log": [10.0 ** RATES[0], 10.0 ** RATES[1]]}
        shares: JsonValue = {"float": list(SHARES)}
        text: JsonValue = {"mixture": {"choice": list(_TASKS)}, "steps": INTERMEDIATE_STEPS, "learning_rate": rates}
        document: dict[str, JsonValue] = {
            "name": "world",
            "trials": num_trials,
            "seed": self._seed,
            "sampler": {"name": self._sampler},
            "trial": {
                "target": {"mixture": {"miniature_nli": 1.0}, "steps": TARGET_STEPS},
                "evaluation": {"task": "miniature_nli"},
            },
            "families": {"none": {}, "text": text},
            "search": {TARGET_RATE: rates, WARMUP: shares, DROPOUT: shares},
        }
        return make_sweep_spec({**document, "priors": {"densities": densities}} if densities else document)

    def true_score(self, assignment: Assignment) -> float:
        """Return a trial's score without noise."""
        lost = OF_TARGET_RATE * self._decades(assignment, TARGET_RATE) ** 2
        lost = MOST_LOST * (1 - math.exp(-lost / MOST_LOST))
        for path in (WARMUP, DROPOUT):
            place = (_number(assignment[path]) - SHARES[0]) / (SHARES[1] - SHARES[0])
            lost += OF_SHARES * (place - self.best_places[path]) ** 2
        if assignment["family"] == "none":
            return BEST - lost - _MIXTURES[1]
        of_rate = OF_INTERMEDIATE_RATE * self._decades(assignment, INTERMEDIATE_RATE) ** 2
        return BEST - lost - self._lost[str(assignment["intermediate.text.mixture"])] - of_rate

    def sweep(self, *, num_trials: int, densities: Densities) -> DensityOutcome:
        """Run one sweep until it has reached the goal, or to its end."""
        sampler = make_sampler(self.spec(num_trials=num_trials, densities=densities))
        chance = random.Random(f"noise {self._seed}")
        history: list[PastTrial] = []
        steps, paid = 0, set[str]()
        for number in range(num_trials):
            proposal = sampler.propose(number, history=history)
            assignment = proposal.assignment
            steps += _steps(assignment, paid=paid)
            true_score = self.true_score(assignment)
            if true_score >= _ENOUGH * BEST:
                return DensityOutcome(trials=number + 1, steps=steps)
            history.append(
                PastTrial(
                    number=number,
                    assignment=assignment,
                    state="finished",
                    score=true_score + chance.gauss(0, NOISE),
                    attributes=proposal.attributes,
                )
            )
        return DensityOutcome(trials=num_trials + 1, steps=steps + TARGET_STEPS)

    def _decades(self, assignment: Assignment, path: str) -> float:
        """Return how far a learning rate is from the best one; what is too high counts as further."""
        best = RATES[0] + (RATES[1] - RATES[0]) * self.best_places[path]
        off = math.log10(_number(assignment[path])) - best
        return off * (math.sqrt(2) if off > 0 else 1.0)


def rate_at(place: float) -> float:
    """Return the learning rate at a place of its range; places outside count as the nearest end."""
    low, high = RATES
    value = 10.0 ** (low + (high - low) * min(max(place, 0.0), 1.0))
    return min(max(value, 10.0**low), 10.0**high)


def _steps(assignment: Assignment, *, paid: set[str]) -> int:
    """Return the steps of a trial. Its intermediate phase counts only if no earlier trial has paid for it."""
    phase = repr(sorted((path, value) for path, value in assignment.items() if path.startswith("intermediate")))
    is_new = assignment["family"] != "none" and phase not in paid
    paid.add(phase)
    return TARGET_STEPS + INTERMEDIATE_STEPS * is_new


def _number(value: JsonValue) -> float:
    return float(str(value))

# ruff: noqa: S311  draws for a simulation are no secrets
"""Simulated worlds for mixtures: a score that depends on the weights of the mixed tasks; nothing is trained.

A trial of a world is a real proposal of a real space: the weights of an intermediate mixture and a target learning
rate. Real pruners promote it over two rungs. As in the store, trials with the same weights pay for their intermediate
phase once. The kinds of world were fixed before the sampler was changed for them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any  # a YAML document

from search.pruner import Pruner, make_pruner
from search.record import Curve
from search.sampler import PastTrial, Sampler, is_promoted_by_sampler, make_sampler
from spaces.space.tree import Assignment
from spaces.sweep_spec import SweepSpec, make_sweep_spec

TASKS = ("squad", "snli", "commonsense_qa", "cosmos_qa", "hellaswag")
"""Names of tasks that are mixed; nothing of them is read."""

WEIGHTS, _RATE = "intermediate.multitask.mixture", "target.learning_rate"
INTERMEDIATE_STEPS, RUNG_STEPS = 405, (135, 270)
"""Optimiser steps of the intermediate phase, and what each rung adds in the target phase."""

BEST = 0.75
GOAL = 0.99 * BEST
"""True score to reach."""

_MEDIAN_LOSS = 0.04
"""What the weights of a median random mixture lose to the best weights."""

_RATE_LOSS, _SHORT_SHIFT, _SHORT_LOSS = 0.06, 0.15, 0.05
"""Loss of a target learning rate that is off by a decade; at the first rung the best rate is higher, in decades, and
all scores are lower."""

NOISE = (0.015, 0.01)
"""Standard deviation of a score between training seeds, at each rung."""

Weights = Sequence[float]
Utility = Callable[[Weights], float]


def _quadratic(chance: random.Random, num_tasks: int) -> Utility:
    """Return a smooth bowl with its optimum anywhere in the simplex."""
    masses = [chance.expovariate(1) for _ in range(num_tasks)]
    best = [mass / sum(masses) for mass in masses]
    factor = [[chance.gauss(0, 1) for _ in range(num_tasks)] for _ in range(num_tasks)]

    def utility(weights: Weights) -> float:
        off = [one - other for one, other in zip(weights, best, strict=True)]
        turned = [math.fsum(a * b for a, b in zip(row, off, strict=True)) for row in factor]
        return -math.fsum(one**2 for one in turned) / num_tasks - 0.3 * math.fsum(one**2 for one in off)

    return utility


def _saturating(chance: random.Random, num_tasks: int) -> Utility:
    """Return useful tasks whose effects saturate, two that harm (of three: one), and two pairs that interact."""
    tasks = chance.sample(range(num_tasks), num_tasks)
    num_harmful = num_tasks // 2
    harms = {task: chance.uniform(1, 3) for task in tasks[:num_harmful]}
    helps = {task: chance.uniform(0.3, 1.5) for task in tasks[num_harmful:]}
    pairs = [(*chance.sample(range(num_tasks), 2), chance.gauss(0, 1)) for _ in range(2)]

    def utility(weights: Weights) -> float:
        value = math.fsum(effect * math.log(weights[task] + 0.05) for task, effect in helps.items())
        value -= math.fsum(effect * weights[task] for task, effect in harms.items())
        return value + math.fsum(4 * effect * weights[one] * weights[other] for one, other, effect in pairs)

    return utility


def _edge(chance: random.Random, num_tasks: int) -> Utility:
    """Return tasks of proportional effect: a single task is best, or in half of the worlds a mixture of two."""
    first, second, *others = chance.sample(range(num_tasks), num_tasks)
    effects = {first: 1.0, second: 0.9, **{task: chance.uniform(-0.5, 0.7) for task in others}}
    synergy = 2.0 * (chance.random() < 0.5)  # noqa: PLR2004  in half of them

    def utility(weights: Weights) -> float:
        value = math.fsum(effect * weights[task] for task, effect in effects.items())
        return value + synergy * weights[first] * weights[second]

    return utility


def _flat(chance: random.Random, num_tasks: int) -> Utility:
    """Return no effect of the weights at all."""
    del chance, num_tasks
    return lambda weights: 0.0  # noqa: ARG005  (that is its point)


KINDS: Mapping[str, Callable[[random.Random, int], Utility]] = {
    "quadratic": _quadratic,
    "saturating": _saturating,
    "edge": _edge,
    "flat": _flat,
}


class World:
    """One world.

    Args:
        kind: One of `KINDS`.
        seed: Draws the effects and the best learning rate.
        num_tasks: Tasks that are mixed.
    """

    def __init__(self, kind: str, seed: int, *, num_tasks: int) -> None:
        chance = random.Random(f"{kind} {num_tasks} {seed}")
        self.tasks, self.seed = TASKS[:num_tasks], seed
        self._utility = KINDS[kind](chance, num_tasks)
        self._best_rate = chance.uniform(-4.7, -3.3)
        drawn = [_dirichlet(chance, num_tasks) for _ in range(2001)]
        values = sorted(map(self._utility, drawn))
        self._most = _highest(self._utility, max(drawn, key=self._utility))
        self._scale = _MEDIAN_LOSS / (self._most - values[len(values) // 2]) if kind != "flat" else 0.0

    def true_score(self, assignment: Assignment, *, rung: int = 1) -> float:
        """Return a trial's score without noise."""
        weights = assignment[WEIGHTS]
        assert isinstance(weights, dict)  # noqa: S101  the space has a simplex there
        loss = self._scale * (self._most - self._utility([float(str(weights[task])) for task in self.tasks]))
        is_short = rung == 0
        off = math.log10(float(str(assignment[_RATE]))) - self._best_rate - _SHORT_SHIFT * is_short
        return BEST - loss - _RATE_LOSS * off**2 - _SHORT_LOSS * is_short

    def score(self, assignment: Assignment, *, rung: int) -> float:
        """Return what training would measure; the same configuration has the same luck again."""
        luck = random.Random(f"luck {self.seed} {rung} {sorted(assignment.items())!r}")
        return self.true_score(assignment, rung=rung) + luck.gauss(0, NOISE[rung])

    def spec(self, sampler: Mapping[str, Any]) -> SweepSpec:
        """Return the spec of a sweep of this world."""
        return make_sweep_spec(
            {
                "name": "mixtures",
                "seed": self.seed,
                "trials": 10_000,
                "sampler": dict(sampler),
                "rungs": {"num": len(RUNG_STEPS), "eta": 3},
                "pruner": {"name": "successive_halving"},
                "trial": {
                    "target": {
                        "mixture": {"mnli": 1.0},
                        "steps": sum(RUNG_STEPS),
                        "schedule": {"kind": "warmup_stable_decay", "warmup_steps": 15},
                    },
                    "evaluation": {"task": "xnli"},
                },
                "families": {"multitask": {"mixture": {"simplex": list(self.tasks)}, "steps": INTERMEDIATE_STEPS}},
                "search": {_RATE: {"log": [1e-5, 1e-3]}},
            }
        )


def _dirichlet(chance: random.Random, num_tasks: int) -> list[float]:
    masses = [chance.expovariate(1) for _ in range(num_tasks)]
    return [mass / math.fsum(masses) for mass in masses]


def _highest(utility: Utility, start: Weights) -> float:
    """Return the highest utility that moves of weight from one task to another reach."""
    weights, best, step = list(start), utility(start), 0.2
    while step > 1e-4:  # noqa: PLR2004  far below what a score shows
        moves = [
            _moved(weights, giver, taker, step)
            for giver in range(len(weights))
            for taker in range(len(weights))
            if giver != taker
        ]
        top = max(moves, key=utility)
        if utility(top) > best:
            weights, best = top, utility(top)
        else:
            step /= 2
    return best


def _moved(weights: Sequence[float], giver: int, taker: int, step: float) -> list[float]:
    moved, given = list(weights), min(step, weights[giver])
    moved[giver] -= given
    moved[taker] += given
    return moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a sweep of a world went."""

    steps: int
    """Optimiser steps until a trial at the last rung had a true score of 99 % of the best, or until it was given up."""
    steps_alone: int
    """The same where each trial pays for its own intermediate phase."""
    has_arrived: bool
    """Whether one did."""
    trials: int
    """Trials until then, or in all."""


@dataclass(slots=True, kw_only=True)
class _Race:
    world: World
    history: list[PastTrial] = field(default_factory=list[PastTrial])
    curves: list[Curve] = field(default_factory=list[Curve])
    made: set[str] = field(default_factory=set[str])
    paid: int = 0
    paid_alone: int = 0


def sweep(world: World, sampler: Mapping[str, Any], *, max_trials: int) -> Course:
    """Return how a sweep goes until it has reached the goal.

    Args:
        world: What is searched.
        sampler: How, as in a spec.
        max_trials: Trials after which it is given up.
    """
    spec = world.spec(sampler)
    proposer, pruner, race = make_sampler(spec), make_pruner(spec), _Race(world=world)
    has_arrived = False
    while not has_arrived and len(race.history) < max_trials:
        has_arrived = _run(race, len(race.history), proposer, pruner=pruner)
    return Course(steps=race.paid, steps_alone=race.paid_alone, has_arrived=has_arrived, trials=len(race.history))


def _run(race: _Race, number: int, sampler: Sampler, *, pruner: Pruner | None) -> bool:
    """Run the next trial; returns whether it has reached the goal."""
    proposal = sampler.propose(number, history=race.history)
    phase = repr(proposal.assignment[WEIGHTS])
    race.paid += INTERMEDIATE_STEPS * (phase not in race.made)
    race.paid_alone += INTERMEDIATE_STEPS
    race.made.add(phase)
    scores: dict[int, float] = {}
    for rung, steps in enumerate(RUNG_STEPS):
        race.paid, race.paid_alone = race.paid + steps, race.paid_alone + steps
        scores[rung] = race.world.score(proposal.assignment, rung=rung)
        curve = Curve(number=number, scores=dict(scores))
        is_compared = rung == 0 and not is_promoted_by_sampler(proposal.attributes, rung=rung)
        if is_compared and pruner is not None and pruner.is_pruned(curve, others=race.curves):
            break
    rung = max(scores)
    is_finished = rung == len(RUNG_STEPS) - 1
    race.curves.append(Curve(number=number, scores=scores, is_finished=is_finished))
    race.history.append(
        PastTrial(
            number=number,
            assignment=proposal.assignment,
            state="finished" if is_finished else "pruned",
            score=scores[rung],
            rung=rung,
            attributes=proposal.attributes,
        )
    )
    return is_finished and race.world.true_score(proposal.assignment) >= GOAL

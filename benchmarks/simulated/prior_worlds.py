# ruff: noqa: S311  draws for a simulation are no secrets
"""Simulated worlds for priors: arms of known effect, a randomly drawn optimum, and noise; nothing is trained.

A trial of a world is a real proposal of a real space. The space has two families and a target learning rate; one of the
families has arms (mixtures) and its own learning rate. As in the store, the trials with the same intermediate phase pay
for it once.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from search.sampler import PastTrial, make_sampler
from spaces.space.enumeration import draw
from spaces.space.tree import Assignment
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec

ARMS = "intermediate.multitask.mixture"
_INTERMEDIATE_RATE, _TARGET_RATE = "intermediate.multitask.learning_rate", "target.learning_rate"
INTERMEDIATE_STEPS, TARGET_STEPS = 200, 100
NOISE = 0.004
"""Standard deviation of a score: about that of 5,000 items at an accuracy of 0.9."""
MOST = 0.04
"""What the best arm adds to a score; the others lie evenly below it, and the worst adds nothing."""
_ENOUGH = 0.99
_BASELINE = 0.015


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a sweep of a world needed. Where it did not reach a goal, the number is one more than it had."""

    trials_to_try: int
    """Trials until one has the best arm."""
    trials_to_find: int
    """Trials until the best score so far comes from the best arm for the rest of the sweep."""
    steps: int
    """Optimiser steps until a trial's score without noise is 99 % of the best possible score."""


class World:
    """One world.

    Args:
        seed: Draws the effects of the arms, and the best learning rates.
        num_arms: Mixtures to choose from.
        sampler: Name of the sampler that proposes.
    """

    def __init__(self, seed: int, *, num_arms: int, sampler: str = "tpe") -> None:
        chance = random.Random(seed)
        self.arms = [f"m{number}" for number in range(num_arms)]
        self.ranked = chance.sample(self.arms, num_arms)
        """The best first."""
        self.effects = {arm: MOST * (1 - place / (num_arms - 1)) for place, arm in enumerate(self.ranked)}
        self._best_rates = (chance.uniform(-3.6, -2.4), chance.uniform(-3.6, -2.4))
        self._seed, self._sampler = seed, sampler

    def spec(self, *, num_trials: int, priors: JsonValue = None) -> SweepSpec:
        """Return the spec of a sweep of this world; the weights of its mixtures do not matter."""
        share = 1 / (len(self.arms) + 1)
        mixtures: dict[str, JsonValue] = {
            arm: {"miniature_qa": share * (place + 1), "miniature_choice": 1 - share * (place + 1)}
            for place, arm in enumerate(self.arms)
        }
        rates: JsonValue = {"log": [1e-4, 1e-2]}
        multitask: JsonValue = {"mixture": {"choice": mixtures}, "steps": INTERMEDIATE_STEPS, "learning_rate": rates}
        document: dict[str, JsonValue] = {
            "name": "world",
            "trials": num_trials,
            "seed": self._seed,
            "sampler": {"name": self._sampler},
            "trial": {
                "target": {"mixture": {"miniature_nli": 1.0}, "steps": TARGET_STEPS},
                "evaluation": {"task": "miniature_nli"},
            },
            "families": {"none": {}, "multitask": multitask},
            "search": {_TARGET_RATE: rates},
        }
        return make_sweep_spec(document if priors is None else {**document, "priors": priors})

    def true_score(self, assignment: Assignment, *, effects: Mapping[str, float] | None = None) -> float:
        """Return a trial's score without noise.

        Args:
            assignment: The trial.
            effects: Effects of the arms, in place of the world's own.
        """
        off_target = math.log10(_number(assignment[_TARGET_RATE])) - self._best_rates[0]
        value = 0.6 - 0.03 * off_target**2
        if assignment["family"] == "none":
            return value + _BASELINE
        off = math.log10(_number(assignment[_INTERMEDIATE_RATE])) - self._best_rates[1]
        return value + (effects or self.effects)[str(assignment[ARMS])] - 0.02 * off**2

    def earlier(self, *, num_trials: int, effects: Mapping[str, float]) -> JsonValue:
        """Return the prior that an earlier sweep of random trials gives, where arms had these effects."""
        chance = random.Random(f"earlier {self._seed}")
        space = make_space(self.spec(num_trials=1))
        trials: list[JsonValue] = []
        for number in range(num_trials):
            drawn = draw(space, generator=chance)
            score = self.true_score(drawn, effects=effects) + chance.gauss(0, NOISE)
            trials.append({"number": number, "assignment": drawn, "score": 100 * score, "is_same": False})
        return {"earlier": {"sweep": "earlier", "trials": trials}}

    def sweep(self, *, num_trials: int, priors: JsonValue = None) -> Outcome:
        """Run one sweep to its end."""
        sampler = make_sampler(self.spec(num_trials=num_trials, priors=priors))
        chance = random.Random(f"noise {self._seed}")
        history: list[PastTrial] = []
        best, steps, paid = -math.inf, 0, set[str]()
        tried = found = enough = None
        for number in range(num_trials):
            proposal = sampler.propose(number, history=history)
            assignment = proposal.assignment
            true_score, is_best_arm = self.true_score(assignment), assignment.get(ARMS) == self.ranked[0]
            score = true_score + chance.gauss(0, NOISE)
            steps += _steps(assignment, paid=paid)
            tried = number + 1 if tried is None and is_best_arm else tried
            if score > best:
                found = (found or number + 1) if is_best_arm else None
            enough = steps if enough is None and true_score >= _ENOUGH * (0.6 + MOST) else enough
            best = max(best, score)
            history.append(
                PastTrial(
                    number=number,
                    assignment=assignment,
                    state="finished",
                    score=score,
                    attributes=proposal.attributes,
                )
            )
        late = num_trials + 1
        return Outcome(trials_to_try=tried or late, trials_to_find=found or late, steps=enough or steps + TARGET_STEPS)


def _steps(assignment: Assignment, *, paid: set[str]) -> int:
    """Return the steps of a trial. Its intermediate phase counts only if no earlier trial has paid for it."""
    phase = repr(sorted((path, value) for path, value in assignment.items() if path.startswith("intermediate")))
    is_new = assignment["family"] != "none" and phase not in paid
    paid.add(phase)
    return TARGET_STEPS + INTERMEDIATE_STEPS * is_new


def _number(value: JsonValue) -> float:
    return float(str(value))

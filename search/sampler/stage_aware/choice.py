"""One stage-aware proposal: candidates before the target and in it, and which pair is worth its steps."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import JsonValue

from search.sampler.contract import PastTrial
from search.sampler.stage_aware.beliefs import Beliefs
from search.sampler.stage_aware.costs import StepCosts
from search.sampler.stage_aware.model import StageModel, expected_improvement
from search.sampler.stage_aware.points import Encoder, active, is_of_target
from spaces.conditions import violated
from spaces.drawing import draw, draw_value, near_value
from spaces.tree import Assignment, Parameter, Space
from spaces.walk import walk

NUM_DRAWN, NUM_NEAR, NUM_TARGETS = 80, 48, 40
"""Candidates of a proposal: beginnings drawn anywhere, beginnings near the best ones, targets of both kinds."""

MOST_KNOWN = 48
"""Known beginnings that further targets are weighed for, the best first."""

SLACK = 2.0
"""Factor by which the mean number of targets under a beginning may differ from what it deserves, without correction."""

NUM_BEST = 8
"""Trials around which candidates are sought."""

Before = tuple[tuple[str, str], ...]
"""What a configuration is before its target phase, its beginning: path -> value, as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Best:
    """The best of fresh beginnings, or of further targets."""

    assignment: Assignment
    worth: float
    """Expected improvement per step."""
    before_steps: float
    target_steps: float
    variance: float
    """Posterior variance between beginnings under its target, or between targets under its beginning."""


@dataclass(slots=True, kw_only=True)
class Choice:
    """One proposal in the making."""

    space: Space
    encoder: Encoder
    beliefs: Beliefs
    costs: StepCosts
    last_rung: int
    model: StageModel
    seen: Sequence[PastTrial]
    """Trials that the model has learnt from."""
    tried: Sequence[PastTrial]
    """All that count, by number."""
    generator: random.Random

    def best(self) -> Assignment:
        """Return the configuration to try next."""
        encoder = self.encoder
        seen = [one.assignment for one in self.seen]
        means, _ = self.model.predict(encoder.points(seen), expected_M=self.beliefs.of(seen))
        by_mean = [self.seen[int(place)].assignment for place in np.argsort(-means, kind="stable")]
        goal = self._goal(means)
        known = self._known(by_mean)
        targets = self._targets(by_mean)
        fresh = [one for one in self._fresh(by_mean) if self._before(one) not in known]
        under = list(known.values())[:MOST_KNOWN]
        best_fresh = self._weighed(fresh, targets, goal=goal, is_fresh=True)
        best_under = self._weighed(under, targets, goal=goal, is_fresh=False)
        if best_fresh is None or best_under is None:
            found = best_fresh or best_under
            return found.assignment if found else draw(self.space, generator=self.generator)
        share = self._share(best_fresh, best_under, known=len(known))
        return (best_fresh if best_fresh.worth * share > best_under.worth else best_under).assignment

    def _share(self, fresh: _Best, under: _Best, *, known: int) -> float:
        """Return what a fresh beginning's worth is multiplied by: 1 while the two-stage allocation is kept within 2."""
        deserved = math.sqrt(max(fresh.before_steps, 1.0) / under.target_steps * under.variance / fresh.variance)
        had = len(self.tried) / known
        share = had / max(deserved, 1.0)
        return min(1.0, SLACK * share) if share < 1 else max(1.0, share / SLACK)

    def _goal(self, means: np.ndarray) -> float:
        """Return the score to improve on: the best of those measured at the last rung, as the model sees them."""
        last = [mean for mean, one in zip(means, self.seen, strict=True) if one.rung == self.last_rung]
        return float(max(last)) if last else float(max(means))

    def _weighed(
        self, bases: Sequence[Assignment], targets: Sequence[Assignment], *, goal: float, is_fresh: bool
    ) -> _Best | None:
        """Return the new configuration with the highest expected improvement per step."""
        if not bases:
            return None
        encoder, costs = self.encoder, self.costs
        mean_FT, deviation_FT = self.model.predict_pairs(
            encoder.points(bases), encoder.points(targets), expected_FT=self.beliefs.of_pairs(bases, targets)
        )
        gain_FT = expected_improvement(mean_FT, deviation_FT, best=goal)
        before_F = np.array([costs.parts(one)[0] if is_fresh else 0.0 for one in bases])
        target_T = np.array([costs.parts(one)[1] for one in targets])
        worth_FT = gain_FT / (before_F[:, None] + target_T[None])
        tried = self._tried()
        for place in np.argsort(-worth_FT, axis=None, kind="stable")[: len(tried) + 1]:
            row, column = np.unravel_index(place, worth_FT.shape)
            joined = self._joined(bases[int(row)], targets[int(column)])
            if _text(joined) not in tried and violated(self.space, joined) is None:
                line = deviation_FT[:, int(column)] if is_fresh else deviation_FT[int(row)]
                return _Best(
                    assignment=joined,
                    worth=float(worth_FT[row, column]),
                    before_steps=float(before_F[row]),
                    target_steps=float(target_T[column]),
                    variance=float(np.mean(line**2)),
                )
        return None

    def _tried(self) -> set[str]:
        """Return the configurations that are not proposed; what was pruned gets another chance at twice the trials."""
        num = len(self.tried)
        return {
            _text(one.assignment)
            for place, one in enumerate(self.tried)
            if one.state != "pruned" or num < 2 * (place + 1)
        }

    def _known(self, by_mean: Sequence[Assignment]) -> dict[Before, Assignment]:
        """Return the intermediate phases that are made or being made, the most promising first."""
        found = {self._before(one): one for one in reversed(by_mean)}
        found = dict(reversed(found.items()))
        for one in self.tried:
            found.setdefault(self._before(one.assignment), one.assignment)
        return found

    def _before(self, assignment: Assignment) -> Before:
        return tuple(
            (parameter.path, str(value))
            for parameter, value in active(self.space, assignment)
            if not is_of_target(parameter)
        )

    def _targets(self, by_mean: Sequence[Assignment]) -> list[Assignment]:
        """Return configurations whose target part is worth a look: the best so far, changes of them, and draws."""
        best = list(by_mean[:NUM_BEST])
        near = [self._changed(self.generator.choice(best), of_target=True) for _ in range(NUM_TARGETS // 2)]
        return best + near + [draw(self.space, generator=self.generator) for _ in range(NUM_TARGETS // 2)]

    def _fresh(self, by_mean: Sequence[Assignment]) -> list[Assignment]:
        """Return configurations whose beginning is worth a look: draws, and changes of the best so far."""
        drawn = [draw(self.space, generator=self.generator) for _ in range(NUM_DRAWN)]
        best = by_mean[:NUM_BEST]
        near = [self._changed(self.generator.choice(best), of_target=False) for _ in range(NUM_NEAR)]
        return list({self._before(one): one for one in drawn + near}.values())

    def _joined(self, base: Assignment, target: Assignment) -> Assignment:
        """Return a configuration with one's beginning and another's target."""

        def ask(parameter: Parameter) -> JsonValue:
            first, second = (target, base) if is_of_target(parameter) else (base, target)
            value = first.get(parameter.path, second.get(parameter.path))
            return value if value is not None and parameter.admits(value) else self._drawn(parameter)

        return walk(self.space, ask)

    def _changed(self, base: Assignment, *, of_target: bool) -> Assignment:
        """Return a configuration with one parameter of a part drawn anew; numbers near where they were."""
        names = [parameter.path for parameter, _ in active(self.space, base) if is_of_target(parameter) == of_target]
        changed = self.generator.choice(names) if names else ""
        other = draw(self.space, generator=self.generator)

        def ask(parameter: Parameter) -> JsonValue:
            if parameter.path == changed:
                return near_value(parameter, base[parameter.path], generator=self.generator)
            value = base.get(parameter.path, other.get(parameter.path))
            return value if value is not None and parameter.admits(value) else self._drawn(parameter)

        return walk(self.space, ask)

    def _drawn(self, parameter: Parameter) -> JsonValue:
        return draw_value(parameter, generator=self.generator)


def _text(assignment: Assignment) -> str:
    return repr(sorted(assignment.items()))

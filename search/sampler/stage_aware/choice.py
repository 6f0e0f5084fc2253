"""One stage-aware proposal: draws candidates, and takes the pair with the highest acquisition value.

A pair is an intermediate configuration and a target configuration. Its acquisition value is its expected improvement
per optimiser step.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from pydantic import JsonValue

from search.sampler.contract import PastTrial
from search.sampler.density_draws import draw_believed
from search.sampler.stage_aware.beliefs import Beliefs
from search.sampler.stage_aware.costs import StepCosts
from search.sampler.stage_aware.density_weights import DensityWeights, exponents
from search.sampler.stage_aware.labels import Labels, text_of
from search.sampler.stage_aware.merge_parts import MergeParts
from search.sampler.stage_aware.mixtures import MixtureSearch, is_mixture
from search.sampler.stage_aware.model import StageModel, expected_improvement
from search.sampler.stage_aware.points import Encoder, active, is_of_target
from search.sampler.stage_aware.trial_table import TrialTable, Tried
from spaces.space.conditions import violated
from spaces.space.densities import Density
from spaces.space.enumeration import draw, draw_value, has_conditions, near_value
from spaces.space.tree import Assignment, Parameter, Space, every_parameter
from spaces.space.walk import walk

NUM_DRAWN, NUM_NEAR, NUM_TARGETS = 80, 48, 40
"""Candidates of a proposal: new intermediate configurations drawn at random, others near the best trials, and targets
of both kinds."""

MAX_KNOWN = 48
"""Intermediate configurations of earlier trials for which further targets are candidates, the best first."""

SLACK = 2.0
"""Factor by which the mean number of targets of an intermediate configuration can differ from the two-stage allocation
before acquisition values are corrected."""

NUM_BEST = 8
"""Number of best trials near which candidates are drawn."""


MAX_FORBIDDEN = 2000
"""Pairs that a proposal looks at because constraints may forbid those before: the model can prefer what they forbid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """The best candidate among new intermediate configurations, or among further targets of known ones."""

    assignment: Assignment
    acquisition: float
    """Acquisition value: expected improvement per optimiser step."""
    intermediate_steps: float
    """Optimiser steps before the target phase."""
    target_steps: float
    variance: float
    """Posterior variance between intermediate configurations with its target, or between targets with its intermediate
    configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What to try next."""

    assignment: Assignment
    continues: PastTrial | None = None
    """The pruned trial that it continues: it is promoted to the next rung without being compared."""


@dataclass(slots=True, kw_only=True)
class Choice:
    """The computation of one proposal."""

    space: Space
    encoder: Encoder
    beliefs: Beliefs
    costs: StepCosts
    last_rung: int
    model: StageModel
    seen: Sequence[PastTrial]
    """Trials that the model is fitted to."""
    table: TrialTable
    """All trials."""
    generator: random.Random
    labels: Labels
    """What identifies the trials."""
    merge_parts: MergeParts
    """Which parts of merges the trials have trained."""
    wants_gain: bool = False
    """Whether `largest_gain` is computed; it draws random numbers, so other proposals do without."""
    largest_gain: float = 0.0
    """After `best`: the largest expected improvement of an untried candidate, in the unit of the scores."""
    densities: Mapping[str, Density] = field(default_factory=dict[str, Density])
    """Path of a parameter -> its prior density."""
    weights: DensityWeights | None = None
    """After `best`: the weights of the densities; None without any."""

    def best(self) -> Chosen:
        """Return the configuration to try next: a new one, or that of a pruned trial to continue."""
        seen = [one.assignment for one in self.seen]
        means, _ = self._predict(seen)
        by_mean = [self.seen[int(place)].assignment for place in np.argsort(-means, kind="stable")]
        goal = self._goal(means)
        self.weights = self._density_weights(by_mean) if self.densities else None
        known = self.table.known_parts(by_mean, most=MAX_KNOWN)
        targets = self._targets(by_mean)
        candidates = [*self._new_candidates(by_mean), *self._mixtures(by_mean, goal=goal)]
        new = [one for one in candidates if self.labels.intermediate_key(one) not in known]
        tried = self.table.tried()
        best_new = self._best_pair(new, targets, goal=goal, is_new=True, tried=tried)
        best_known = self._best_pair(known.bases, targets, goal=goal, is_new=False, tried=tried)
        correction = 1.0
        if best_new is not None and best_known is not None:
            correction = self._correction(best_new, best_known, num_known=known.num)
        values = [(one.acquisition, Chosen(assignment=one.assignment)) for one in (best_known,) if one is not None]
        if best_new is not None:
            values.append((best_new.acquisition * correction, Chosen(assignment=best_new.assignment)))
        values += self._continued(goal=goal)
        return max(values, key=lambda one: one[0])[1] if values else Chosen(assignment=self.random())

    def _continued(self, *, goal: float) -> list[tuple[float, Chosen]]:
        """Return the pruned trial whose continuation has the highest acquisition value, if there is one.

        Its score is one of those that the model has learnt from. Where short rungs say little, a pruned trial can be
        as good as others.
        """
        pruned = self.table.pruned(self.seen)
        if not pruned:
            return []
        means, deviations = self._predict([one.assignment for one in pruned])
        improvement = expected_improvement(means, deviations, best=goal)
        if self.wants_gain:
            self.largest_gain = max(self.largest_gain, float(improvement.max()))
        steps = np.array([self.costs.to_continue(one.assignment, rung=one.rung) for one in pruned])
        place = int(np.argmax(improvement / steps))
        chosen = Chosen(assignment=pruned[place].assignment, continues=pruned[place])
        return [(float(improvement[place] / steps[place]), chosen)]

    def random(self, *, is_believed: bool = True) -> Assignment:
        """Return a random configuration, with values from the densities or without them."""
        if self.densities and is_believed:
            return draw_believed(self.space, densities=self.densities, generator=self.generator)
        return draw(self.space, generator=self.generator)

    def _density_weights(self, by_mean: Sequence[Assignment]) -> DensityWeights:
        found = exponents(
            self.densities, space=self.space, by_mean=by_mean, predict=self._predict, num_trials=len(self.seen)
        )
        of_target = (path for path, density in self.densities.items() if is_of_target(density.parameter))
        return DensityWeights(densities=self.densities, exponents=found, of_target=frozenset(of_target))

    def _predict(self, assignments: Sequence[Assignment]) -> tuple[np.ndarray, np.ndarray]:
        return self.model.predict(self.encoder.points(assignments), expected_M=self.beliefs.of(assignments))

    def _correction(self, new: _Candidate, further: _Candidate, *, num_known: int) -> float:
        """Return the factor of the acquisition value of a new intermediate configuration.

        It is 1 while the mean number of targets of an intermediate configuration is within a factor of `SLACK` of the
        number that the two-stage allocation expects.
        """
        cost_ratio = max(new.intermediate_steps, 1.0) / further.target_steps
        expected_targets = math.sqrt(cost_ratio * further.variance / new.variance)
        mean_targets = self.table.num / num_known
        ratio = mean_targets / max(expected_targets, 1.0)
        return min(1.0, SLACK * ratio) if ratio < 1 else max(1.0, ratio / SLACK)

    def _goal(self, means: np.ndarray) -> float:
        """Return the score to improve on: the best predicted mean of the trials that were measured at the last rung."""
        last = [mean for mean, one in zip(means, self.seen, strict=True) if one.rung == self.last_rung]
        return float(max(last)) if last else float(max(means))

    def _best_pair(
        self, bases: Sequence[Assignment], targets: Sequence[Assignment], *, goal: float, is_new: bool, tried: Tried
    ) -> _Candidate | None:
        """Return the untried configuration with the highest acquisition value, or None where there is none."""
        if not bases:
            return None
        encoder, costs = self.encoder, self.costs
        mean_FT, deviation_FT = self.model.predict_pairs(
            encoder.points(bases), encoder.points(targets), expected_FT=self.beliefs.of_pairs(bases, targets)
        )
        improvement_FT = expected_improvement(mean_FT, deviation_FT, best=goal)
        trained = self.merge_parts.trained(self.table)
        steps_F = np.array([self._steps_before(one, trained=trained) if is_new else 0.0 for one in bases])
        target_steps_T = np.array([costs.parts(one)[1] for one in targets])
        acquisition_FT = improvement_FT / (steps_F[:, None] + target_steps_T[None])
        if self.weights is not None:
            acquisition_FT *= self.weights.of_pairs(bases, targets)
        if self.wants_gain:
            self._note_gain(improvement_FT, bases, targets, tried=tried)
        for row, column in self._ranked(acquisition_FT, tried=tried):
            joined = self._joined(bases[row], targets[column])
            if text_of(joined) not in tried and violated(self.space, joined) is None:
                line = deviation_FT[:, column] if is_new else deviation_FT[row]
                return _Candidate(
                    assignment=joined,
                    acquisition=float(acquisition_FT[row, column]),
                    intermediate_steps=float(steps_F[row]),
                    target_steps=float(target_steps_T[column]),
                    variance=float(np.mean(line**2)),
                )
        return None

    def _ranked(self, value_FT: np.ndarray, *, tried: Tried) -> Iterator[tuple[int, int]]:
        """Yield rows and columns by falling value: one more than were tried, and more where some may be forbidden."""
        most = tried.num + 1 + (MAX_FORBIDDEN if self.space.constraints else 0)
        for place in np.argsort(-value_FT, axis=None, kind="stable")[:most]:
            row, column = np.unravel_index(place, value_FT.shape)
            yield int(row), int(column)

    def _steps_before(self, base: Assignment, *, trained: frozenset[str]) -> float:
        return self.costs.parts(base)[0] + self.merge_parts.new_steps(base, trained=trained)

    def _note_gain(
        self, improvement_FT: np.ndarray, bases: Sequence[Assignment], targets: Sequence[Assignment], *, tried: Tried
    ) -> None:
        for row, column in self._ranked(improvement_FT, tried=tried):
            joined = self._joined(bases[row], targets[column])
            if text_of(joined) not in tried and violated(self.space, joined) is None:
                self.largest_gain = max(self.largest_gain, float(improvement_FT[row, column]))
                return

    def _targets(self, by_mean: Sequence[Assignment]) -> list[Assignment]:
        """Return candidates for the target part, each once: the best trials, changes of them, and random draws.

        Repeated ones would fill the first ranks with pairs that were tried, where listed values make few targets.
        """
        best = list(by_mean[:NUM_BEST])
        near = [self._changed(self.generator.choice(best), of_target=True) for _ in range(NUM_TARGETS // 2)]
        drawn = [self.random(is_believed=place % 2 == 0) for place in range(NUM_TARGETS // 2)]
        return list({self.labels.target_key(one): one for one in best + near + drawn}.values())

    def _new_candidates(self, by_mean: Sequence[Assignment]) -> list[Assignment]:
        """Return candidates for the intermediate configuration: random draws, and changes of the best trials."""
        drawn = [self.random(is_believed=place % 2 == 0) for place in range(NUM_DRAWN)]
        best = by_mean[:NUM_BEST]
        near = [self._changed(self.generator.choice(best), of_target=False) for _ in range(NUM_NEAR)]
        return list({self.labels.intermediate_key(one): one for one in drawn + near}.values())

    def _mixtures(self, by_mean: Sequence[Assignment], *, goal: float) -> list[Assignment]:
        """Return candidates for the weights of mixtures; none in a space without mixtures of many tasks."""
        improvement = partial(self._improvement, goal=goal)
        found: list[Assignment] = []
        for parameter in filter(is_mixture, every_parameter(self.space.root)):
            bases = [one for one in by_mean if parameter.path in one]
            if bases:
                search = MixtureSearch(parameter=parameter, value=improvement, generator=self.generator)
                found += [self._joined(one, one) for one in search.found(bases)]
        return [one for one in found if violated(self.space, one) is None]

    def _improvement(self, assignments: Sequence[Assignment], *, goal: float) -> np.ndarray:
        """Return the expected improvement of configurations, and -1 where one violates a constraint."""
        if has_conditions(self.space):
            assignments = [self._joined(one, one) for one in assignments]
        points = self.encoder.points(assignments)
        means, deviations = self.model.predict(points, expected_M=self.beliefs.of(assignments))
        is_allowed = np.array([violated(self.space, one) is None for one in assignments])
        return np.where(is_allowed, expected_improvement(means, deviations, best=goal), -1.0)

    def _joined(self, base: Assignment, target: Assignment) -> Assignment:
        """Return the configuration with the intermediate configuration of `base` and the target part of `target`."""

        def ask(parameter: Parameter) -> JsonValue:
            first, second = (target, base) if is_of_target(parameter) else (base, target)
            value = first.get(parameter.path, second.get(parameter.path))
            return value if value is not None and parameter.admits(value) else self._drawn(parameter)

        return walk(self.space, ask)

    def _changed(self, base: Assignment, *, of_target: bool) -> Assignment:
        """Return a configuration with one parameter of a part drawn again, a number near its old value."""
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

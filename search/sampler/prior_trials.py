"""Plans a sweep's first trials from its families and priors, and lets the effect of the priors fade.

Pure; does not import Optuna. Without priors the first trials are the families at their defaults, in the spec's order.
Priors add trials at the numbers 0, 1, 3, 7, 15, ... (2**k - 1) and nowhere else, so their share of n trials is
log2(n) / n, which goes to 0. Every family is still tried, at most log2(n) + 1 trials later. With a right prior the best
arm is tried first. The cost of a wrong prior is bounded by those trials. Most of them would be run anyway (a family at
its defaults is not run twice). The cost also stops early: the first two trials are the arm with the highest and the arm
with the lowest expected effect, which test the prior's order soonest. When more pairs of its trials contradict the
prior than agree with it, the sampler proposes the later trials instead. docs/decisions/0018 has the argument and the
measurements.

Trials of an earlier sweep are used in two ways. Its best configurations are added to the first trials. And TPE and GP
learn from its trials beside the sweep's own: one fewer for each own trial that ends; those that remain are spread
evenly over the ranks of their scores.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from search.sampler.contract import PastTrial
from search.sampler.density_first_trials import DensityFirstTrials
from spaces.priors import EarlierTrial, PriorsConfig, expected
from spaces.space.conditions import violated
from spaces.space.enumeration import default_value, first_assignments
from spaces.space.tree import FAMILY_PATH, Assignment, Branch, ChoiceParameter, Parameter, Space
from spaces.space.walk import walk
from trainables.config.frozen import canonical_json

NUM_EARLIER_FIRST = 4
"""Configurations of an earlier sweep that are run again: the best one, and the best of each other family."""

_MEASURED = ("finished", "pruned")

_MIN_FOR_A_SCALE = 2
"""Finished trials that a standard deviation needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    assignment: Assignment
    belief: tuple[str, float] | None = None
    """Source of the prior (`arms` or `earlier`) and the effect that it expects; only one source's can be compared."""
    is_family: bool = False
    """Whether it is a family at its defaults, which is run even if results contradict the prior."""

    @property
    def key(self) -> str:
        return canonical_json(self.assignment)


class FirstTrials:
    """The trials that a sweep runs before its sampler proposes, and a few later ones that replace proposals.

    Args:
        space: The space that is searched.
        priors: The priors of the space.
    """

    def __init__(self, space: Space, *, priors: PriorsConfig) -> None:
        self._priors = priors
        self._plan = _plan(space, priors)
        plan = {number: planned.assignment for number, planned in self._plan.items()}
        earlier = frozenset(
            number for number, planned in self._plan.items() if planned.belief and planned.belief[0] == "earlier"
        )
        self._placed = DensityFirstTrials(space=space, plan=plan, densities=priors.densities, repeated=earlier)
        self._earlier = spread(priors.earlier.trials) if priors.earlier else []

    def at(self, number: int, *, history: Sequence[PastTrial]) -> Assignment | None:
        """Return the planned assignment of a trial, or None if the sampler proposes it. Pure.

        Args:
            number: The trial's number.
            history: The trials that its proposal can depend on.
        """
        planned = self._planned(number)
        if planned is None or (not planned.is_family and self._is_contradicted(planned, history)):
            return None
        return self._placed.at(number, history=history)

    def _planned(self, number: int) -> _Planned | None:
        place = self._placed.place(number)
        return None if place is None else self._plan[place]

    def earlier(self, history: Sequence[PastTrial]) -> list[PastTrial]:
        """Return the trials of an earlier sweep that the sampler still learns from, under numbers below 0.

        Args:
            history: The trials that a proposal can depend on.
        """
        if not self._earlier:
            return []
        own = [trial.score for trial in history if trial.state == "finished" and trial.score is not None]
        num_ended = sum(trial.state in _MEASURED for trial in history)
        kept = self._earlier[: max(0, len(self._earlier) - num_ended)]
        scores = _on_scale(kept, among=self._earlier, own=own)
        return [
            PastTrial(number=-1 - place, assignment=trial.assignment, state="finished", score=score)
            for place, (trial, score) in enumerate(zip(kept, scores, strict=True))
        ]

    def _is_contradicted(self, planned: _Planned, history: Sequence[PastTrial]) -> bool:
        """Return whether more pairs of a prior's trials scored in the opposite order than in the expected order."""
        assert planned.belief is not None  # noqa: S101  (trials that are not a family's default come from a prior)
        source = planned.belief[0]
        pairs = [
            (its.belief[1], (trial.rung, trial.score))
            for trial in history
            if trial.state in _MEASURED and trial.score is not None
            if (its := self._planned(trial.number)) is not None
            if its.belief is not None and its.belief[0] == source and self._placed.is_planned(trial)
        ]
        return sum(_disagreement(one, other) for one, other in itertools.combinations(pairs, 2)) > 0


_Outcome = tuple[int, float]
"""Highest rung, which is compared first, and the score there."""


def _disagreement(one: tuple[float, _Outcome], other: tuple[float, _Outcome]) -> int:
    """Return 1 if two trials' expected effects and outcomes have opposite orders, -1 if the same order, 0 for a tie."""
    expected_order = (one[0] > other[0]) - (one[0] < other[0])
    order = (one[1] > other[1]) - (one[1] < other[1])
    return -expected_order * order


def _plan(space: Space, priors: PriorsConfig) -> dict[int, _Planned]:
    """Return number -> planned trial: those of the priors at 2**k - 1, the families in between, none twice."""
    own = [
        _Planned(assignment=first, belief=_arms_belief(first, priors), is_family=True)
        for first in first_assignments(space)
    ]
    families = {planned.key for planned in own}
    of_priors = [*_best_earlier(priors, families), *_order(space, priors, families)]
    of_priors = [planned for planned in of_priors if violated(space, planned.assignment) is None]
    plan: dict[int, _Planned] = {}
    done: set[str] = set()
    number, slot = 0, 0
    while own or of_priors:
        if not own:
            number = slot
        chosen = of_priors[0] if number == slot and of_priors else own[0]
        plan[number] = chosen
        done.add(chosen.key)
        own, of_priors = ([planned for planned in queue if planned.key not in done] for queue in (own, of_priors))
        slot = 2 * slot + 1 if number == slot else slot
        number += 1
    return plan


def _order(space: Space, priors: PriorsConfig, families: set[str]) -> list[_Planned]:
    """Return each arm with a prior, at its defaults: the best expected, the worst, then the others in order."""
    named = [assignment for path in priors.arms for assignment in arms_of(space, path=path)]
    candidates = [*first_assignments(space), *named] if priors.arms else []
    beliefs = [(assignment, _arms_belief(assignment, priors)) for assignment in candidates]
    unique = {
        canonical_json(assignment): _Planned(
            assignment=assignment, belief=belief, is_family=canonical_json(assignment) in families
        )
        for assignment, belief in beliefs
        if belief is not None
    }
    ranked = sorted(unique.values(), key=_expected_effect, reverse=True)
    return [*ranked[:1], *ranked[1:][-1:], *ranked[1:-1]]


def _expected_effect(planned: _Planned) -> float:
    return planned.belief[1] if planned.belief else 0.0


def _arms_belief(assignment: Assignment, priors: PriorsConfig) -> tuple[str, float] | None:
    """Return the effect that the arms' priors expect of an assignment; for arms without a prior, the priors' mean."""
    if not priors.arms:
        return None
    value = expected(assignment, priors=priors)
    neutral = statistics.fmean(effect for effects in priors.arms.values() for effect in effects.values())
    return "arms", neutral if value is None else value


def arms_of(space: Space, *, path: str) -> list[Assignment]:
    """Return one assignment for each arm of a choice. Other parameters have their defaults, or lead to the choice."""
    answers = _way_to(space.root, path=path, so_far={})
    assert answers is not None  # noqa: S101  (the spec was checked)
    *_, choice = answers.values()

    def assigned(label: JsonValue) -> Assignment:
        def ask(parameter: Parameter) -> JsonValue:
            if parameter.path == path:
                return label
            taken = answers.get(parameter.path)
            return default_value(parameter) if taken is None else taken[1]

        return walk(space, ask)

    return [assigned(arm.label) for arm in choice[0].arms]


_Way = dict[str, tuple[ChoiceParameter, JsonValue]]
"""Path of a choice -> itself, and the arm to take."""


def _way_to(branch: Branch, *, path: str, so_far: _Way) -> _Way | None:
    """Return the choices that lead to a choice, and the choice itself as the last."""
    for parameter in branch.parameters:
        if not isinstance(parameter, ChoiceParameter):
            continue
        if parameter.path == path:
            return {**so_far, path: (parameter, parameter.default)}
        for arm in parameter.arms:
            taken: _Way = {**so_far, parameter.path: (parameter, arm.label)}
            if (found := _way_to(arm.branch, path=path, so_far=taken)) is not None:
                return found
    return None


def _best_earlier(priors: PriorsConfig, families: set[str]) -> list[_Planned]:
    """Return the best trial of an earlier sweep, then the best trial of each other family, best first."""
    trials = priors.earlier.trials if priors.earlier else ()
    best: dict[str, EarlierTrial] = {}
    for trial in sorted(trials, key=lambda trial: trial.score, reverse=True):
        best.setdefault(canonical_json(trial.assignment.get(FAMILY_PATH)), trial)
    return [
        _Planned(
            assignment=trial.assignment,
            belief=("earlier", trial.score),
            is_family=canonical_json(trial.assignment) in families,
        )
        for trial in list(best.values())[:NUM_EARLIER_FIRST]
    ]


def spread(trials: Sequence[EarlierTrial]) -> list[EarlierTrial]:
    """Order trials, best first, so that the first k are spread evenly over all ranks (van der Corput, base 2)."""
    ranked = sorted(trials, key=lambda trial: trial.score, reverse=True)
    width = len(ranked).bit_length()
    return [ranked[rank] for rank in sorted(range(len(ranked)), key=lambda rank: f"{rank:0{width}b}"[::-1])]


def _on_scale(kept: Sequence[EarlierTrial], *, among: Sequence[EarlierTrial], own: Sequence[float]) -> list[float]:
    """Return scores on this sweep's scale: unchanged for the same trials, others by mean and standard deviation."""
    if len(own) < _MIN_FOR_A_SCALE or len(among) < _MIN_FOR_A_SCALE:
        return [trial.score for trial in kept]
    there = [trial.score for trial in among]
    ratio = statistics.stdev(own) / (statistics.stdev(there) or 1.0)
    centre_there, centre_here = statistics.fmean(there), statistics.fmean(own)
    return [trial.score if trial.is_same else centre_here + ratio * (trial.score - centre_there) for trial in kept]

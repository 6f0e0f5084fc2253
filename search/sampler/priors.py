"""A sweep's first trials, with what is believed of the space, and how that fades. Pure; no Optuna.

Without priors the first trials are the families at their defaults, in the spec's order. Priors add trials at numbers 0,
1, 3, 7, 15, ... (2**k - 1) and nowhere else, so their share of n trials is log2(n) / n and goes to nothing; every
family still has its turn, at most log2(n) + 1 trials later. A right prior has its best arm tried first. What a wrong
one costs is bounded by those trials, most of which would have been made anyway (a family at its defaults is not made
twice), and stops early: its first two trials are the arm that it thinks best and the one that it thinks worst, which
tells soonest whether its order holds, and as soon as more pairs of its trials contradict it than bear it out, its later
trials are left to the sampler. docs/decisions/0018 has the argument and what was measured.

Trials of an earlier sweep are believed in two ways. Its best configurations are such first trials. And TPE and GP see
its trials beside the sweep's own: one fewer with each own trial that ends, those left spread evenly over its ranks.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from search.sampler.contract import PastTrial
from spaces.conditions import violated
from spaces.drawing import default_value, first_assignments
from spaces.priors import EarlierTrial, PriorsConfig, expected
from spaces.tree import FAMILY_PATH, Assignment, Branch, ChoiceParameter, Parameter, Space
from spaces.walk import walk
from trainables.config.frozen import canonical_json

NUM_EARLIER_FIRST = 4
"""Configurations of an earlier sweep that are run again: its best, and the best of other families."""

_MEASURED = ("finished", "pruned")

_FEWEST_FOR_A_SCALE = 2
"""Finished trials that have a standard deviation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    assignment: Assignment
    belief: tuple[str, float] | None = None
    """Whose, and what it expects; only what one source expects can be compared."""
    is_family: bool = False
    """Whether it is a family's turn, which no evidence takes away."""

    @property
    def key(self) -> str:
        return canonical_json(self.assignment)


class FirstTrials:
    """What a sweep tries before, and now and then instead of, what its sampler proposes.

    Args:
        space: The space that is searched.
        priors: What is believed of it.
    """

    def __init__(self, space: Space, *, priors: PriorsConfig) -> None:
        self._priors = priors
        self._plan = _plan(space, priors)
        self._earlier = spread(priors.earlier.trials) if priors.earlier else []

    def at(self, number: int, *, history: Sequence[PastTrial]) -> Assignment | None:
        """Return what a trial tries, or None when the sampler decides; the same for the same arguments.

        Args:
            number: The trial's number.
            history: The trials that its proposal may see.
        """
        planned = self._plan.get(number)
        if planned is None or (not planned.is_family and self._is_contradicted(planned, history)):
            return None
        return planned.assignment

    def earlier(self, history: Sequence[PastTrial]) -> list[PastTrial]:
        """Return the trials of an earlier sweep that are still to be learnt from, under numbers below 0.

        Args:
            history: The trials that a proposal may see.
        """
        own = [trial.score for trial in history if trial.state == "finished" and trial.score is not None]
        num_ended = sum(trial.state in _MEASURED for trial in history)
        kept = self._earlier[: max(0, len(self._earlier) - num_ended)]
        scores = _on_scale(kept, among=self._earlier, own=own)
        return [
            PastTrial(number=-1 - place, assignment=trial.assignment, state="finished", score=score)
            for place, (trial, score) in enumerate(zip(kept, scores, strict=True))
        ]

    def _is_contradicted(self, planned: _Planned, history: Sequence[PastTrial]) -> bool:
        """Return whether more pairs of what a source believed in ended against its order than in it."""
        assert planned.belief is not None  # noqa: S101  (what is no family's turn is believed in)
        source = planned.belief[0]
        pairs = [
            (its.belief[1], (trial.rung, trial.score))
            for trial in history
            if trial.state in _MEASURED and trial.score is not None and (its := self._plan.get(trial.number))
            if its.belief is not None and its.belief[0] == source and its.assignment == trial.assignment
        ]
        return sum(_disagreement(one, other) for one, other in itertools.combinations(pairs, 2)) > 0


_Outcome = tuple[int, float]
"""Highest rung, which says more than the score there, and score."""


def _disagreement(one: tuple[float, _Outcome], other: tuple[float, _Outcome]) -> int:
    """Return 1 when what was expected and what came are in opposite orders, -1 when in the same, 0 for a tie."""
    expected_order = (one[0] > other[0]) - (one[0] < other[0])
    order = (one[1] > other[1]) - (one[1] < other[1])
    return -expected_order * order


def _plan(space: Space, priors: PriorsConfig) -> dict[int, _Planned]:
    """Return number -> what is tried there: the prior's at 2**k - 1, the families in between, nothing twice."""
    own = [
        _Planned(assignment=one, belief=_arms_belief(one, priors), is_family=True) for one in first_assignments(space)
    ]
    families = {one.key for one in own}
    believed = [*_best_earlier(priors, families), *_order(space, priors, families)]
    believed = [one for one in believed if violated(space, one.assignment) is None]
    plan: dict[int, _Planned] = {}
    done: set[str] = set()
    number, slot = 0, 0
    while own or believed:
        if not own:
            number = slot
        chosen = believed[0] if number == slot and believed else own[0]
        plan[number] = chosen
        done.add(chosen.key)
        own, believed = ([one for one in queue if one.key not in done] for queue in (own, believed))
        slot = 2 * slot + 1 if number == slot else slot
        number += 1
    return plan


def _order(space: Space, priors: PriorsConfig, families: set[str]) -> list[_Planned]:
    """Return each believed arm at its defaults: the best one, the worst one, then the others from the best on."""
    named = [one for path in priors.arms for one in arms_of(space, path=path)]
    beliefs = [(one, _arms_belief(one, priors)) for one in [*first_assignments(space), *named] if priors.arms]
    unique = {
        canonical_json(one): _Planned(assignment=one, belief=belief, is_family=canonical_json(one) in families)
        for one, belief in beliefs
        if belief is not None
    }
    ranked = sorted(unique.values(), key=_believed, reverse=True)
    return [*ranked[:1], *ranked[1:][-1:], *ranked[1:-1]]


def _believed(planned: _Planned) -> float:
    return planned.belief[1] if planned.belief else 0.0


def _arms_belief(assignment: Assignment, priors: PriorsConfig) -> tuple[str, float] | None:
    """Return what the arms' priors expect of an assignment; of one that they do not name, their mean."""
    if not priors.arms:
        return None
    value = expected(assignment, priors=priors)
    neutral = statistics.fmean(effect for effects in priors.arms.values() for effect in effects.values())
    return "arms", neutral if value is None else value


def arms_of(space: Space, *, path: str) -> list[Assignment]:
    """Return the assignments with each arm of a choice and everything else, what leads to it apart, at its default."""
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
    """Return the choices that lead to one, and last itself."""
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
    """Return the best trial of an earlier sweep, then the best of each other family, from the best on."""
    trials = priors.earlier.trials if priors.earlier else ()
    best: dict[str, EarlierTrial] = {}
    for trial in sorted(trials, key=lambda one: one.score, reverse=True):
        best.setdefault(canonical_json(trial.assignment.get(FAMILY_PATH)), trial)
    return [
        _Planned(
            assignment=one.assignment,
            belief=("earlier", one.score),
            is_family=canonical_json(one.assignment) in families,
        )
        for one in list(best.values())[:NUM_EARLIER_FIRST]
    ]


def spread(trials: Sequence[EarlierTrial]) -> list[EarlierTrial]:
    """Order trials so that any first few lie evenly over their ranks, the best first (van der Corput, base 2)."""
    ranked = sorted(trials, key=lambda trial: trial.score, reverse=True)
    width = len(ranked).bit_length()
    return [ranked[rank] for rank in sorted(range(len(ranked)), key=lambda rank: f"{rank:0{width}b}"[::-1])]


def _on_scale(kept: Sequence[EarlierTrial], *, among: Sequence[EarlierTrial], own: Sequence[float]) -> list[float]:
    """Return scores as this sweep's: those of the very same trials as they are, others by mean and deviation."""
    if len(own) < _FEWEST_FOR_A_SCALE or len(among) < _FEWEST_FOR_A_SCALE:
        return [trial.score for trial in kept]
    there = [trial.score for trial in among]
    ratio = statistics.stdev(own) / (statistics.stdev(there) or 1.0)
    centre_there, centre_here = statistics.fmean(there), statistics.fmean(own)
    return [trial.score if trial.is_same else centre_here + ratio * (trial.score - centre_there) for trial in kept]

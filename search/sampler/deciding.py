"""Proposes what decides between families: their defaults again and again with fresh seeds, until all have a verdict.

The families are looked at when the number of seeds of a group has grown by a quarter (`LOOKS`), with the same chance of
error at each look (Pocock 1977; `search/compare/sequential.py`). At each look the open families are
compared as `xstilts compare` does (Welch's test, two one-sided tests, Holm's adjustment); a family with a verdict keeps
it and gets no further seeds (the sequential Holm procedure, Ye et al. 2013). A look uses the trials before a certain
number, after all of them have ended: so proposals and verdicts are a pure function of the trials, whatever the timing.

Trials are dealt to the baseline and the open families in the proportion that makes their effects known for the fewest
steps: a group's share is 1 / sqrt(its steps), and the baseline's is sqrt(number of open families) times as large,
because each of them is compared with it (Dunnett 1955).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from search.compare.comparison_result import Protocol, Verdict
from search.compare.runs import Group, Run, make_group
from search.compare.sequential import planned_look_alpha
from search.compare.verdicts import MIN_SEEDS, compare_groups
from search.sampler.contract import PastTrial, Proposal, proposal_seed
from search.sampler.stage_aware.costs import StepCosts
from spaces.checks.points import fresh_seed, is_drawn
from spaces.checks.stop_checks import BASELINE
from spaces.space.enumeration import default_assignment, default_value, first_assignments
from spaces.space.tree import FAMILY_PATH, Parameter, Space
from spaces.space.walk import walk
from spaces.stop import StopConfig
from trainables.config import RungsConfig

LOOKS = (6, 8, 10, 13, 17, 22, 28, 35, 44, 55, 69)
"""Seeds of a group at each look. More looks make each of them stricter, but find a verdict sooner."""

_ENDED = frozenset({"finished", "failed", "pruned"})

_Scores = Sequence[tuple[str, int, float]]
"""Family, seed and score of the finished trials of a look."""

_Case = tuple[int, tuple[str, ...], tuple[float | None, ...]]
"""Number of a look, its open families, and the score of each trial before it; None for one that has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looks:
    """What the looks so far say."""

    open: tuple[str, ...]
    """Families without a verdict, in the spec's order."""
    verdicts: Mapping[str, Verdict]
    """Family -> its verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidingSampler:
    """Repeats the families' defaults with fresh seeds until each has a verdict against `none`.

    Args:
        space: The space; it searches the seeds of both phases.
        sweep_seed: Seed of the sweep.
        stop: Margin and chance of error.
    """

    space: Space
    sweep_seed: int
    stop: StopConfig
    _families: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _steps: Mapping[str, float] = field(init=False, repr=False, compare=False)
    _known: dict[_Case, Mapping[str, Verdict]] = field(
        default_factory=dict[_Case, Mapping[str, Verdict]], repr=False, compare=False
    )
    """Looks that were taken already; a cache."""

    def __post_init__(self) -> None:
        firsts = first_assignments(self.space)
        families = tuple(str(one[FAMILY_PATH]) for one in firsts)
        costs = StepCosts(space=self.space, rungs=RungsConfig(), prunes=False)
        steps = {family: sum(costs.parts(first)) for family, first in zip(families, firsts, strict=True)}
        object.__setattr__(self, "_families", families)
        object.__setattr__(self, "_steps", steps)

    def propose(self, number: int, *, history: Sequence[PastTrial]) -> Proposal:
        """Return the proposal for a trial; see `Sampler.propose`."""
        looks = self.looks(history)
        seed = proposal_seed(self.sweep_seed, number=number)
        if not looks.open:
            found = ", ".join(f"{family} {verdict}" for family, verdict in looks.verdicts.items())
            reason = f"every family has a verdict ({found}; margin {self.stop.margin:g} points)"
            first = default_assignment(self.space, family=self._families[0])
            return Proposal(assignment=first, seed=seed, attributes={}, reason_to_stop=reason)
        family = self._next_family(looks.open, history=history)
        turn = sum(one.assignment.get(FAMILY_PATH) == family for one in history)

        def ask(parameter: Parameter) -> JsonValue:
            if parameter.path == FAMILY_PATH:
                return family
            if is_drawn(parameter):
                return fresh_seed(parameter, seed=seed, turn=turn)
            return default_value(parameter)

        return Proposal(assignment=walk(self.space, ask), seed=seed, attributes={})

    def looks(self, history: Sequence[PastTrial]) -> _Looks:
        """Return what the looks at the trials of a history say."""
        trials = sorted(history, key=lambda one: one.number)
        num_ended = next((place for place, one in enumerate(trials) if one.state not in _ENDED), len(trials))
        unlooked = list(self._arms)
        verdicts: dict[str, Verdict] = {}
        until = before = 0
        for look, seeds in enumerate(LOOKS, start=1):
            until += (seeds - before) * (len(unlooked) + 1)
            if not unlooked or until > num_ended:
                break
            found = self._look(look, trials[:until], arms=tuple(unlooked))
            verdicts |= {family: verdict for family, verdict in found.items() if verdict != "undecided"}
            unlooked = [family for family in unlooked if family not in verdicts]
            before = seeds
        return _Looks(open=tuple(unlooked), verdicts=verdicts)

    @property
    def _arms(self) -> tuple[str, ...]:
        return tuple(family for family in self._families if family != BASELINE)

    def _next_family(self, open_arms: Sequence[str], *, history: Sequence[PastTrial]) -> str:
        """Return the group that has the fewest trials for its share; the first trials are one of each group."""
        groups = [family for family in self._families if family == BASELINE or family in open_arms]
        num = dict.fromkeys(groups, 0)
        for trial in history:
            family = str(trial.assignment.get(FAMILY_PATH))
            if family in num and trial.state != "failed":
                num[family] += 1
        rarest = min(groups, key=lambda family: num[family])
        if num[rarest] < MIN_SEEDS:
            return rarest
        times = {family: math.sqrt(len(open_arms)) if family == BASELINE else 1.0 for family in groups}
        return min(groups, key=lambda family: num[family] * math.sqrt(self._steps[family]) / times[family])

    def _look(self, look: int, trials: Sequence[PastTrial], *, arms: tuple[str, ...]) -> Mapping[str, Verdict]:
        case = (look, arms, tuple(one.score if one.state == "finished" else None for one in trials))
        if case not in self._known:
            scores = [
                (str(one.assignment[FAMILY_PATH]), _seed_of(one), one.score)
                for one in trials
                if one.state == "finished" and one.score is not None
            ]
            self._known[case] = self._compared(look, scores, arms=arms)
        return self._known[case]

    def _compared(self, look: int, scores: _Scores, *, arms: Sequence[str]) -> Mapping[str, Verdict]:
        groups = {family: _group(family, scores) for family in (*arms, BASELINE)}
        if not groups[BASELINE].runs:
            return {}
        alpha = planned_look_alpha(alpha=self.stop.alpha, num_groups=len(self._arms), sizes=LOOKS)
        protocol = Protocol(margin=self.stop.margin, alpha=alpha, look=look)
        known = [groups[family] for family in arms if groups[family].runs]
        answers = compare_groups(known, baseline=groups[BASELINE], protocol=protocol, how="{}".format)
        return {one.group: one.verdict for one in answers if one.verdict != "baseline"}


def _group(family: str, scores: _Scores) -> Group:
    runs = [
        Run(
            trial=number,
            checkpoint=f"{family} {number}",
            lineage=f"{family} {number}",
            intermediate_seed=seed,
            target_seed=seed,
            score=score,
        )
        for number, (name, seed, score) in enumerate(scores)
        if name == family
    ]
    return make_group(family, runs)


def _seed_of(trial: PastTrial) -> int:
    """Return the seed that the trial was proposed with: all of its phases have it."""
    seeds = (value for path, value in trial.assignment.items() if path.endswith(".seed"))
    return next((value for value in seeds if isinstance(value, int)), trial.number)

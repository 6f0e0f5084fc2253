"""Replays sweeps on a recorded grid: samplers, spaces and pruners are the real ones; training is looked up.

One trial runs at a time. It pays for the stages that no trial before it has made, rung by rung, until it is pruned or
is measured at the last rung. Without sharing it always pays for its intermediate phase.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any  # a YAML document

from replay.grids import Grid
from replay.surrogate import Cell, Surrogate, flat

from search.pruner import make_pruner
from search.record import Curve
from search.sampler import PastTrial, Sampler, is_promoted_by_sampler, make_sampler
from spaces.space.enumeration import first_assignments
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A part of a grid that is searched."""

    grid: Grid
    families: tuple[str, ...]
    is_listed: bool
    """Whether learning rates are only the recorded ones; otherwise they are ranges."""

    @property
    def name(self) -> str:
        """What results call it."""
        family = "all" if len(self.families) > 1 else self.families[0]
        return f"{family}, {'listed' if self.is_listed else 'ranges'}"

    def best(self, surrogate: Surrogate) -> float:
        """Return the best score that there is in it."""
        return max(surrogate.best(family) for family in self.families)


def slices(grid: Grid) -> tuple[Slice, ...]:
    """Return all families together and each alone, with ranges and then with lists of learning rates."""
    return tuple(
        Slice(grid=grid, families=families, is_listed=is_listed)
        for is_listed in (False, True)
        for families in (tuple(grid.families), *((family,) for family in grid.families))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way of searching."""

    name: str
    sampler: Mapping[str, Any]
    pruner: str = "successive_halving"
    shares: bool = True
    """Whether trials find the stages of others."""
    has_first: bool = True
    """Whether it starts with each family at its defaults."""
    priors: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The priors, as in a spec."""


def spec_of(part: Slice, method: Method, *, seed: int) -> SweepSpec:
    """Return the spec of a replayed sweep."""
    grid, rates = part.grid, part.grid.rates(is_listed=part.is_listed)
    order = random.Random(seed).sample(part.families, len(part.families))  # noqa: S311  seeds differ from the first trial on
    families: dict[str, Any] = {
        family: {**grid.families[family], **({"learning_rate": rates["intermediate"]} if family != "none" else {})}
        for family in order
    }
    recorded = grid.document
    target = recorded["trial"]["target"]
    document: dict[str, Any] = {
        "name": "replay",
        "seed": seed,
        "trials": 10_000,
        "concurrency": 1,
        "order": "fixed",
        "sampler": dict(method.sampler),
        "rungs": {"num": grid.num_rungs, "eta": recorded["rungs"]["eta"]},
        "pruner": {"name": method.pruner},
        "trial": {
            "encoder": recorded["trial"]["encoder"],
            "target": {name: target[name] for name in ("mixture", "steps", "freeze_embeddings", "schedule")},
            "evaluation": {"task": recorded["trial"]["evaluation"]["task"]},
        },
        "families": families,
        "priors": dict(method.priors),
        "search": {
            "target.learning_rate": rates["target"],
            "target.freeze_layers": grid.freezing(),
        },
    }
    return make_sweep_spec(document)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a replayed sweep went."""

    steps: int
    """Optimiser steps until a trial had reached the goal at the last rung, or until it was given up."""
    has_arrived: bool
    """Whether one did."""
    trials: int
    """Trials until then, or in all."""
    trials_to_family: int
    """Trials until the best trial so far stays of the best family; if it never does, their number plus 1."""
    intermediates: int
    """Intermediate phases that were trained."""


def replay(surrogate: Surrogate, part: Slice, method: Method, *, seed: int, goal: float, max_trials: int) -> Course:
    """Return how a sweep goes until it has reached a goal.

    Args:
        surrogate: The grid.
        part: What of it is searched.
        method: How.
        seed: Of the sweep.
        goal: Last score to reach.
        max_trials: Trials after which it is given up.
    """
    spec = spec_of(part, method, seed=seed)
    sampler = make_sampler(spec)
    skipped = 0 if method.has_first else len(first_assignments(make_space(spec)))
    race = _Race(surrogate=surrogate, spec=spec, shares=method.shares)
    number, steps = 0, None
    for number in range(max_trials):
        steps = race.run(number, sampler, skipped=skipped, goal=goal)
        if steps is not None:
            break
    num_trials = number + 1
    return Course(
        steps=race.paid,
        has_arrived=steps is not None,
        trials=num_trials,
        trials_to_family=race.trials_to(max(part.families, key=surrogate.best)) or num_trials + 1,
        intermediates=len(race.made),
    )


class _Race:
    def __init__(self, *, surrogate: Surrogate, spec: SweepSpec, shares: bool) -> None:
        self._surrogate, self._shares, self._pruner = surrogate, shares, make_pruner(spec)
        self._history: list[PastTrial] = []
        self._curves: list[Curve] = []
        self._done: set[tuple[object, ...]] = set()
        self._dropped: set[tuple[object, ...]] = set()
        self.made: set[tuple[object, ...]] = set()
        self.paid = 0

    def run(self, number: int, sampler: Sampler, *, skipped: int, goal: float) -> int | None:
        """Run the next trial; returns the steps so far if it has reached the goal."""
        proposal = sampler.propose(number + skipped, history=self._history)
        cell = self._surrogate.look_up(proposal.assignment)
        point = flat(proposal.assignment, grid=self._surrogate.grid)
        scores: dict[int, float] = {}
        grid = self._surrogate.grid
        for rung in range(grid.num_rungs):
            self._pay(point, cell, rung=rung)
            scores[rung] = cell.scores[grid.skipped + rung]
            if rung < grid.num_rungs - 1 and self._pruner is not None:
                curve = Curve(number=number, scores=dict(scores))
                is_promoted = is_promoted_by_sampler(proposal.attributes, rung=rung)
                if not is_promoted and self._pruner.is_pruned(curve, others=self._curves):
                    self._dropped.add((*sorted(point.items()), rung))
                    break
        rung = max(scores)
        is_finished = rung == grid.num_rungs - 1
        self._curves.append(Curve(number=number, scores=scores, is_finished=is_finished))
        self._history.append(
            PastTrial(
                number=number + skipped,
                assignment=proposal.assignment,
                state="finished" if is_finished else "pruned",
                score=scores[rung],
                rung=rung,
                attributes=proposal.attributes,
            )
        )
        return self.paid if is_finished and scores[rung] >= goal else None

    def trials_to(self, family: str) -> int | None:
        """Return after how many trials the best finished one stays of a family; None if it is of another now."""
        best, found = 0.0, None
        for place, one in enumerate(self._history, start=1):
            if one.state == "finished" and one.score is not None and one.score > best:
                best = one.score
                found = (found or place) if one.assignment["family"] == family else None
        return found

    def _pay(self, point: dict[str, object], cell: Cell, *, rung: int) -> None:
        before = tuple(value for name, value in sorted(point.items()) if not name.startswith("target."))
        whole = (*sorted(point.items()), rung)
        below = (*whole[:-1], rung - 1)
        if not self._shares:
            before, whole = (*before, len(self._history)), (*whole, len(self._history))
        if before not in self.made and cell.intermediate_steps:
            self.made.add(before)
            self.paid += cell.intermediate_steps
        if whole not in self._done:
            self._done.add(whole)
            grid = self._surrogate.grid
            self.paid += steps_of_rung(cell, rung=rung, grid=grid)
            if rung and below in self._dropped:  # its trunk went when it was pruned
                self.paid += steps_of_rung(cell, rung=0, grid=grid)


def steps_of_rung(cell: Cell, *, rung: int, grid: Grid) -> int:
    """Return the steps that a rung adds; the first has the trunk of the recorded ones below it, not their decay."""
    steps = cell.steps[grid.skipped + rung]
    return steps if rung else steps + grid.trunk_steps

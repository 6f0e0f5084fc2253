"""Places the centres of prior densities in the first trials, and tests them against the defaults once.

Each planned trial has the centres of its parameters. The first trial that has the centre of a parameter is followed by
a test: the same trial with the parameter's default. If the default does better, later planned trials have the default.
So a wrong centre of a target parameter costs one trial, however many families there are. A later test, which compares
parameters of one family, is left out if the trial at the centres is the best so far. Otherwise a wrong centre would
make a good family look bad.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from search.sampler.contract import PastTrial
from spaces.priors import DensityConfig
from spaces.space.conditions import violated
from spaces.space.densities import Density, ordered_labels
from spaces.space.enumeration import default_value
from spaces.space.parameters import FloatParameter, IntParameter
from spaces.space.tree import Assignment, ChoiceParameter, Parameter, Space, every_parameter
from spaces.space.walk import walk


def densities_of(space: Space, configs: Mapping[str, DensityConfig]) -> dict[str, Density]:
    """Return path of a parameter -> its prior density.

    Args:
        space: The space.
        configs: The densities of its spec, which have been checked.
    """
    return {
        parameter.path: Density(
            parameter=parameter, centre=configs[parameter.path].centre, confidence=configs[parameter.path].confidence
        )
        for parameter in every_parameter(space.root)
        if parameter.path in configs and _is_ordered(parameter)
        if isinstance(parameter, FloatParameter | IntParameter | ChoiceParameter)
    }


def _is_ordered(parameter: Parameter) -> bool:
    return isinstance(parameter, FloatParameter | IntParameter) or bool(ordered_labels(parameter))


def moved(space: Space, assignment: Assignment, values: Mapping[str, JsonValue]) -> Assignment:
    """Return an assignment with other values for some parameters; those that only then are active have defaults."""

    def ask(parameter: Parameter) -> JsonValue:
        value = values.get(parameter.path, assignment.get(parameter.path))
        return value if value is not None and parameter.admits(value) else default_value(parameter)

    return walk(space, ask)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slot:
    """What the trial of a number is for."""

    place: int
    """Number of the planned trial, without densities."""
    tested: frozenset[str] = frozenset()
    """Parameters whose defaults are tested against their centres in the trial before it; mostly none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityFirstTrials:
    """Which planned trial has which number, and which of its values are centres.

    Args:
        space: The space.
        plan: Number -> planned trial, without densities.
        densities: The densities of the space.
        repeated: Numbers of planned trials of an earlier sweep, which are run again as they were.
    """

    space: Space
    plan: Mapping[int, Assignment]
    densities: Mapping[str, DensityConfig]
    repeated: frozenset[int] = frozenset()
    _centres: Mapping[str, JsonValue] = field(init=False, repr=False, compare=False)
    _slots: Mapping[int, _Slot] = field(init=False, repr=False, compare=False)
    """Number -> slot, of the planned trials and their tests."""

    def __post_init__(self) -> None:
        found = densities_of(self.space, self.densities) if self.densities else {}
        object.__setattr__(self, "_centres", {path: density.value for path, density in found.items()})
        slots: dict[int, _Slot] = {}
        seen: set[str] = set()
        for place in sorted(self.plan):
            number = place + sum(bool(slot.tested) for slot in slots.values())
            slots[number] = _Slot(place=place)
            planned = self.plan[place]
            new = {path for path, value in self._at_centres(place).items() if value != planned.get(path)} - seen
            if new := new & self._centres.keys():
                slots[number + 1] = _Slot(place=place, tested=frozenset(new))
                seen |= new
        object.__setattr__(self, "_slots", slots)

    def place(self, number: int) -> int | None:
        """Return the place in the plan of a trial's number; None where nothing is planned."""
        return self._slots[number].place if number in self._slots else None

    def at(self, number: int, *, history: Sequence[PastTrial]) -> Assignment | None:
        """Return the planned trial of a number that has a place; None for a test that is not needed.

        Args:
            number: The trial's number.
            history: The trials that it can depend on.
        """
        slot = self._slots[number]
        if not self._centres:
            return self.plan[slot.place]
        if slot.tested and number > 1 and _is_ahead(number - 1, history=history):
            return None
        return self._at_centres(slot.place, without=slot.tested | self._contradicted(history))

    def is_planned(self, trial: PastTrial) -> bool:
        """Return whether a trial is the planned one of its number, with centres or without."""
        place = self.place(trial.number)
        planned = {} if place is None else self.plan[place]
        return trial.assignment.keys() == planned.keys() and all(
            trial.assignment[path] == value for path, value in planned.items() if path not in self._centres
        )

    def _at_centres(self, place: int, *, without: frozenset[str] = frozenset()) -> Assignment:
        """Return a planned trial with the centres of all parameters but some."""
        centres = {path: value for path, value in self._centres.items() if path not in without}
        placed = moved(self.space, self.plan[place], centres)
        is_unchanged = place in self.repeated or violated(self.space, placed) is not None
        return self.plan[place] if is_unchanged else placed

    def _contradicted(self, history: Sequence[PastTrial]) -> frozenset[str]:
        """Return the parameters whose defaults did better than their centres in a test."""
        trials = {one.number: one for one in history}
        found: set[str] = set()
        for number, slot in self._slots.items():
            if not slot.tested or number not in trials or number - 1 not in trials:
                continue
            at_centres, at_defaults = trials[number - 1], trials[number]
            changed = {
                path for path, value in at_centres.assignment.items() if at_defaults.assignment.get(path) != value
            }
            if changed and changed <= slot.tested and _outcome(at_defaults) > _outcome(at_centres) > _NOTHING:
                found |= changed
        return frozenset(found)


_NOTHING = (-1, 0.0)


def _outcome(trial: PastTrial) -> tuple[int, float]:
    """Return the highest rung, which is compared first, and the score there; less than any where there is none."""
    is_measured = trial.state in {"finished", "pruned"} and trial.score is not None
    return (trial.rung, trial.score or 0.0) if is_measured else _NOTHING


def _is_ahead(number: int, *, history: Sequence[PastTrial]) -> bool:
    """Return whether a trial scored at least as high as all trials before it."""
    own = next((_outcome(one) for one in history if one.number == number), _NOTHING)
    return own > _NOTHING and own >= max((_outcome(one) for one in history if one.number < number), default=_NOTHING)

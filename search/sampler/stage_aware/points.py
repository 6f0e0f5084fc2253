"""Configurations as the stage model sees them: numbers in [0, 1] and choices, before the target and in it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import JsonValue

from search.sampler.stage_aware.mixtures import features, is_mixture, num_features
from search.sampler.stage_aware.model import Points
from spaces.space.densities import ordered_labels
from spaces.space.parameters import FloatParameter, IntParameter, SimplexParameter
from spaces.space.tree import Assignment, ChoiceParameter, Parameter, Space, every_parameter
from spaces.space.walk import answers, walk


def is_of_target(parameter: Parameter) -> bool:
    """Return whether a parameter changes nothing before the target phase."""
    return parameter.field.split(".")[0] == "target"


_Row = tuple[list[float], list[float], list[float], list[float], list[float]]
"""A configuration's row in each array of `Points`."""

_MAX_KEPT = 4096
"""Rows that are kept, with their configurations."""


class Encoder:
    """Turns assignments of one space into arrays.

    Args:
        space: The space.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._numbers: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._choices: tuple[dict[str, int], dict[str, int]] = ({}, {})
        self._orders: dict[str, list[float]] = {}
        self._terms: dict[str, slice] = {}
        self._kept: dict[int, tuple[Assignment, _Row]] = {}
        for parameter in every_parameter(space.root):
            side = int(is_of_target(parameter))
            self._orders[parameter.path] = _order(parameter)
            for name in self._number_names(parameter):
                self._numbers[side].setdefault(name, len(self._numbers[side]))
            self._choices[side].setdefault(parameter.path, len(self._choices[side]))
            if is_mixture(parameter) and parameter.path not in self._terms:
                start = self._num_terms
                self._terms[parameter.path] = slice(start, start + num_features(parameter))

    @property
    def _num_terms(self) -> int:
        return max((one.stop for one in self._terms.values()), default=0)

    def points(self, assignments: Sequence[Assignment]) -> Points:
        """Return assignments as arrays.

        Raises:
            ConfigError: One is not in the space.
        """
        rows = [self._row(one) for one in assignments]
        numbers, choices, target_numbers, target_choices, terms = (
            np.array([row[place] for row in rows]).reshape(len(rows), width) for place, width in enumerate(self._widths)
        )
        return Points(
            numbers_NZ=numbers,
            choices_NA=choices,
            target_numbers_NW=target_numbers,
            target_choices_NB=target_choices,
            mixtures_NV=terms if self._terms else None,
        )

    @property
    def _widths(self) -> tuple[int, ...]:
        """Columns of each array of `points`."""
        numbers, choices = self._numbers, self._choices
        return len(numbers[0]), len(choices[0]), len(numbers[1]), len(choices[1]), self._num_terms

    def _row(self, assignment: Assignment) -> _Row:
        """Return a configuration's row in each array; that of an object that was asked for before is kept for a while.

        A proposal asks several times for the trials that it learns from, and the next proposal asks for them again.
        """
        kept = self._kept.get(id(assignment))
        if kept is not None and kept[0] is assignment:
            return kept[1]
        if len(self._kept) >= _MAX_KEPT:
            self._kept.clear()
        self._kept[id(assignment)] = assignment, (row := self._new_row(assignment))
        return row

    def _new_row(self, assignment: Assignment) -> _Row:
        widths = self._widths
        numbers, choices = [[0.0] * widths[0], [0.0] * widths[2]], [[-1.0] * widths[1], [-1.0] * widths[3]]
        terms = [0.0] * widths[4]
        for parameter, value in active(self._space, assignment):
            side = int(is_of_target(parameter))
            for name, unit in zip(self._number_names(parameter), self._units(parameter, value), strict=True):
                numbers[side][self._numbers[side][name]] = unit
            choices[side][self._choices[side][parameter.path]] = self._code(parameter, value)
            if parameter.path in self._terms and is_mixture(parameter):
                terms[self._terms[parameter.path]] = features(parameter, value)
        return numbers[0], choices[0], numbers[1], choices[1], terms

    def _number_names(self, parameter: Parameter) -> Iterable[str]:
        if isinstance(parameter, SimplexParameter):
            return [f"{parameter.path}.{item}" for item in parameter.items]
        return [parameter.path] if not isinstance(parameter, ChoiceParameter) or self._orders[parameter.path] else []

    def _units(self, parameter: Parameter, value: JsonValue) -> list[float]:
        match parameter:
            case ChoiceParameter():
                order = self._orders[parameter.path]
                return [order.index(float(str(value))) / (len(order) - 1)] if order else []
            case SimplexParameter():
                return [float(str(value[item])) for item in parameter.items] if isinstance(value, dict) else []
            case FloatParameter() | IntParameter():
                low, high, number = float(parameter.low), float(parameter.high), float(str(value))
                if parameter.log:
                    low, high, number = math.log(low), math.log(high), math.log(number)
                return [(number - low) / (high - low) if high > low else 0.0]

    def _code(self, parameter: Parameter, value: JsonValue) -> float:
        """Return a choice's place among its arms; 0 for what is a number, which says that it is active."""
        if isinstance(parameter, ChoiceParameter) and not self._orders[parameter.path]:
            return float(next(place for place, arm in enumerate(parameter.arms) if arm is parameter.arm(value)))
        return 0.0


def active(space: Space, assignment: Assignment) -> list[tuple[Parameter, JsonValue]]:
    """Return the parameters of an assignment with their values, parents first.

    Raises:
        ConfigError: It is not in the space.
    """
    found: list[tuple[Parameter, JsonValue]] = []
    look_up = answers(assignment)

    def ask(parameter: Parameter) -> JsonValue:
        value = look_up(parameter)
        found.append((parameter, value))
        return value

    walk(space, ask)
    return found


def _order(parameter: Parameter) -> list[float]:
    """Return the labels of a choice among numbers in their order: neighbours are alike; nothing for others."""
    return [float(str(label)) for label in ordered_labels(parameter)]

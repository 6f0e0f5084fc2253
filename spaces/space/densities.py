"""Densities over the values of one parameter: where its best value is expected to be.

A density has two parts. With the probability `confidence` the best value comes from a normal distribution around the
centre, whose standard deviation is a tenth of the range and which ends where the range ends. Otherwise it comes from
the distribution of `draw`, which gives every part of the range the same chance. So no value has the density 0. A tenth
of the range is measured on its log scale where it is log. The values of a choice lie at equal distances, in order.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TypeAlias

from pydantic import JsonValue

from spaces.space.enumeration import draw_value
from spaces.space.parameters import FloatParameter, IntParameter
from spaces.space.tree import ChoiceParameter, Label, Parameter

DEVIATION = 0.1
"""Standard deviation of the normal part, in units of the range."""

OrderedParameter: TypeAlias = FloatParameter | IntParameter | ChoiceParameter
"""A parameter whose values have an order; a choice must be one among numbers."""


def ordered_labels(parameter: Parameter) -> Sequence[Label]:
    """Return the labels of a choice among two or more numbers in their order; nothing for any other parameter."""
    if not isinstance(parameter, ChoiceParameter):
        return []
    labels = [arm.label for arm in parameter.arms]
    numbers = [label for label in labels if isinstance(label, int | float) and not isinstance(label, bool)]
    return sorted(numbers) if len(numbers) == len(labels) > 1 else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Density:
    """A density over the values of one parameter.

    Args:
        parameter: The parameter.
        centre: The value that is expected to be the best; one that the parameter has.
        confidence: Probability of the normal part, in (0, 1).
    """

    parameter: OrderedParameter
    centre: float
    confidence: float
    _labels: tuple[Label, ...] = field(init=False, repr=False, compare=False)
    _place: float = field(init=False, repr=False, compare=False)
    """Place of the centre, in [0, 1]."""
    _mass: float = field(init=False, repr=False, compare=False)
    """What the normal part is divided by: its integral over the range, or its sum over the labels."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_labels", tuple(ordered_labels(self.parameter)))
        object.__setattr__(self, "_place", self.place(self.centre))
        if self._labels:
            mass = math.fsum(self._bump(self.place(label)) for label in self._labels) / len(self._labels)
        else:
            normal = NormalDist(self._place, DEVIATION)
            mass = (normal.cdf(1.0) - normal.cdf(0.0)) * DEVIATION * math.sqrt(2 * math.pi)
        object.__setattr__(self, "_mass", mass)

    @property
    def path(self) -> str:
        """The parameter's path."""
        return self.parameter.path

    @property
    def value(self) -> JsonValue:
        """The centre as a value of the parameter."""
        if self._labels:
            return next(label for label in self._labels if label == self.centre)
        return int(self.centre) if isinstance(self.parameter, IntParameter) else float(self.centre)

    def place(self, value: JsonValue) -> float:
        """Return where a value lies between the lowest and the highest one, in [0, 1]."""
        number = float(str(value))
        if isinstance(self.parameter, ChoiceParameter):
            return [float(str(label)) for label in self._labels].index(number) / (len(self._labels) - 1)
        low, high = float(self.parameter.low), float(self.parameter.high)
        if self.parameter.log:
            low, high, number = math.log(low), math.log(high), math.log(number)
        return min(max((number - low) / (high - low), 0.0), 1.0) if high > low else 0.0

    def of(self, value: JsonValue) -> float:
        """Return the density of a value, in units of the density of a random draw: 1 is neither likely nor unlikely."""
        return 1 - self.confidence + self.confidence * self._bump(self.place(value)) / self._mass

    def log_share(self, value: JsonValue) -> float:
        """Return the logarithm of a value's density as a share of that of the centre, which is the highest."""
        return math.log(self.of(value) / (1 - self.confidence + self.confidence / self._mass))

    def draw(self, *, generator: random.Random) -> JsonValue:
        """Return a value that is drawn from the density."""
        if generator.random() >= self.confidence:
            return draw_value(self.parameter, generator=generator)
        if self._labels:
            chances = [self._bump(self.place(label)) for label in self._labels]
            return generator.choices(self._labels, weights=chances)[0]
        place = generator.gauss(self._place, DEVIATION)
        while not 0 <= place <= 1:
            place = generator.gauss(self._place, DEVIATION)
        return self._at(place)

    def _at(self, place: float) -> JsonValue:
        """Return the value of a range at a place."""
        assert not isinstance(self.parameter, ChoiceParameter)  # noqa: S101  (those are drawn by label)
        low, high = self.parameter.low, self.parameter.high
        if self.parameter.log:
            number = math.exp(math.log(low) + place * (math.log(high) - math.log(low)))
        else:
            number = low + place * (high - low)
        inside = min(max(number, low), high)
        return round(inside) if isinstance(self.parameter, IntParameter) else inside

    def _bump(self, place: float) -> float:
        return math.exp(-0.5 * ((place - self._place) / DEVIATION) ** 2)

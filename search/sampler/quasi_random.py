"""Proposes points of a Sobol sequence, scrambled by the sweep's seed: they cover a space more evenly than random ones.

Each parameter of every arm has its own dimension, so conditional spaces need no other sampler.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue
from scipy.stats.qmc import Sobol

from search.sampler.contract import PastTrial, Proposal, proposal_seed
from spaces.space.conditions import violated
from spaces.space.enumeration import MAX_DRAWS, first_assignments, unsatisfied
from spaces.space.parameters import FloatParameter, IntParameter, SimplexParameter
from spaces.space.tree import Assignment, ChoiceParameter, Parameter, Space, every_parameter
from spaces.space.walk import walk

_EDGE = 1e-9
"""Distance of a coordinate from 0 and 1, so that no weight is 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuasiRandomSampler:
    """Proposes the families at their defaults, then point n of the sequence as trial n.

    Args:
        space: The space that is searched.
        sweep_seed: Seed of the sweep; scrambles the sequence.
    """

    space: Space
    sweep_seed: int
    _places: list[int] = field(default_factory=list[int], repr=False, compare=False)
    """Places in the sequence of the points that meet the constraints, of the part that was searched so far."""

    def propose(self, number: int, *, history: Sequence[PastTrial]) -> Proposal:
        """Return the proposal for a trial; see `Sampler.propose`. The history is ignored."""
        del history
        seed = proposal_seed(self.sweep_seed, number=number)
        first = first_assignments(self.space)
        if number < len(first):
            return Proposal(assignment=first[number], seed=seed, attributes={})
        return Proposal(assignment=self._allowed(number - len(first)), seed=seed, attributes={})

    def _allowed(self, place: int) -> Assignment:
        """Return a point by its place among those that meet the constraints."""
        if not self.space.constraints:
            return self._point(place)
        while len(self._places) <= place:
            start = self._places[-1] + 1 if self._places else 0
            found = (index for index in range(start, start + MAX_DRAWS) if self._is_allowed(index))
            index = next(found, None)
            if index is None:
                raise unsatisfied(self.space)
            self._places.append(index)
        return self._point(self._places[place])

    def _is_allowed(self, index: int) -> bool:
        return violated(self.space, self._point(index)) is None

    def _point(self, index: int) -> Assignment:
        coordinates = self._coordinates(index)

        def ask(parameter: Parameter) -> JsonValue:
            return _value(parameter, coordinates=coordinates[parameter.path])

        return walk(self.space, ask)

    def _coordinates(self, index: int) -> dict[str, list[float]]:
        parameters = list(every_parameter(self.space.root))
        sequence = Sobol(max(sum(map(_dimensions, parameters)), 1), seed=self.sweep_seed)
        with warnings.catch_warnings():
            # scipy warns that a number of points is less balanced if it is not a power of 2; a sweep can have any.
            warnings.simplefilter("ignore", UserWarning)
            if index:
                sequence.fast_forward(index)
            point: Iterator[float] = iter(min(max(float(u), _EDGE), 1 - _EDGE) for u in sequence.random(1)[0])
        return {each.path: [next(point) for _ in range(_dimensions(each))] for each in parameters}


def _dimensions(parameter: Parameter) -> int:
    return len(parameter.items) if isinstance(parameter, SimplexParameter) else 1


def _value(parameter: Parameter, *, coordinates: Sequence[float]) -> JsonValue:
    u = coordinates[0]
    match parameter:
        case SimplexParameter():
            return parameter.weights(tuple(-math.log(each) for each in coordinates))
        case ChoiceParameter():
            return parameter.arms[int(u * len(parameter.arms))].label
        case IntParameter():
            drawn = round(_between(parameter.low - 0.5, high=parameter.high + 0.5, log=parameter.log, u=u))
            return min(max(drawn, parameter.low), parameter.high)
        case FloatParameter():
            drawn = _between(parameter.low, high=parameter.high, log=parameter.log, u=u)
            return min(max(drawn, parameter.low), parameter.high)


def _between(low: float, *, high: float, log: bool, u: float) -> float:
    if log:
        return math.exp(math.log(low) + u * (math.log(high) - math.log(low)))
    return low + u * (high - low)

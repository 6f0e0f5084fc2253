"""Given points in turn, again and again, each time with fresh seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from search.sampler.contract import PastTrial, Proposal, proposal_seed
from spaces.points import is_drawn
from spaces.sweep_spec import GivenPoint
from spaces.tree import Parameter, Space
from spaces.walk import walk
from trainables.errors import ConfigError

_SEEDS = 2**31
"""Phases take seeds below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenSampler:
    """Proposes point n modulo their number as trial n; seeds that the point leaves out come from n alone.

    Args:
        space: What the points belong to.
        points: At least one.
        sweep_seed: Seed of the sweep.
    """

    space: Space
    points: Sequence[GivenPoint]
    sweep_seed: int

    def propose(self, number: int, *, history: Sequence[PastTrial]) -> Proposal:
        """Return the proposal for a trial; see `Sampler.propose`. The history does not matter.

        Raises:
            ConfigError: A point leaves out a parameter that is no seed.
        """
        del history
        point = self.points[number % len(self.points)]
        seed = proposal_seed(self.sweep_seed, number=number)

        def ask(parameter: Parameter) -> JsonValue:
            if parameter.path in point.assignment:
                return point.assignment[parameter.path]
            if is_drawn(parameter):
                return seed % _SEEDS
            msg = f"point {point.name!r} gives no value to {parameter.path!r}, which is no seed; add it"
            raise ConfigError("sampler.points", msg)

        return Proposal(assignment=walk(self.space, ask), seed=seed, attributes={})

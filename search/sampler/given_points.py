"""Proposes given points in turn, and repeats them with fresh seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from search.sampler.contract import PastTrial, Proposal, proposal_seed
from spaces.checks.points import fresh_seed, is_drawn
from spaces.space.tree import Parameter, Space
from spaces.space.walk import walk
from spaces.sweep_spec import GivenPoint
from trainables.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenSampler:
    """Proposes point number n modulo the number of points as trial n.

    A seed that the point does not set is computed from the sweep's seed and n; of a list, or a short range, of seeds,
    each repetition takes the next.

    Args:
        space: The space of the points.
        points: At least one.
        sweep_seed: Seed of the sweep.
    """

    space: Space
    points: Sequence[GivenPoint]
    sweep_seed: int

    def propose(self, number: int, *, history: Sequence[PastTrial]) -> Proposal:
        """Return the proposal for a trial; see `Sampler.propose`. The history is ignored.

        Raises:
            ConfigError: A point has no value for a parameter that is not a seed.
        """
        del history
        turn, place = divmod(number, len(self.points))
        point = self.points[place]
        seed = proposal_seed(self.sweep_seed, number=number)

        def ask(parameter: Parameter) -> JsonValue:
            if parameter.path in point.assignment:
                return point.assignment[parameter.path]
            if is_drawn(parameter):
                return fresh_seed(parameter, seed=seed, turn=turn)
            msg = f"point {point.name!r} has no value for {parameter.path!r}; only seeds can be left out; add a value"
            raise ConfigError("sampler.points", msg)

        return Proposal(assignment=walk(self.space, ask), seed=seed, attributes={})

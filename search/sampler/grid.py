"""Each point of a finite space once: the families' defaults first, then the others in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from search.sampler.contract import PastTrial, Proposal, Proposed, proposal_seed
from spaces.drawing import enumerate_assignments, first_assignments
from spaces.tree import Space
from trainables.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class GridSampler:
    """Proposes the points of a finite space in a fixed order.

    Args:
        space: What is searched.
        sweep_seed: Seed of the sweep; the order does not depend on it.
        proposed: What was proposed before the space was changed, and is not proposed again.
    """

    space: Space
    sweep_seed: int
    proposed: Proposed = field(default_factory=Proposed)

    def propose(self, number: int, *, history: Sequence[PastTrial]) -> Proposal:
        """Return the proposal for a trial; see `Sampler.propose`. The history does not matter.

        Raises:
            ConfigError: The grid has no point of this number.
        """
        del history
        points = first_assignments(self.space)
        points += [point for point in enumerate_assignments(self.space) if point not in points]
        points = [point for point in points if point not in self.proposed.assignments]
        place = number - self.proposed.num_trials
        if place >= len(points):
            raise ConfigError("trials", f"trial {place} of a grid with {len(points)} points; lower trials, or use tpe")
        seed = proposal_seed(self.sweep_seed, number=number)
        return Proposal(assignment=points[place], seed=seed, attributes={})

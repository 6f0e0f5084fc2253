"""Samples a space with constraints: rejects the proposals of any sampler until one meets the constraints.

Optuna's own `constraints_func` does not help: it learns from the violations of trials that ran, and here no trial that
violates a constraint runs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from search.sampler.contract import PastTrial, Proposal, Sampler, proposal_seed
from search.sampler.distributions import coordinates_of
from spaces.space.conditions import violated
from spaces.space.enumeration import draw
from spaces.space.tree import Space

MAX_PROPOSALS = 16
"""Rejected proposals after which a uniform draw is used: the sampler then prefers points that no constraint allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstrainedSampler:
    """Returns a sampler's proposal, and repeats it with other seeds while it violates a constraint.

    Args:
        space: The space that is searched.
        make: Makes the sampler for a sweep's seed.
        sweep_seed: Seed of the sweep. The other seeds are computed from it and the number of rejected proposals.
    """

    space: Space
    make: Callable[..., Sampler]
    sweep_seed: int
    _made: dict[int, Sampler] = field(default_factory=dict[int, Sampler], repr=False, compare=False)

    def propose(self, number: int, *, history: Sequence[PastTrial]) -> Proposal:
        """Return the proposal for a trial; see `Sampler.propose`.

        Raises:
            ConfigError: None of many uniform draws meets the constraints; the spec's check found some.
        """
        for count in range(MAX_PROPOSALS):
            proposal = self._sampler(count).propose(number, history=history)
            if violated(self.space, proposal.assignment) is None:
                return proposal
        seed = proposal_seed(self.sweep_seed, number=number)
        assignment = draw(self.space, generator=random.Random(seed))  # noqa: S311  no secret
        attributes: dict[str, JsonValue] = {"coordinates": coordinates_of(self.space, assignment), "system": {}}
        return Proposal(assignment=assignment, seed=seed, attributes=attributes)

    def _sampler(self, count: int) -> Sampler:
        if count not in self._made:
            # The first sampler has the sweep's own seed, so a constraint that is never violated changes no proposal.
            seed = self.sweep_seed if count == 0 else proposal_seed(self.sweep_seed, number=-count)
            self._made[count] = self.make(sweep_seed=seed)
        return self._made[count]

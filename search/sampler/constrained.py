"""Any sampler in a space with constraints: asked again until its proposal meets them.

Optuna's own `constraints_func` is no help: it learns from how far trials that ran were off, and here none runs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from search.sampler.contract import PastTrial, Proposal, Sampler, proposal_seed
from search.sampler.distributions import coordinates_of
from spaces.conditions import violated
from spaces.drawing import draw
from spaces.tree import Space

NUM_ASKED = 16
"""Proposals of the sampler after which a uniform draw is taken: it is sure that most of it is in vain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstrainedSampler:
    """Proposes what a sampler does, under further seeds where its proposal violates a constraint.

    Args:
        space: What is searched.
        make: Makes the sampler for a sweep's seed.
        sweep_seed: Seed of the sweep; further ones come from it and the count of what was asked.
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
        for count in range(NUM_ASKED):
            proposal = self._sampler(count).propose(number, history=history)
            if violated(self.space, proposal.assignment) is None:
                return proposal
        seed = proposal_seed(self.sweep_seed, number=number)
        assignment = draw(self.space, generator=random.Random(seed))  # noqa: S311  no secret
        attributes: dict[str, JsonValue] = {"coordinates": coordinates_of(self.space, assignment), "system": {}}
        return Proposal(assignment=assignment, seed=seed, attributes=attributes)

    def _sampler(self, count: int) -> Sampler:
        if count not in self._made:
            # The first has the sweep's own seed: without violations a constraint changes no proposal.
            seed = self.sweep_seed if count == 0 else proposal_seed(self.sweep_seed, number=-count)
            self._made[count] = self.make(sweep_seed=seed)
        return self._made[count]

"""Proposals that know what is cheap: a further target under a finished intermediate phase, or a fresh one.

Each proposal takes the configuration with the highest expected improvement per optimiser step (Snoek et al. 2012,
arXiv 1206.2944) under a Gaussian process of two parts (`model`). A fresh intermediate phase pays for itself and
its first target, a known one for the target alone. How many targets an intermediate phase deserves on average follows
the two-stage allocation sqrt((c1 / c2) (v2 / v1)) (Cochran 1977, section 10.6), with c the steps and v the variances
of both levels as the model sees them now; docs/decisions/0019 derives it and says what it is held against.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from pydantic import JsonValue

from search.sampler.contract import PastTrial, Proposal, proposal_seed
from search.sampler.distributions import coordinates_of
from search.sampler.priors import FirstTrials
from search.sampler.stage_aware.beliefs import Beliefs
from search.sampler.stage_aware.choice import Choice
from search.sampler.stage_aware.costs import StepCosts
from search.sampler.stage_aware.model import StageModel
from search.sampler.stage_aware.points import Encoder
from spaces.drawing import draw
from spaces.priors import PriorsConfig
from spaces.tree import Assignment, Space

MOST_SEEN = 240
"""Trials that the model is fitted to: its time grows with their cube."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageAwareSampler:
    """Weighs expected improvement against the steps that are still to be taken for it.

    Args:
        space: The space.
        sweep_seed: Seed of the sweep.
        last_rung: Number of the last rung.
        costs: Tells the steps of a configuration.
        priors: What is believed of the space.
    """

    space: Space
    sweep_seed: int
    last_rung: int
    costs: StepCosts
    priors: PriorsConfig = field(default_factory=PriorsConfig)
    _encoder: Encoder = field(init=False, repr=False, compare=False)
    _beliefs: Beliefs = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_encoder", Encoder(self.space))
        object.__setattr__(self, "_beliefs", Beliefs(space=self.space, priors=self.priors))

    def propose(self, number: int, *, history: Sequence[PastTrial]) -> Proposal:
        """Return the proposal for a trial; see `Sampler.propose`."""
        seed = proposal_seed(self.sweep_seed, number=number)
        first = FirstTrials(self.space, priors=self.priors)
        chosen = first.at(number, history=history)
        if chosen is None:
            seen = [*first.earlier(history), *history]
            chosen = self._chosen(seen, generator=random.Random(seed))  # noqa: S311  (proposals are no secrets)
        attributes: dict[str, JsonValue] = {"coordinates": coordinates_of(self.space, chosen), "system": {}}
        return Proposal(assignment=chosen, seed=seed, attributes=attributes)

    def _chosen(self, history: Sequence[PastTrial], *, generator: random.Random) -> Assignment:
        ordered = sorted((one for one in history if one.state != "failed"), key=lambda one: one.number)
        scored = [one for one in ordered if one.state in {"finished", "pruned"} and one.score is not None]
        seen = _seen(scored)
        if len({one.score for one in seen}) < 2:  # noqa: PLR2004  nothing to tell apart
            return draw(self.space, generator=generator)
        model = StageModel(
            self._encoder.points([one.assignment for one in seen]),
            rungs_N=np.array([one.rung for one in seen]),
            scores_N=np.array([one.score for one in seen]),
            last_rung=self.last_rung,
            expected_N=self._beliefs.of([one.assignment for one in seen]),
        )
        running = [one.assignment for one in ordered if one.state not in {"finished", "pruned"}]
        if running:
            model = model.with_believed(self._encoder.points(running), expected_M=self._beliefs.of(running))
        return Choice(
            space=self.space,
            encoder=self._encoder,
            beliefs=self._beliefs,
            costs=self.costs,
            last_rung=self.last_rung,
            model=model,
            seen=seen,
            tried=ordered,
            generator=generator,
        ).best()


def _seen(scored: Sequence[PastTrial]) -> list[PastTrial]:
    """Return the trials to learn from: all of a short history, the best and the last of a long one."""
    if len(scored) <= MOST_SEEN:
        return list(scored)
    best = sorted(scored, key=lambda one: (one.rung, one.score or 0.0, -one.number), reverse=True)[: MOST_SEEN // 2]
    kept = {one.number: one for one in [*best, *scored[-MOST_SEEN // 2 :]]}
    return [kept[number] for number in sorted(kept)]

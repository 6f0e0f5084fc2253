"""The stage-aware sampler: proposes a further target for a known intermediate configuration, or a new one.

Each proposal takes the configuration with the highest expected improvement per optimiser step (Snoek et al. 2012,
arXiv 1206.2944) under a Gaussian process of two parts (`model`). A new intermediate configuration costs its own steps
and those of its first target; a known one costs the steps of the target alone. The expected number of targets of an
intermediate configuration is the two-stage allocation sqrt((c1 / c2) (v2 / v1)) (Cochran 1977, section 10.6), with c
the steps and v the variances of both levels in the model's posterior; docs/decisions/0019 derives it and lists what it
was compared with.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from pydantic import JsonValue

from search.sampler.contract import CONTINUES, PROMOTED_TO, PastTrial, Proposal, proposal_seed
from search.sampler.density_draws import draw_believed
from search.sampler.density_first_trials import densities_of
from search.sampler.distributions import coordinates_of
from search.sampler.one_thread import on_one_thread
from search.sampler.prior_trials import FirstTrials
from search.sampler.stage_aware.beliefs import Beliefs
from search.sampler.stage_aware.choice import Choice, Chosen
from search.sampler.stage_aware.costs import StepCosts
from search.sampler.stage_aware.labels import Labels
from search.sampler.stage_aware.merge_parts import MergeParts
from search.sampler.stage_aware.model import StageModel
from search.sampler.stage_aware.points import Encoder
from search.sampler.stage_aware.trial_table import TrialTable
from spaces.priors import PriorsConfig
from spaces.space.densities import Density
from spaces.space.enumeration import draw
from spaces.space.tree import Space

POINTS = 100.0
"""Points of a score of 1."""

MIN_FOR_GAIN = 10
"""Finished trials before a sweep can stop by the expected gain: the spread of fewer scores can be small by chance."""

MAX_FITTED = 240
"""Trials that the model is fitted to: its time grows with their cube."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageAwareSampler:
    """Ranks candidates by expected improvement per optimiser step that is still to be trained.

    Args:
        space: The space.
        sweep_seed: Seed of the sweep.
        last_rung: Number of the last rung.
        costs: Computes the steps of a configuration.
        priors: The user's priors of the space.
        least_gain: Expected gain in points below which the sweep needs no further trial; None: it has no such bound.
        is_fitted: Whether the model's hyperparameters are fitted to the scores. In a forecast with random scores they
            have the values that are expected beforehand, and a proposal takes half of the time.
    """

    space: Space
    sweep_seed: int
    last_rung: int
    costs: StepCosts
    priors: PriorsConfig = field(default_factory=PriorsConfig)
    least_gain: float | None = None
    is_fitted: bool = True
    _encoder: Encoder = field(init=False, repr=False, compare=False)
    _beliefs: Beliefs = field(init=False, repr=False, compare=False)
    _labels: Labels = field(init=False, repr=False, compare=False)
    _merge_parts: MergeParts = field(init=False, repr=False, compare=False)
    _table: TrialTable = field(init=False, repr=False, compare=False)
    _first: FirstTrials = field(init=False, repr=False, compare=False)
    _densities: Mapping[str, Density] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_encoder", Encoder(self.space))
        object.__setattr__(self, "_labels", Labels(space=self.space))
        object.__setattr__(self, "_merge_parts", MergeParts(space=self.space))
        object.__setattr__(self, "_table", TrialTable(self._labels))
        object.__setattr__(self, "_first", FirstTrials(self.space, priors=self.priors))
        object.__setattr__(self, "_beliefs", Beliefs(space=self.space, priors=self.priors))
        object.__setattr__(self, "_densities", densities_of(self.space, self.priors.densities))

    def propose(self, number: int, *, history: Sequence[PastTrial]) -> Proposal:
        """Return the proposal for a trial; see `Sampler.propose`."""
        seed = proposal_seed(self.sweep_seed, number=number)
        first = self._first
        assignment, gain = first.at(number, history=history), math.inf
        chosen = Chosen(assignment=assignment) if assignment is not None else None
        if chosen is None:
            seen = [*first.earlier(history), *history]
            with on_one_thread():
                chosen, gain = self._chosen(seen, generator=random.Random(seed))  # noqa: S311  (no secrets)
        attributes: dict[str, JsonValue] = {"coordinates": coordinates_of(self.space, chosen.assignment), "system": {}}
        if chosen.continues is not None:
            attributes |= {CONTINUES: chosen.continues.number, PROMOTED_TO: chosen.continues.rung + 1}
        reason = self._reason_to_stop(gain)
        return Proposal(assignment=chosen.assignment, seed=seed, attributes=attributes, reason_to_stop=reason)

    def _reason_to_stop(self, gain: float) -> str:
        if self.least_gain is None or gain >= self.least_gain:
            return ""
        return (
            f"a further trial is expected to gain {gain:.2g} points, less than stop.expected_gain {self.least_gain:g}"
        )

    def _chosen(self, history: Sequence[PastTrial], *, generator: random.Random) -> tuple[Chosen, float]:
        """Return the configuration to try, and the most points that any is expected to gain (infinite if unknown)."""
        table = self._table
        table.update(history)
        seen = table.to_learn_from(MAX_FITTED)
        if len({one.score for one in seen}) < 2:  # noqa: PLR2004  equal scores rank nothing
            if self._densities:
                drawn = draw_believed(self.space, densities=self._densities, generator=generator)
            else:
                drawn = draw(self.space, generator=generator)
            return Chosen(assignment=drawn), math.inf
        model = StageModel(
            self._encoder.points([one.assignment for one in seen]),
            rungs_N=np.array([one.rung for one in seen]),
            scores_N=np.array([one.score for one in seen]),
            last_rung=self.last_rung,
            expected_N=self._beliefs.of([one.assignment for one in seen]),
            like="fitted" if self.is_fitted else "expected",
        )
        running = [one.assignment for one in table.running()]
        if running:
            model = model.with_believed(self._encoder.points(running), expected_M=self._beliefs.of(running))
        choice = Choice(
            space=self.space,
            encoder=self._encoder,
            beliefs=self._beliefs,
            costs=self.costs,
            last_rung=self.last_rung,
            model=model,
            seen=seen,
            table=table,
            generator=generator,
            labels=self._labels,
            merge_parts=self._merge_parts,
            wants_gain=self.least_gain is not None,
            densities=self._densities,
        )
        chosen = choice.best()
        return chosen, POINTS * choice.largest_gain if table.num_full(self.last_rung) >= MIN_FOR_GAIN else math.inf

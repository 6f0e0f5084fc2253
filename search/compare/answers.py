"""What a comparison says. Scripts read it as JSON: fields are only added, never renamed.

Effects, intervals, deviations and the margin are in points (hundredths of the metric); means are 0..1 like every score.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from trainables.config.frozen import FrozenModel

Verdict = Literal["better", "worse", "equivalent", "undecided", "baseline"]
"""What can be said of a group against the baseline; `baseline` is the baseline itself."""

Selection = Literal["all", "fresh"]
"""Which trials are compared: `all` that finished, or those of a confirmation, made with seeds that picked nothing."""


class CompareAnswer(FrozenModel):
    """Part of a comparison; built when it is first used."""

    model_config = ConfigDict(defer_build=True)


class Protocol(CompareAnswer):
    """How groups are compared."""

    metric: str = "average"
    """`average`, `english`, `worst`, or a language code."""
    by: str = "family"
    """What makes a group: `family`, `task`, `where` (two expressions), or `configuration` (a confirmation)."""
    baseline: str = "none"
    """Group that the others are held against."""
    margin: float = Field(default=0.5, gt=0)
    """Points within which two groups count as equivalent."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Chance of a wrong verdict over all groups together, at this look."""
    correction: Literal["holm"] = "holm"
    """How p values are adjusted over the groups (Holm 1979)."""
    selection: Selection = "all"
    """Which trials are compared."""
    look: int = Field(default=1, ge=1)
    """Which look at growing data this is: look k has alpha / (k (k + 1)) of the chance of error."""


class GroupComparison(CompareAnswer):
    """One group beside the baseline."""

    group: str
    """Family, set of tasks, expression or configuration."""
    num_trials: int = Field(ge=0)
    """Trials that count, each lineage once."""
    num_intermediate_seeds: int = Field(ge=0)
    """Distinct seeds of its intermediate phase; of its target phase where there is no intermediate one."""
    num_checkpoints: int = Field(ge=0)
    """Independent checkpoints that its trials came from: what the uncertainty is counted in."""
    num_target_seeds: int = Field(ge=0)
    """Distinct seeds of its target phase."""
    mean: float
    """Mean over its checkpoints of the mean over their trials, 0..1."""
    checkpoint_sd: float | None = None
    """Standard deviation in points between its checkpoints' means; None with a single one."""
    effect: float | None = None
    """Mean minus the baseline's, in points; None for the baseline."""
    low: float | None = None
    """Lower end of the effect's interval, in points; None where too little is known."""
    high: float | None = None
    """Upper end."""
    degrees_of_freedom: float | None = None
    """Of the interval (Satterthwaite)."""
    seed_error: float | None = None
    """Standard error of the effect that comes from seeds and configurations, in points."""
    item_error: float | None = None
    """Standard error that comes from the items, in points; None where the store has no predictions."""
    p: float | None = None
    """Two-sided p value of no effect."""
    adjusted_p: float | None = None
    """The same, adjusted over the groups."""
    equivalence_p: float | None = None
    """Larger of the two one-sided p values of an effect outside the margin (Schuirmann 1987), adjusted likewise."""
    verdict: Verdict
    """What can be said."""
    reason: str = ""
    """Why nothing can be said yet, and the command to run; empty where something can."""
    more_seeds: int | None = None
    """Intermediate seeds to add to the group and to the baseline each, so that a verdict is likely; None: decided."""
    control_of: str | None = None
    """Group that this one is a control of; None for the others."""
    trials: tuple[int, ...] = Field(default=(), strict=False)
    """Numbers of its trials."""


class Comparison(CompareAnswer):
    """Groups of one sweep beside a baseline."""

    sweep: str
    """Name of the sweep."""
    protocol: Protocol
    """How it was compared."""
    num_items: int | None = None
    """Parallel items of each language that were resampled; None where only scores are known."""
    groups: tuple[GroupComparison, ...] = Field(strict=False)
    """The baseline first, then arms from the largest effect down, each followed by its controls."""
    notes: tuple[str, ...] = Field(default=(), strict=False)
    """What a reader has to know, such as trials that were picked by their scores."""


class Confirmation(CompareAnswer):
    """What became of a sweep's best configurations under fresh seeds, and on the locked test split."""

    sweep: str
    """Name of the sweep."""
    confirmation: str
    """Name of the sweep that holds the fresh trials."""
    seeds: int
    """Fresh seeds of each configuration at the last look."""
    dev: Comparison
    """Dev scores under fresh seeds."""
    test: Comparison | None = None
    """The best arm and the baseline on the test split; None while it is locked."""
    num_test_openings: int = 0
    """How often the test split was opened for this confirmation; above 1, its intervals promise too much."""


class ProtocolRow(CompareAnswer):
    """What a way of selecting chooses, and what that costs."""

    protocol: Literal["english", "average", "last", "oracle"]
    """`english` dev (strict zero-shot), `average` dev, `last` trial to finish (no selection), or `oracle`."""
    trial: int
    """The trial chosen."""
    selected_by: float
    """What it was chosen by, 0..1."""
    average: float
    """Its mean over the other half of the items, which chose nothing, 0..1; over all where items are not known."""
    regret: float
    """Points that the oracle has more."""

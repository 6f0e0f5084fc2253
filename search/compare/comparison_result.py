"""The result of a comparison. Scripts read it as JSON: fields are only added, never renamed.

Effects, intervals, deviations and the margin are in points (hundredths of the metric); means are 0..1 like every score.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from trainables.config.frozen import FrozenModel

Verdict = Literal["better", "worse", "equivalent", "undecided", "baseline"]
"""The verdict on a group against the baseline; `baseline` marks the baseline itself."""

InteractionVerdict = Literal["same", "larger", "smaller", "undecided"]
"""The verdict on a family's effect with an encoder, beside its effect with the baseline encoder."""

Selection = Literal["all", "fresh"]
"""Which trials are compared: `all` finished ones, or those of a confirmation, whose fresh seeds selected nothing."""


MEAN = "over seeds: trials of one checkpoint count as one, and checkpoints of one seed as one"
"""What the mean of a group is a mean of, for readers who see a mean over trials elsewhere."""


class CompareAnswer(FrozenModel):
    """Part of a comparison; built when it is first used."""

    model_config = ConfigDict(defer_build=True)


class Protocol(CompareAnswer):
    """How groups are compared."""

    metric: str = "average"
    """`average`, `english`, `worst`, a language code, or `xtreme` or `xtreme_r`."""
    by: str = "family"
    """What defines a group: `family`, `task`, `encoder`, `where` (two expressions), or `configuration` (a
    confirmation)."""
    baseline: str = "none"
    """Group that the others are compared with."""
    margin: float = Field(default=0.5, gt=0)
    """Points within which two groups count as equivalent."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Chance of a wrong verdict over all groups together, at this look."""
    correction: Literal["holm"] = "holm"
    """How p values are adjusted over the groups (Holm 1979)."""
    selection: Selection = "all"
    """Which trials are compared."""
    look: int = Field(default=1, ge=1)
    """Number of this look at growing data: the chance of error of look k is alpha / (k (k + 1))."""


class GroupComparison(CompareAnswer):
    """One group beside the baseline."""

    group: str
    """Family, set of tasks, encoder, expression or configuration."""
    num_trials: int = Field(ge=0)
    """Trials that count; trials with the same lineage count once."""
    num_intermediate_seeds: int = Field(ge=0)
    """Distinct seeds of its intermediate phase, what the uncertainty is counted in; of its target phase where there is
    no intermediate one."""
    num_checkpoints: int = Field(ge=0)
    """Distinct checkpoints that its trials came from."""
    num_target_seeds: int = Field(ge=0)
    """Distinct seeds of its target phase."""
    mean: float
    """Mean over its seeds of the mean over their checkpoints of the mean over their trials, 0..1."""
    seed_sd: float | None = None
    """Standard deviation in points between its seeds' means; None with a single one."""
    checkpoint_sd: float | None = None
    """Standard deviation in points between its checkpoints' means; None for a single checkpoint."""
    effect: float | None = None
    """Mean minus the baseline's, in points; None for the baseline."""
    low: float | None = None
    """Lower end of the effect's interval, in points; None with too few checkpoints."""
    high: float | None = None
    """Upper end."""
    degrees_of_freedom: float | None = None
    """Of the interval, from the numbers of seeds (Satterthwaite)."""
    seed_error: float | None = None
    """Standard error of the effect that comes from seeds and configurations, in points."""
    item_error: float | None = None
    """Standard error of the effect that comes from the items, in points; None if the store has no predictions."""
    p: float | None = None
    """Two-sided p value of no effect."""
    adjusted_p: float | None = None
    """The p value adjusted over the groups."""
    equivalence_p: float | None = None
    """Larger of the two one-sided p values of an effect outside the margin (Schuirmann 1987), adjusted in the same
    way."""
    verdict: Verdict
    """The verdict."""
    reason: str = ""
    """Why there is no verdict yet, and the command to run; empty if there is one."""
    more_seeds: int | None = None
    """Intermediate seeds to add to the group and to the baseline each, for a likely verdict; None if decided."""
    control_of: str | None = None
    """Group that this one is a control of; None for a group that is not a control."""
    trials: tuple[int, ...] = Field(default=(), strict=False)
    """Numbers of its trials."""


class Interaction(CompareAnswer):
    """Whether a family has the same effect with another encoder; all numbers are in points."""

    family: str
    """The family, or a control's tasks."""
    encoder: str
    """The encoder."""
    baseline_encoder: str
    """The encoder that it is compared with."""
    effect: float
    """Effect of the family against family `none` with this encoder."""
    baseline_effect: float
    """The same with the baseline encoder."""
    difference: float
    """Effect minus the baseline encoder's: the interaction."""
    low: float | None = None
    """Lower end of the difference's interval; None with too few seeds."""
    high: float | None = None
    """Upper end."""
    degrees_of_freedom: float | None = None
    """Of the interval, from the numbers of seeds (Satterthwaite)."""
    seed_error: float | None = None
    """Standard error of the difference that comes from seeds."""
    item_error: float | None = None
    """Standard error of the difference that comes from the items; None if the store has no predictions."""
    p: float | None = None
    """Two-sided p value of no difference."""
    adjusted_p: float | None = None
    """The p value adjusted over all families and encoders."""
    equivalence_p: float | None = None
    """Larger of the two one-sided p values of a difference outside the margin, adjusted in the same way."""
    verdict: InteractionVerdict
    """`same` (the effect holds within the margin), `larger` or `smaller` with this encoder, or `undecided`."""
    reason: str = ""
    """Why there is no verdict yet, and what to do; empty if there is one."""


class Comparison(CompareAnswer):
    """Groups of one sweep beside a baseline."""

    sweep: str
    """Name of the sweep."""
    protocol: Protocol
    """How it was compared."""
    metric_meaning: str = ""
    """What the average of a benchmark is, in words, with the languages that it lacks; empty for another metric."""
    num_items: int | None = None
    """Parallel items of each language that were resampled; None where only scores are known."""
    num_units: int | None = None
    """Premises or paragraphs of these items, which were drawn as a whole; None where only scores are known."""
    groups: tuple[GroupComparison, ...] = Field(strict=False)
    """The baseline first, then arms in decreasing order of their effects, each followed by its controls."""
    interactions: tuple[Interaction, ...] = Field(default=(), strict=False)
    """With `by` encoder: whether the effect of each family holds for each encoder; empty otherwise."""
    notes: tuple[str, ...] = Field(default=(), strict=False)
    """Notes for the reader, for example that the trials were selected by their scores."""


class Confirmation(CompareAnswer):
    """The scores of a sweep's best configurations with fresh seeds, on dev and on the locked test split."""

    sweep: str
    """Name of the sweep."""
    confirmation: str
    """Name of the sweep that holds the fresh trials."""
    seeds: int
    """Fresh seeds of each configuration at the last look."""
    dev: Comparison
    """Comparison of the dev scores with fresh seeds."""
    test: Comparison | None = None
    """Comparison of the best arm and the baseline on the test split; None while the split is locked."""
    num_test_openings: int = 0
    """How often this confirmation opened the test split; if more than once, the test intervals are too narrow."""


class ProtocolRow(CompareAnswer):
    """The trial that one protocol selects, and its regret."""

    protocol: Literal["english", "english_of_averages", "average", "last", "oracle"]
    """`english` dev (strict zero-shot), `average` dev, `last` trial to finish (no selection), or `oracle`."""
    trial: int
    """Number of the selected trial."""
    selected_by: float
    """The score that selected it, 0..1."""
    average: float
    """Its mean over the half of the items that did not select it, 0..1; over all languages if items are not known."""
    regret: float
    """Points by which the oracle's trial is better."""

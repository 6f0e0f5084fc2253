"""Effects between two groups of independent seeds, with their uncertainty, and what it takes to decide.

Shapes: S sweeps (any leading shape), C seeds of a group. All in points. docs/decisions/0014 derives the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
"""One number for each simulated sweep; of shape () for a real one."""

POWER = 0.9
"""Chance of a verdict with the recommended number of seeds, if the estimates are right."""

MAX_MORE_SEEDS = 200
"""Largest number of further seeds that is recommended."""

_SD_QUANTILE = 0.25
"""A standard deviation of few seeds is planned with as if it lay this low in its own distribution."""

_CAUTION = 0.75
"""How far 1 / freedom is raised from Welch's towards that of two groups that spread alike, where this is higher."""

_NO_VARIANCE = 1e-12
"""A variance up to this, in points squared, is the rounding of equal scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A difference of two means."""

    effect: Floats
    """Arm minus baseline."""
    seed_variance: Floats
    """Variance of the effect from seeds."""
    item_variance: Floats
    """Variance from items, beyond what the seeds' own spread holds."""
    degrees_of_freedom: Floats
    """Satterthwaite's, of the spread of seeds and of items together."""

    @property
    def error(self) -> Floats:
        """Standard error."""
        return np.sqrt(self.seed_variance + self.item_variance)

    def p(self) -> Floats:
        """Return the two-sided p value of no effect."""
        return 2 * _upper_tail(np.abs(self.effect), self.error, self.degrees_of_freedom)

    def equivalence_p(self, *, margin: float) -> Floats:
        """Return the larger p value of the two one-sided tests of an effect beyond the margin (Schuirmann 1987)."""
        return _upper_tail(margin - np.abs(self.effect), self.error, self.degrees_of_freedom)

    def interval(self, *, alpha: float) -> tuple[Floats, Floats]:
        """Return the ends of the confidence interval of level 1 - alpha."""
        half = stats.t.ppf(1 - alpha / 2, self.degrees_of_freedom) * self.error
        return self.effect - half, self.effect + half


def estimate(
    arm_SC: Floats,
    baseline_SC: Floats,
    *,
    step: float = 0.0,
    item_variance: float = 0.0,
    item_freedom: float = np.inf,
) -> Effect:
    """Return the effect between the means of two groups' seeds (Welch 1947).

    Args:
        arm_SC: Mean score of each seed of the arm, in points; at least two.
        baseline_SC: The same of the baseline.
        step: Distance between two neighbouring scores, in points; 0 where it is not known.
        item_variance: Variance of the effect from items, from `items.item_variance`.
        item_freedom: Degrees of freedom of that variance.
    """
    sizes = (arm_SC.shape[-1], baseline_SC.shape[-1])
    parts, freedoms = zip(*_spreads(arm_SC, baseline_SC, step=step), strict=True)
    parts = [variance / size for variance, size in zip(parts, sizes, strict=True)]
    seeds, items = np.asarray(parts[0] + parts[1]), np.asarray(item_variance, dtype=np.float64)
    weight = sum(part**2 / freedom for part, freedom in zip(parts, freedoms, strict=True))
    # The spread of three seeds can be small by chance. Welch's freedom is then that of the larger group, far too high.
    alike = sum((1 / size / sum(1 / each for each in sizes)) ** 2 / (size - 1) for size in sizes)
    inverse = np.divide(weight, seeds**2, out=np.full(np.shape(seeds), alike), where=seeds > 0)
    inverse = inverse + _CAUTION * np.maximum(alike - inverse, 0)
    weight = inverse * seeds**2 + items**2 / item_freedom
    freedom = np.divide((seeds + items) ** 2, weight, out=np.full(np.shape(seeds + items), np.inf), where=weight > 0)
    effect = arm_SC.mean(axis=-1) - baseline_SC.mean(axis=-1)
    return Effect(effect=effect, seed_variance=seeds, item_variance=items, degrees_of_freedom=freedom)


def has_spread(group_SC: Floats) -> NDArray[np.bool_]:
    """Return whether a group's seeds have different scores."""
    return np.asarray(group_SC.var(axis=-1, ddof=1) > _NO_VARIANCE)


def holm(p_G: Floats) -> Floats:
    """Return p values adjusted over the groups in the last axis (Holm 1979)."""
    order = np.argsort(p_G, axis=-1)
    factors = np.arange(p_G.shape[-1], 0, -1)
    raised = np.maximum.accumulate(np.take_along_axis(p_G, order, axis=-1) * factors, axis=-1)
    adjusted = np.empty_like(p_G)
    np.put_along_axis(adjusted, order, np.minimum(raised, 1), axis=-1)
    return adjusted


def more_seeds(
    arm_SC: Floats,
    baseline_SC: Floats,
    *,
    margin: float,
    alpha: float,
    step: float = 0.0,
    item_variance: float = 0.0,
) -> NDArray[np.int64]:
    """Return how many seeds to add to each of two groups for a likely verdict; MAX_MORE_SEEDS + 1 if none is enough.

    A verdict is an interval that leaves out no effect, or equivalence, whichever takes fewer. The effect is taken as
    observed, the spread as larger than observed where few seeds tell it.

    Args:
        arm_SC: Mean score of each seed of the arm; at least two.
        baseline_SC: The same of the baseline.
        margin: Margin of equivalence, in points.
        alpha: Chance of error of each test.
        step: Distance between two neighbouring scores; 0 where it is not known.
        item_variance: Variance of the effect that more seeds do not lower.
    """
    sizes = [group_SC.shape[-1] for group_SC in (arm_SC, baseline_SC)]
    spreads = _spreads(arm_SC, baseline_SC, step=step)
    pooled = sum(variance * (size - 1) for (variance, _), size in zip(spreads, sizes, strict=True))
    # Two small groups tell their spread better together; arms are trained alike, so their seeds spread alike.
    variance = np.asarray(pooled / stats.chi2.ppf(_SD_QUANTILE, sum(sizes) - 2))
    added_K = np.arange(1, MAX_MORE_SEEDS + 1)
    error_SK = np.sqrt(variance[..., None] * sum(1 / (size + added_K) for size in sizes) + item_variance)
    freedom_K = sum(sizes) - 2 + 2 * added_K
    size_S1 = np.abs(arm_SC.mean(axis=-1) - baseline_SC.mean(axis=-1))[..., None]
    reach = stats.norm.ppf(POWER)
    differs_SK = size_S1 >= (stats.t.ppf(1 - alpha / 2, freedom_K) + reach) * error_SK
    # Where the effect is near none, both of the one-sided tests have to succeed.
    both = stats.norm.ppf((1 + POWER) / 2)
    same_SK = margin - size_S1 >= (stats.t.ppf(1 - alpha, freedom_K) + both) * error_SK
    decided_SK = differs_SK | same_SK
    return np.where(decided_SK.any(axis=-1), decided_SK.argmax(axis=-1), MAX_MORE_SEEDS) + 1


def _spreads(arm_SC: Floats, baseline_SC: Floats, *, step: float) -> list[tuple[Floats, Floats]]:
    """Return the variance of one seed and its degrees of freedom, of both groups.

    Equal scores do not say that nothing varies. A group without any spread is given that of the other group, because
    arms are trained alike. Scores that round to one value, or to two neighbours, can hide a variance of up to
    (step / 2)^2 (Popoviciu 1935): no variance is taken as lower.
    """
    groups = (arm_SC, baseline_SC)
    variances = [np.asarray(group_SC.var(axis=-1, ddof=1)) for group_SC in groups]
    freedoms = [np.full(variances[0].shape, group_SC.shape[-1] - 1.0) for group_SC in groups]
    found: list[tuple[Floats, Floats]] = []
    for own, other in ((0, 1), (1, 0)):
        varies = (variances[own] > _NO_VARIANCE) | (variances[other] <= _NO_VARIANCE)
        variance = np.where(varies, variances[own], variances[other])
        found.append((np.maximum(variance, (step / 2) ** 2), np.where(varies, freedoms[own], freedoms[other])))
    return found


def _upper_tail(distance: Floats, error: Floats, freedom: Floats) -> Floats:
    """Return the chance of a t at or above distance / error; 0 or 1 where nothing varies."""
    exact = np.where(distance > 0, np.inf, np.where(distance < 0, -np.inf, 0.0))
    ratio = np.divide(distance, error, out=np.asarray(exact, dtype=np.float64), where=error > 0)
    return np.asarray(stats.t.sf(ratio, freedom))

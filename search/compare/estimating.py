"""Effects between two groups of independent checkpoints, with their uncertainty, and what it takes to decide.

Shapes: S sweeps (any leading shape), C checkpoints of a group. All in points. docs/decisions/0014 derives the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
"""One number for each simulated sweep; of shape () for a real one."""

POWER = 0.9
"""Chance of a verdict that the number of seeds asked for is to give, were the estimates right."""

MAX_MORE_SEEDS = 200
"""Above this, no number of seeds is named."""

_SD_QUANTILE = 0.25
"""A standard deviation of few checkpoints is planned with as if it lay this low in its own distribution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A difference of two means."""

    effect: Floats
    """Arm minus baseline."""
    seed_variance: Floats
    """Variance of the effect from checkpoints."""
    item_variance: Floats
    """Variance from items, beyond what the checkpoints' own spread holds."""
    degrees_of_freedom: Floats
    """Satterthwaite's."""

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
        """Return the ends of the interval that misses the effect with chance alpha."""
        half = stats.t.ppf(1 - alpha / 2, self.degrees_of_freedom) * self.error
        return self.effect - half, self.effect + half


def estimate(
    arm_SC: Floats, baseline_SC: Floats, *, item_variance: float = 0.0, item_freedom: float = np.inf
) -> Effect:
    """Return the effect between the means of two groups' checkpoints (Welch 1947).

    Args:
        arm_SC: Mean score of each checkpoint of the arm, in points; at least two.
        baseline_SC: The same of the baseline.
        item_variance: Variance of the effect from items, from `items.item_variance`.
        item_freedom: Degrees of freedom of that variance.
    """
    parts = [_variance_of_mean(group_SC) for group_SC in (arm_SC, baseline_SC)]
    items = np.asarray(item_variance, dtype=np.float64)
    total = parts[0] + parts[1] + items
    weight = sum(
        part**2 / (group_SC.shape[-1] - 1) for part, group_SC in zip(parts, (arm_SC, baseline_SC), strict=True)
    )
    weight = weight + items**2 / item_freedom
    freedom = np.divide(total**2, weight, out=np.full(np.shape(total), np.inf), where=weight > 0)
    effect = arm_SC.mean(axis=-1) - baseline_SC.mean(axis=-1)
    return Effect(effect=effect, seed_variance=parts[0] + parts[1], item_variance=items, degrees_of_freedom=freedom)


def holm(p_G: Floats) -> Floats:
    """Return p values adjusted over the groups in the last axis (Holm 1979)."""
    order = np.argsort(p_G, axis=-1)
    factors = np.arange(p_G.shape[-1], 0, -1)
    raised = np.maximum.accumulate(np.take_along_axis(p_G, order, axis=-1) * factors, axis=-1)
    adjusted = np.empty_like(p_G)
    np.put_along_axis(adjusted, order, np.minimum(raised, 1), axis=-1)
    return adjusted


def more_seeds(
    arm_SC: Floats, baseline_SC: Floats, *, margin: float, alpha: float, item_variance: float = 0.0
) -> NDArray[np.int64]:
    """Return how many seeds to add to each of two groups so that a verdict is likely; one above the bound if none does.

    A verdict is an interval that leaves out no effect, or equivalence, whichever takes fewer. The effect is taken as
    observed, the spread as larger than observed where few checkpoints tell it.

    Args:
        arm_SC: Mean score of each checkpoint of the arm; at least two.
        baseline_SC: The same of the baseline.
        margin: Of equivalence.
        alpha: Chance of error of each test.
        item_variance: Variance of the effect that more seeds do not lower.
    """
    sizes = [group_SC.shape[-1] for group_SC in (arm_SC, baseline_SC)]
    pooled = sum(group_SC.var(axis=-1, ddof=1) * (group_SC.shape[-1] - 1) for group_SC in (arm_SC, baseline_SC))
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


def _variance_of_mean(group_SC: Floats) -> Floats:
    return np.asarray(group_SC.var(axis=-1, ddof=1) / group_SC.shape[-1])


def _upper_tail(distance: Floats, error: Floats, freedom: Floats) -> Floats:
    """Return the chance of a t at or above distance / error; 0 or 1 where nothing varies."""
    exact = np.where(distance > 0, np.inf, np.where(distance < 0, -np.inf, 0.0))
    ratio = np.divide(distance, error, out=np.asarray(exact, dtype=np.float64), where=error > 0)
    return np.asarray(stats.t.sf(ratio, freedom))

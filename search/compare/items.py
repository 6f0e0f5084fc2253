"""How much of an effect's uncertainty comes from the items that were scored.

The same items, translated, are scored in every language and for every trial. They are drawn anew jointly: an item comes
with all its languages, in both groups. Shapes: C checkpoints, N items, R resamples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NUM_RESAMPLES = 2000
"""Draws of the bootstrap; its own error in a standard deviation is then 1/sqrt(2 * 2000) = 1.6 %."""

_SEED = 20260101
"""Of the draws: the same data give the same interval."""


def item_variance(arm_CN: NDArray[np.float64], baseline_CN: NDArray[np.float64]) -> float:
    """Return the variance of the groups' difference from items, beyond what the spread of checkpoints holds already.

    The spread of the items' differences holds the items' own variance and, divided by the number of checkpoints, that
    of item and checkpoint together; the latter is part of the checkpoints' spread too and is taken out here.

    Args:
        arm_CN: Each checkpoint's mean by item, in points; at least two checkpoints.
        baseline_CN: The same of the baseline.
    """
    difference_N = arm_CN.mean(axis=0) - baseline_CN.mean(axis=0)
    shared = sum(_interaction(group_CN) / group_CN.size for group_CN in (arm_CN, baseline_CN))
    return max(0.0, bootstrap_variance(difference_N) - shared)


def bootstrap_variance(values_N: NDArray[np.float64]) -> float:
    """Return the bootstrap's variance of a mean of independent values."""
    generator = np.random.default_rng(_SEED)
    num = values_N.size
    chances = np.full(num, 1 / num)
    counts_RN = generator.multinomial(num, chances, size=NUM_RESAMPLES)
    return float((counts_RN @ values_N / num).var(ddof=1))


def _interaction(group_CN: NDArray[np.float64]) -> float:
    """Return the variance that neither item nor checkpoint explains, of one checkpoint and item."""
    centred = group_CN - group_CN.mean(axis=0) - group_CN.mean(axis=1, keepdims=True) + group_CN.mean()
    num_checkpoints, num_items = group_CN.shape
    return float((centred**2).sum() / ((num_checkpoints - 1) * (num_items - 1)))

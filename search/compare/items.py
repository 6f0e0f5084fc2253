"""Computes how much of an effect's uncertainty comes from the items that were scored.

The same items, translated, are scored in every language and for every trial. They are drawn anew jointly: an item comes
with all its languages, in both groups. Items that share a premise or a paragraph are drawn together: XNLI has three
hypotheses to each premise. Shapes: S seeds, N items, P premises, paragraphs or single items (units), R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NUM_RESAMPLES = 2000
"""Draws of the bootstrap; its own error in a standard deviation is then 1/sqrt(2 * 2000) = 1.6 %."""

_SEED = 20260101
"""Seed of the draws: the same data give the same interval."""


def item_variance(
    arm_SN: NDArray[np.float64], baseline_SN: NDArray[np.float64], *, units_N: NDArray[np.int64] | None = None
) -> float:
    """Return the variance of the groups' difference from items, beyond what the spread of seeds holds already.

    The spread of the items' differences holds the items' own variance and, divided by the number of seeds, that of item
    and seed together; the latter is part of the seeds' spread too and is taken out here.

    Args:
        arm_SN: Each seed's mean by item, in points; at least two seeds.
        baseline_SN: The same of the baseline.
        units_N: Number of each item's unit; None: each item is one.
    """
    return contrast_variance([arm_SN], [baseline_SN], units_N=units_N)


def contrast_variance(
    added: Sequence[NDArray[np.float64]],
    taken: Sequence[NDArray[np.float64]],
    *,
    units_N: NDArray[np.int64] | None = None,
) -> float:
    """Return the variance from items of the sum of some groups' means minus that of others; see `item_variance`.

    Args:
        added: Each seed's mean by item (S x N, in points) of the groups that are added.
        taken: The same of the groups that are subtracted.
        units_N: Number of each item's unit; None: each item is one.
    """
    means_N = [sum(group_SN.mean(axis=0) for group_SN in groups) for groups in (added, taken)]
    difference_N = np.asarray(means_N[0] - means_N[1], dtype=np.float64)
    shared = sum(_interaction(group_SN, units_N=units_N) for group_SN in (*added, *taken))
    return max(0.0, bootstrap_variance(difference_N, units_N=units_N) - shared)


def num_units(units_N: NDArray[np.int64] | None, *, num_items: int) -> int:
    """Return how many units the items are in."""
    return num_items if units_N is None else np.unique(units_N).size


def bootstrap_variance(values_N: NDArray[np.float64], *, units_N: NDArray[np.int64] | None = None) -> float:
    """Return the bootstrap's variance of a mean of values, of which whole units are drawn."""
    generator = np.random.default_rng(_SEED)
    sums_P = _sums(values_N, units_N=units_N)
    sizes_P = _sums(np.ones(values_N.size), units_N=units_N)
    counts_RP = generator.multinomial(sums_P.size, np.full(sums_P.size, 1 / sums_P.size), size=NUM_RESAMPLES)
    return float(((counts_RP @ sums_P) / (counts_RP @ sizes_P)).var(ddof=1))


def _interaction(group_SN: NDArray[np.float64], *, units_N: NDArray[np.int64] | None) -> float:
    """Return the variance of the group's mean that neither unit nor seed alone explains; 0 for a single unit."""
    centred_SN = group_SN - group_SN.mean(axis=0) - group_SN.mean(axis=1, keepdims=True) + group_SN.mean()
    sums_SP = np.array([_sums(row_N, units_N=units_N) for row_N in centred_SN])
    num_seeds, num = sums_SP.shape
    spread = float((sums_SP**2).sum()) / ((num_seeds - 1) * max(1, num - 1))
    return spread * num / (num_seeds * group_SN.shape[1] ** 2)


def _sums(values_N: NDArray[np.float64], *, units_N: NDArray[np.int64] | None) -> NDArray[np.float64]:
    if units_N is None:
        return values_N
    numbers_N = np.unique(units_N, return_inverse=True)[1]
    return np.asarray(np.bincount(numbers_N, weights=values_N), dtype=np.float64)

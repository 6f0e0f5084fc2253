"""Bootstrap intervals over seeds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

NUM_DRAWS = 2000
"""Bootstrap samples."""

_T = TypeVar("_T")


def quantiles(values: Sequence[float]) -> tuple[float, float]:
    """Return the 2.5 and 97.5 % quantiles."""
    ordered = sorted(values)
    return ordered[round(0.025 * (len(ordered) - 1))], ordered[round(0.975 * (len(ordered) - 1))]


def resampled(values: Sequence[_T], *, seed: int = 0) -> list[list[_T]]:
    """Return samples with replacement of as many values as there are."""
    chance = random.Random(seed)  # noqa: S311  (a bootstrap)
    return [chance.choices(values, k=len(values)) for _ in range(NUM_DRAWS)]


def ratio_of_means(values: Sequence[float], *, against: Sequence[float]) -> str:
    """Return the ratio of two means over the same seeds, with its 95 % interval from resampling these.

    Args:
        values: A figure for each seed.
        against: Another figure of the same seeds, in the same order.
    """
    pairs = list(zip(values, against, strict=True))
    low, high = quantiles([_ratio(drawn) for drawn in resampled(pairs)])
    return f"{_ratio(pairs):.2f} ({low:.2f} to {high:.2f})"


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    return sum(one for one, _ in pairs) / sum(other for _, other in pairs)

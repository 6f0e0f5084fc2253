"""Groups of simulated trials that share seeds, for tests of verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.compare.comparison_result import GroupComparison, Protocol
from search.compare.runs import Group, Run, make_group
from search.compare.verdicts import compare_groups


def group(
    name: str,
    points: Sequence[float] | NDArray[np.float64],
    *,
    seeds: Sequence[int] | NDArray[np.int64],
    num_scored: int | None = None,
    items: Sequence[NDArray[np.float64]] | None = None,
    units_N: NDArray[np.int64] | None = None,
) -> Group:
    """Return a group of one trial for each checkpoint, with these scores in points."""
    runs = [
        Run(
            trial=number,
            checkpoint=f"{name} {number}",
            lineage=f"{name} {number}",
            intermediate_seed=int(seed),
            target_seed=number,
            score=value / 100,
            num_scored=num_scored,
            items_N=None if items is None else items[number],
            units_N=units_N,
        )
        for number, (value, seed) in enumerate(zip(points, seeds, strict=True))
    ]
    return make_group(name, runs)


def verdict_of(arm: Group, *, baseline: Group) -> GroupComparison:
    """Return the comparison of an arm with the baseline."""
    (_, found) = compare_groups(
        [arm], baseline=baseline, protocol=Protocol(), how="xstilts confirm sweep --seeds {}".format
    )
    return found


def lucky(generator: np.random.Generator, seeds: Sequence[int], *, share: float) -> NDArray[np.float64]:
    """Return scores without any effect, with a deviation of 0.5 points, of whose variance equal seeds share a part."""
    luck = {seed: generator.normal(0, 0.5) for seed in set(seeds)}
    own = generator.normal(0, 0.5, len(seeds))
    return 70 + np.sqrt(share) * np.array([luck[seed] for seed in seeds]) + np.sqrt(1 - share) * own

"""Looking at a confirmation while its seeds grow, without deciding too often by luck.

Look k of a confirmation may be wrong with chance alpha / (k (k + 1)); over all looks, however many, that sums to alpha
(a Bonferroni division; Lan and DeMets 1983 name the general idea alpha spending). The sizes of later looks may
therefore depend on what earlier ones showed.
"""

from __future__ import annotations

from collections.abc import Sequence

from search.compare.answers import Comparison, GroupComparison
from search.compare.comparing import MIN_SEEDS


def look_alpha(look: int, *, alpha: float) -> float:
    """Return the chance of error that a look has.

    Args:
        look: From 1.
        alpha: Of all looks together.
    """
    return alpha / (look * (look + 1))


def next_size(groups: Sequence[GroupComparison], *, done: int, seeds: int) -> int:
    """Return the number of seeds at which to look next: as many as the undecided groups ask for, or the last allowed.

    At most the present number is added again, because few seeds tell badly how many more it takes.

    Args:
        groups: The last look; none before the first.
        done: Seeds that it had.
        seeds: The most that may be run.
    """
    if not groups:
        return min(seeds, MIN_SEEDS)
    asked = [group.more_seeds or done for group in groups if group.verdict == "undecided"]
    return min(seeds, done + min(done, max(asked, default=0)))


def is_decided(found: Comparison) -> bool:
    """Return whether every group has a verdict."""
    return all(group.verdict != "undecided" for group in found.groups)

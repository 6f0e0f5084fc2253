"""Repeated looks at growing data, with a bounded chance of a wrong verdict over all looks.

Look k of a confirmation is wrong with chance at most alpha / (k (k + 1)). Over any number of looks this sums to at most
alpha (a Bonferroni division; Lan and DeMets 1983 call the general idea alpha spending). The sizes of later looks can
therefore depend on the results of earlier looks.

A sweep that stops by its verdicts plans the sizes of its looks. They have equal chances (Pocock 1977), which are larger
than a Bonferroni division because the looks share data.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence

import numpy as np
from scipy import optimize, stats

from search.compare.comparison_result import Comparison, GroupComparison
from search.compare.verdicts import MIN_SEEDS


def look_alpha(look: int, *, alpha: float) -> float:
    """Return the chance of error that one look can use.

    Args:
        look: Number of the look, from 1.
        alpha: Chance of error of all looks together.
    """
    return alpha / (look * (look + 1))


@functools.cache
def planned_look_alpha(*, alpha: float, num_groups: int, sizes: tuple[int, ...]) -> float:
    """Return the chance of error that each of several planned looks can use.

    The standardised effects of two looks at growing data correlate by the root of the ratio of their sizes. Their
    chance to leave an interval is integrated look by look (Armitage et al. 1969). It is computed for the smallest part
    of alpha that Holm gives a group, which is conservative for the others.

    Args:
        alpha: Chance of error of all looks and groups together.
        num_groups: Groups that are compared with the baseline.
        sizes: Seeds of a group at each look, ascending.
    """
    part = alpha / num_groups

    def excess(bound: float) -> float:
        return _chance_to_leave(bound, sizes=sizes) - part

    lowest, highest = stats.norm.isf(part / 2), stats.norm.isf(part / len(sizes) / 2)
    bound = lowest if len(sizes) == 1 else optimize.brentq(excess, lowest, highest)
    return float(2 * num_groups * stats.norm.sf(bound))


def _chance_to_leave(bound: float, *, sizes: Sequence[int]) -> float:
    """Return the chance that the standardised effect at one of several looks is outside -bound..bound."""
    nodes_N, weights_N = np.polynomial.legendre.leggauss(101)
    values_N, weights_N = nodes_N * bound, weights_N * bound
    inside_N = stats.norm.pdf(values_N)
    for before, after in itertools.pairwise(sizes):
        correlation = math.sqrt(before / after)
        mean_NN = correlation * values_N[None, :]
        step_NN = stats.norm.pdf(values_N[:, None], loc=mean_NN, scale=math.sqrt(1 - correlation**2))
        inside_N = step_NN @ (weights_N * inside_N)
    return 1 - float(weights_N @ inside_N)


def next_size(groups: Sequence[GroupComparison], *, done: int, seeds: int) -> int:
    """Return the number of seeds at the next look: the number that the undecided groups need, at most `seeds`.

    The number of seeds at most doubles, because an estimate from few seeds is inexact.

    Args:
        groups: The groups of the last look; empty before the first look.
        done: Number of seeds at the last look.
        seeds: Largest number of seeds.
    """
    if not groups:
        return min(seeds, MIN_SEEDS)
    needed = [group.more_seeds or done for group in groups if group.verdict == "undecided"]
    return min(seeds, done + min(done, max(needed, default=0)))


def is_decided(found: Comparison) -> bool:
    """Return whether every group has a verdict."""
    return all(group.verdict != "undecided" for group in found.groups)

"""Repeated looks at growing data, with a bounded chance of a wrong verdict over all looks.

Look k of a confirmation is wrong with chance at most alpha / (k (k + 1)). Over any number of looks this sums to at most
alpha (a Bonferroni division; Lan and DeMets 1983 call the general idea alpha spending). The sizes of later looks can
therefore depend on the results of earlier looks.

A sweep that stops by its verdicts plans its looks: each has `growth` times the data of the one before. Its looks have
equal chances (Pocock 1977), which are larger than a Bonferroni division because the looks share data.
"""

from __future__ import annotations

import functools
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
def planned_look_alpha(*, alpha: float, num_groups: int, num_looks: int, growth: float) -> float:
    """Return the chance of error that each of several planned looks can use.

    The standardised effects of looks whose data grow by a constant factor are a stationary first-order autoregression
    with correlation 1 / sqrt(growth). Their chance to leave an interval is integrated look by look (Armitage et al.
    1969). It is computed for the smallest part of alpha that Holm gives a group, which is conservative for the others.

    Args:
        alpha: Chance of error of all looks and groups together.
        num_groups: Groups that are compared with the baseline.
        num_looks: Largest number of looks.
        growth: Factor between the data of two looks.
    """
    part = alpha / num_groups

    def excess(bound: float) -> float:
        return _chance_to_leave(bound, num_looks=num_looks, correlation=1 / math.sqrt(growth)) - part

    lowest, highest = stats.norm.isf(part / 2), stats.norm.isf(part / num_looks / 2)
    bound = lowest if num_looks == 1 else optimize.brentq(excess, lowest, highest)
    return float(2 * num_groups * stats.norm.sf(bound))


def _chance_to_leave(bound: float, *, num_looks: int, correlation: float) -> float:
    """Return the chance that one of several values of the autoregression is outside -bound..bound."""
    nodes_N, weights_N = np.polynomial.legendre.leggauss(101)
    values_N, weights_N = nodes_N * bound, weights_N * bound
    deviation = math.sqrt(1 - correlation**2)
    step_NN = stats.norm.pdf(values_N[:, None], loc=correlation * values_N[None, :], scale=deviation)
    inside_N = stats.norm.pdf(values_N)
    for _ in range(num_looks - 1):
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

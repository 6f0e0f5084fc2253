"""Statistics of runs for a paper: the expected best of n trials, and the chance that a fresh run beats the baseline."""

from __future__ import annotations

from collections.abc import Sequence


def expected_best(scores: Sequence[float], *, num: int) -> float:
    """Return the expected best score of `num` trials, drawn at random from the scores with replacement.

    The formula is that of Dodge et al. 2019 (arXiv 1909.03004, equations 6 and 7). It describes a random search; a
    sampler that learns from its trials can only be compared with it.

    Args:
        scores: Scores of all trials; at least one.
        num: Number of trials, from 1.
    """
    total = len(scores)
    return sum(
        score * ((place / total) ** num - ((place - 1) / total) ** num)
        for place, score in enumerate(sorted(scores), start=1)
    )


def chance_to_beat(scores: Sequence[float], baseline: Sequence[float]) -> float:
    """Return the share of pairs of runs in which the first beats the baseline's; equal scores count half.

    This is the probability of outperforming of Bouthillier et al. 2021 (arXiv 2103.03098): both runs vary.

    Args:
        scores: Scores of a group's runs; at least one.
        baseline: Scores of the baseline's runs; at least one.
    """
    won = sum(1.0 if one > other else 0.5 if one == other else 0.0 for one in scores for other in baseline)
    return won / (len(scores) * len(baseline))


def numbers_of_trials(total: int) -> list[int]:
    """Return round numbers of trials up to a total, which is the last one."""
    steps = [factor * 10**power for power in range(7) for factor in (1, 2, 5)]
    return [*(step for step in steps if step < total), total]

"""Sweeps without any effect whose checkpoints share seeds, or whose scores are rounded by few items.

Scores have a standard deviation of 0.5 points; equal seeds share a part of the variance. Whole arrays of sweeps go
through `search.compare.effects.estimate`; `check` holds the first ones against groups of trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.compare.comparison_result import GroupComparison, Protocol
from search.compare.effects import Effect, estimate, has_spread
from search.compare.runs import POINTS, Group, Run, make_group
from search.compare.verdicts import compare_groups

NUM_SWEEPS, SD, ALPHA = 40_000, 0.5, 0.05
SHARES = (0.0, 0.3, 0.6, 1.0)
_THIRDS, _ONE = (10, 10, 10), (28, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How many checkpoints each seed of two groups has."""

    name: str
    arm: tuple[int, ...]
    baseline: tuple[int, ...]
    is_shared: bool = False
    """Whether both groups have the same seeds, and equal luck in both."""


SHAPES = (
    Shape(name="30 checkpoints over 3 seeds, against 10 seeds", arm=_THIRDS, baseline=(1,) * 10),
    Shape(name="28 of 30 checkpoints on one of 3 seeds, against 10 seeds", arm=_ONE, baseline=(1,) * 10),
    Shape(name="28 of 30 checkpoints on one of 3 seeds, against 20 seeds", arm=_ONE, baseline=(1,) * 20),
    Shape(name="3 seeds against 3 seeds", arm=(1,) * 3, baseline=(1,) * 3),
    Shape(name="3 seeds against 20 seeds", arm=(1,) * 3, baseline=(1,) * 20),
    Shape(name="3 seeds against 60 seeds", arm=(1,) * 3, baseline=(1,) * 60),
    Shape(name="30 over 3 seeds, against 30 over 3 other seeds", arm=_THIRDS, baseline=_THIRDS),
    Shape(name="30 over 3 seeds, against 30 over the same 3 seeds", arm=_THIRDS, baseline=_THIRDS, is_shared=True),
)


def errors(shape: Shape, *, share: float) -> tuple[float, float]:
    """Return how often two groups without an effect are called different, and how often the interval holds 0."""
    arm_SC, base_SC = _scores(shape, share=share)
    numbers = (_numbers(shape.arm), _numbers(shape.baseline))
    effect = estimate(_seed_means(arm_SC, shape.arm), _seed_means(base_SC, shape.baseline))
    low, high = effect.interval(alpha=ALPHA)
    check(
        (arm_SC, base_SC),
        numbers=numbers,
        expected=[(float(a), float(b)) for a, b in zip(low[:20], high[:20], strict=True)],
    )
    return 100 * float(np.mean(effect.p() <= ALPHA)), 100 * float(np.mean((low <= 0) & (high >= 0)))


def rounded(num_items: int, *, sizes: tuple[int, int], between: tuple[float, float]) -> tuple[float, float]:
    """Return how often groups whose scores are shares of few items are called different, and how many had no spread.

    Args:
        num_items: Scores are multiples of 1 / num_items.
        sizes: Seeds of the groups.
        between: The true score of a sweep is drawn between these.
    """
    generator = np.random.default_rng([21, num_items, *sizes])
    mean_S1 = generator.uniform(*between, (NUM_SWEEPS, 1))
    step = POINTS / num_items
    arm_SC, base_SC = (
        np.round((mean_S1 + generator.normal(0, SD, (NUM_SWEEPS, size))) / step) * step for size in sizes
    )
    varies = has_spread(arm_SC) | has_spread(base_SC)
    effect: Effect = estimate(arm_SC, base_SC, step=step)
    return 100 * float(np.mean((effect.p() <= ALPHA) & varies)), 100 * float(np.mean(~varies))


def verdicts_without_spread(num: int) -> float:
    """Return how often groups of equal scores get a verdict, whatever they score."""
    found = 0
    for number in range(num):
        generator = np.random.default_rng([22, number])
        scored = generator.choice([0, 6, 400, 2490, 37350])
        groups = [
            _group(name, np.full(size, generator.uniform(20, 90)), numbers=range(size), num_scored=int(scored) or None)
            for name, size in zip(("arm", "none"), generator.integers(3, 21, 2), strict=True)
        ]
        found += _compared(groups).verdict != "undecided"
    return 100 * found / num


def check(
    scores: tuple[np.ndarray, np.ndarray],
    *,
    numbers: tuple[Sequence[int], Sequence[int]],
    expected: Sequence[tuple[float, float]],
) -> None:
    """Check that the comparison of groups of trials has the same intervals."""
    for sweep, interval in enumerate(expected):
        made = [
            _group(name, side[sweep], numbers=seeds)
            for name, side, seeds in zip(("arm", "none"), scores, numbers, strict=True)
        ]
        found = _compared(made)
        assert np.allclose((found.low, found.high), interval), (found, interval)  # noqa: S101


def _compared(groups: Sequence[Group]) -> GroupComparison:
    return compare_groups(groups[:1], baseline=groups[1], protocol=Protocol(), how="{}".format)[1]


def _group(name: str, points: np.ndarray, *, numbers: Sequence[int], num_scored: int | None = None) -> Group:
    runs = [
        Run(
            trial=number,
            checkpoint=f"{name} {number}",
            lineage=f"{name} {number}",
            intermediate_seed=seed,
            target_seed=number,
            score=float(value) / POINTS,
            num_scored=num_scored,
        )
        for number, (value, seed) in enumerate(zip(points, numbers, strict=True))
    ]
    return make_group(name, runs)


def _scores(shape: Shape, *, share: float) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng([20, SHAPES.index(shape), int(100 * share)])
    luck = [generator.normal(0, SD, (NUM_SWEEPS, len(counts))) for counts in (shape.arm, shape.baseline)]
    lucks = (luck[0], luck[0] if shape.is_shared else luck[1])
    both = [
        np.sqrt(share) * np.repeat(of_group, counts, axis=1)
        + np.sqrt(1 - share) * generator.normal(0, SD, (NUM_SWEEPS, sum(counts)))
        for of_group, counts in zip(lucks, (shape.arm, shape.baseline), strict=True)
    ]
    return 70 + both[0], 70 + both[1]


def _numbers(counts: Sequence[int]) -> list[int]:
    return [seed for seed, count in enumerate(counts) for _ in range(count)]


def _seed_means(scores_SC: np.ndarray, counts: Sequence[int]) -> np.ndarray:
    starts = np.cumsum([0, *counts[:-1]])
    return np.add.reduceat(scores_SC, starts, axis=1) / np.array(counts)

"""Equal seeds are not independent, and equal scores are no certainty."""

from __future__ import annotations

import numpy as np
import pytest

from search.compare.effects import estimate, more_seeds
from search.compare.inconclusive_reasons import reasons
from search.compare.items import bootstrap_variance, item_variance
from tests.search_tests.compare.seed_groups import group, lucky, verdict_of

NUM_SWEEPS = 300
ERROR = 100 * np.sqrt(0.05 * 0.95 / NUM_SWEEPS)
"""Standard error of a rate of 5 % in these sweeps, in percent: 1.3. `benchmarks/statistics.py` has more sweeps."""
SEEDS = {
    "30 checkpoints over 3 seeds": [number % 3 for number in range(30)],
    "28 of 30 on one seed": [0] * 28 + [1, 2],
    "3 against 20": [0, 1, 2],
}


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("shape", SEEDS)
def test_repeated_seeds_do_not_make_verdicts(shape: str, share: float) -> None:
    numbers, num_baselines = SEEDS[shape], 20 if shape == "3 against 20" else 10
    wrong = missed = 0
    for sweep in range(NUM_SWEEPS):
        generator = np.random.default_rng([7, sweep])
        arm = group("arm", lucky(generator, numbers, share=share), seeds=numbers)
        base = range(num_baselines)
        found = verdict_of(arm, baseline=group("none", lucky(generator, list(base), share=share), seeds=list(base)))
        wrong += found.verdict in {"better", "worse"}
        missed += not (found.low or 0) <= 0 <= (found.high or 0)

    assert 100 * wrong / NUM_SWEEPS <= 5 + 2 * ERROR
    assert 100 * missed / NUM_SWEEPS <= 5 + 2 * ERROR


def test_two_groups_that_share_seeds_are_not_called_different() -> None:
    numbers = [number % 4 for number in range(12)]
    wrong = 0
    for sweep in range(NUM_SWEEPS):
        generator = np.random.default_rng([8, sweep])
        both = lucky(generator, numbers * 2, share=0.6)
        found = verdict_of(group("arm", both[:12], seeds=numbers), baseline=group("none", both[12:], seeds=numbers))
        wrong += found.verdict in {"better", "worse"}

    assert 100 * wrong / NUM_SWEEPS <= 5


def test_a_group_is_reduced_to_a_value_for_each_seed() -> None:
    arm = group("arm", [70, 72, 80, 90], seeds=[0, 0, 1, 2])
    found = verdict_of(arm, baseline=group("none", [60, 61, 62], seeds=[0, 1, 2]))

    assert found.mean == pytest.approx((71 + 80 + 90) / 3 / 100)
    assert found.seed_sd == pytest.approx(np.std([71, 80, 90], ddof=1))
    assert found.checkpoint_sd == pytest.approx(np.std([70, 72, 80, 90], ddof=1))
    assert found.effect == pytest.approx(100 * found.mean - 61)


def test_a_spread_that_is_small_by_chance_does_not_lend_the_freedom_of_the_larger_group() -> None:
    few, many = np.array([0.0, 0.01, -0.01]), np.random.default_rng(0).normal(0, 1, 20)

    assert 2 < estimate(few, many).degrees_of_freedom < 4


@pytest.mark.parametrize("sizes", [(3, 10), (3, 20), (3, 60), (4, 20), (6, 60)])
def test_intervals_of_unequal_groups_hold_as_often_as_they_say(sizes: tuple[int, int]) -> None:
    generator = np.random.default_rng(0)
    arm, base = (generator.normal(size=(40_000, size)) for size in sizes)

    low, high = estimate(arm, base).interval(alpha=0.05)

    assert 0.945 <= np.mean((low <= 0) & (high >= 0)) <= 0.97


@pytest.mark.parametrize("num_scored", [None, 6, 2490, 15 * 2490])
def test_equal_scores_never_give_a_verdict(num_scored: int | None) -> None:
    arm = group("arm", [33.40] * 3, seeds=range(3), num_scored=num_scored)
    found = verdict_of(arm, baseline=group("none", [33.33] * 3, seeds=range(3), num_scored=num_scored))

    assert found.verdict == "undecided"
    assert (found.low, found.high, found.p, found.adjusted_p) == (None, None, None, None)
    (said,) = reasons([found])
    assert "has the same score with each of its seeds" in said
    assert "xstilts confirm sweep --seeds 3" in said


def test_equal_scores_over_repeated_seeds_and_in_twenty_seeds_give_none_either() -> None:
    arm = group("arm", [40.0] * 30, seeds=[number % 3 for number in range(30)])

    assert verdict_of(arm, baseline=group("none", [30.0] * 20, seeds=range(20))).verdict == "undecided"


def test_equal_scores_with_known_items_have_an_interval_and_no_verdict() -> None:
    generator = np.random.default_rng(0)
    right, wrong = generator.random((2, 600)) < np.array([[0.4], [0.3]])
    rows = [np.asarray(one, dtype=np.float64) for one in (right, wrong)]
    made = [
        group(name, [100 * row.mean()] * 3, seeds=range(3), num_scored=600, items=[row] * 3)
        for name, row in zip(("arm", "none"), rows, strict=True)
    ]
    found = verdict_of(made[0], baseline=made[1])

    assert found.verdict == "undecided"
    assert found.high is not None
    assert found.low is not None
    assert found.high - found.low > 5


def test_a_collapsed_arm_against_a_baseline_that_varies_is_judged_by_the_baselines_spread() -> None:
    baseline = group("none", [70.0, 71.0, 72.0], seeds=range(3))

    assert verdict_of(group("arm", [33.3] * 3, seeds=range(3)), baseline=baseline).verdict == "worse"
    assert verdict_of(group("arm", [71.5] * 3, seeds=range(3)), baseline=baseline).verdict == "undecided"


@pytest.mark.parametrize("num_items", [6, 2490])
def test_rounded_scores_make_no_verdicts(num_items: int) -> None:
    wrong = 0
    for sweep in range(NUM_SWEEPS):
        generator = np.random.default_rng([9, sweep])
        mean = generator.uniform(60, 80)
        made = [
            group(
                name,
                np.round((mean + generator.normal(0, 0.5, num)) * num_items / 100) * 100 / num_items,
                seeds=range(num),
                num_scored=num_items,
            )
            for name, num in (("arm", 3), ("none", 20))
        ]
        wrong += verdict_of(made[0], baseline=made[1]).verdict in {"better", "worse"}

    assert 100 * wrong / NUM_SWEEPS <= 5 + 2 * ERROR


def test_the_seeds_that_are_asked_for_find_an_effect_of_phang_et_al() -> None:
    generator = np.random.default_rng(5)
    first = [effect + generator.normal(0, 0.5, (4000, 3)) for effect in (1.2, 0.0)]
    sizes = 3 + more_seeds(*first, margin=0.5, alpha=0.05, step=100 / 2490)
    found = [
        estimate(generator.normal(1.2, 0.5, (num, size)), generator.normal(0, 0.5, (num, size)), step=100 / 2490).p()
        for size, num in zip(*np.unique(sizes, return_counts=True), strict=True)
    ]

    assert np.mean(np.concatenate(found) <= 0.05) >= 0.8


def test_few_items_ask_for_more_seeds() -> None:
    base, arm = np.array([0.0, 0.1, -0.1]), np.array([0.7, 0.8, 0.6])

    assert more_seeds(arm, base, margin=0.5, alpha=0.05) < more_seeds(arm, base, margin=0.5, alpha=0.05, step=2.0)


def test_items_of_one_premise_are_drawn_together() -> None:
    premise_P = np.random.default_rng(2).normal(0, 3, 200)
    values_N, units_N = np.repeat(premise_P, 3), np.repeat(np.arange(200), 3)

    assert bootstrap_variance(values_N, units_N=units_N) == pytest.approx(premise_P.var() / 200, rel=0.1)
    assert bootstrap_variance(values_N) == pytest.approx(premise_P.var() / 600, rel=0.1)


def test_paragraphs_of_unequal_sizes_are_drawn_whole_and_seeds_are_not_counted_twice() -> None:
    generator = np.random.default_rng(3)
    units_N = np.repeat(np.arange(100), generator.integers(1, 8, 100))
    shared = generator.normal(0, 1, 100)[units_N]
    noise = generator.normal(0, 1, (2, 5, 100))[:, :, units_N]

    assert item_variance(noise[0] + shared, noise[1], units_N=units_N) > 0.5 / 100
    assert item_variance(noise[0], noise[1], units_N=units_N) < 2 * 2 / (5 * 100)

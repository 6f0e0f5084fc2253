"""Trials that have runs in common, over an average or a merge, are not counted as independent."""

from __future__ import annotations

from typing import Any

import pytest

from search.compare.luck import seeds_of, shared_luck
from tests.trainables_tests.tiny_jobs import phase
from trainables.config import PhaseConfig, TrialConfig


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        ([{0}, {1}, {2}], {0: 0, 1: 1, 2: 2}),
        ([{0, 1}, {1, 2}, {5}], {0: 0, 1: 0, 2: 0, 5: 5}),
        ([{3, 4}, {1, 2}, {2, 3}], {1: 1, 2: 1, 3: 1, 4: 1}),
        ([set[int](), {7}], {7: 7}),
    ],
    ids=["single runs", "overlapping averages", "joined later", "no phase"],
)
def test_seeds_that_one_trial_has_share_its_luck(seeds: list[set[int]], expected: dict[int, int]) -> None:
    assert shared_luck(seeds) == expected


def work(**fields: Any) -> PhaseConfig:
    return PhaseConfig.model_validate(phase().model_dump(mode="json") | fields)


def test_the_seeds_of_a_trial_are_those_of_all_that_it_trains() -> None:
    parts = {"squad": {"seed": 9}}
    merged = work(mixture={"snli": 0.5, "squad": 0.5}, merge={"parts": parts}, seed=2)
    config = TrialConfig(intermediate=merged, target=work(seed=3, average={"seeds": 3}))

    assert seeds_of(config, phase="intermediate") == {2, 9}
    assert seeds_of(config, phase="target") == {3, 4, 5}
    assert seeds_of(config.model_copy(update={"intermediate": None}), phase="intermediate") == frozenset()

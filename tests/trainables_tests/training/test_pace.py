"""A stage says how many tokens of each task its steps had, and how long they took."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.trainables_tests.tiny_jobs import VISION, Bench, engine, phase
from trainables.ranks.local_group import LocalGroup

pytestmark = pytest.mark.usefixtures("tiny_world")

WORK = phase(mixture={"mnli": 0.5, "nlvr": 0.5}, vision=VISION, batch_size=16, steps=6)


@pytest.fixture(scope="module")
def bench(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(encoder=tiny_encoder, folder=tmp_path_factory.mktemp("bench"))


def test_the_paces_of_tasks_sum_to_the_steps_and_their_time(bench: Bench, one_rank: LocalGroup) -> None:
    started = time.monotonic()
    paces = bench.train(one_rank, WORK).result.paces
    took = time.monotonic() - started

    assert set(paces) == {"mnli", "nlvr"}
    assert sum(pace.num_examples for pace in paces.values()) == 6 * 16
    assert 0 < sum(pace.seconds for pace in paces.values()) < took
    assert all(5 * pace.num_examples < pace.num_tokens <= 48 * pace.num_examples for pace in paces.values())


@pytest.mark.slow
def test_two_ranks_count_about_the_tokens_of_one(bench: Bench, one_rank: LocalGroup, two_ranks: LocalGroup) -> None:
    work = phase(batch_size=16, steps=6)
    alone = bench.train(one_rank, work).result.paces["mnli"]
    shared = bench.train(two_ranks, work, config=engine(num_workers=2)).result.paces["mnli"]

    assert shared.num_examples == alone.num_examples
    assert shared.num_tokens == pytest.approx(alone.num_tokens, rel=0.3)

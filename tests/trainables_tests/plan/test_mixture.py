"""Mixtures: the weights they compute, what they refuse, and what training records of them, on real ranks."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.trainables_tests.tiny_jobs import VISION, Bench, Trained, phase
from trainables.config import PhaseConfig, SamplingConfig
from trainables.plan.mixture import mixture_weights, num_examples_of_an_epoch
from trainables.ranks.jobs import TASK_LOSSES
from trainables.ranks.local_group import LocalGroup

pytestmark = pytest.mark.usefixtures("tiny_world")

SIZES = {"big": 400_000, "middle": 100_000, "small": 2_500}
NAMES = list(SIZES)


def mixed(sampling: dict[str, Any], names: list[str] = NAMES) -> PhaseConfig:
    return phase(mixture=names, sampling=SamplingConfig(**sampling))


def test_proportional_weights_are_the_capped_sizes_shares() -> None:
    weights = mixture_weights(mixed({"kind": "proportional", "cap": 131_072}), SIZES)

    total = 131_072 + 100_000 + 2_500
    assert weights == pytest.approx({"big": 131_072 / total, "middle": 100_000 / total, "small": 2_500 / total})


def test_a_temperature_of_two_takes_square_roots() -> None:
    weights = mixture_weights(mixed({"kind": "temperature", "temperature": 2.0, "cap": 100_000}), SIZES)

    assert weights["big"] == weights["middle"]
    assert weights["small"] / weights["middle"] == pytest.approx(math.sqrt(2_500 / 100_000))


def test_uniform_weights_are_equal_and_given_ones_stay() -> None:
    assert set(mixture_weights(mixed({"kind": "uniform"}), SIZES).values()) == {1 / 3}
    assert mixture_weights(phase(mixture={"big": 0.9, "small": 0.1}), SIZES) == {"big": 0.9, "small": 0.1}


@given(
    sizes=st.lists(st.integers(1, 10**7), min_size=2, max_size=6),
    temperature=st.floats(1, 100),
    cap=st.none() | st.integers(1, 10**6),
)
def test_weights_sum_to_one_keep_the_order_of_sizes_and_flatten_with_temperature(
    sizes: list[int], temperature: float, cap: int | None
) -> None:
    named = {f"t{number}": size for number, size in enumerate(sizes)}
    names = list(named)
    sharp = mixture_weights(mixed({"kind": "proportional", "cap": cap}, names), named)
    flat = mixture_weights(mixed({"kind": "temperature", "temperature": temperature, "cap": cap}, names), named)

    by_size = sorted(names, key=lambda name: named[name])
    assert math.fsum(flat.values()) == pytest.approx(1)
    assert [flat[name] for name in by_size] == sorted(flat.values())
    assert max(flat.values()) - min(flat.values()) <= max(sharp.values()) - min(sharp.values()) + 1e-12


def test_an_epoch_holds_each_task_up_to_the_cap() -> None:
    assert num_examples_of_an_epoch(mixed({"kind": "proportional", "cap": 131_072}), SIZES) == 131_072 + 102_500
    assert num_examples_of_an_epoch(mixed({"kind": "uniform"}), SIZES) == 502_500


def test_a_list_of_names_survives_the_trip_through_json() -> None:
    work = mixed({"kind": "temperature", "temperature": 3.0})

    assert PhaseConfig.model_validate_json(work.model_dump_json()) == work


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"mixture": ["a", "b"]}, "give a weight for each, or set sampling"),
    ({"mixture": ["a", "a"], "sampling": {"kind": "uniform"}}, "a task is listed twice"),
    ({"mixture": [], "sampling": {"kind": "uniform"}}, "not a list of task names"),
    ({"mixture": ["a", 1], "sampling": {"kind": "uniform"}}, "not a list of task names"),
    ({"mixture": ["a"], "sampling": {"kind": "proportional"}}, "no effect on a mixture of one task"),
    ({"mixture": {"a": 0.9, "b": 0.1}, "sampling": {"kind": "proportional"}}, "weights have no effect"),
    ({"mixture": ["a", "b"], "sampling": {"kind": "uniform", "cap": 5}}, "cap has no effect"),
    ({"mixture": {"a": 1.0}, "sampling": {"cap": 5}}, "cap has no effect"),
    ({"mixture": ["a", "b"], "sampling": {"kind": "proportional", "temperature": 2.0}}, "temperature has no effect"),
    ({"mixture": ["a", "b"], "sampling": {"kind": "temperature"}}, "needs `temperature`"),
    ({"mixture": ["a", "b"], "sampling": {"kind": "temperature", "temperature": 0.5}}, "greater than or equal to 1"),
    ({"mixture": ["a", "b"], "sampling": {"kind": "proportional", "cap": 0}}, "greater than or equal to 1"),
    ({"mixture": ["a", "b"], "sampling": {"kind": "sqrt"}}, "'given', 'proportional', 'temperature' or 'uniform'"),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED, ids=[message[:30] for _, message in REFUSED])
def test_a_sampling_without_effect_or_sense_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PhaseConfig.model_validate({"steps": 1, **fields})


WEIGHTS = {"mnli": 0.4, "commonsense_qa": 0.15, "miniature_qa": 0.25, "nlvr": 0.2}
"""Three text tasks of three kinds, and one with images."""

FOUR_TASKS = phase(mixture=WEIGHTS, vision=VISION, batch_size=16, steps=20, num_examples=100)


@pytest.fixture(scope="module")
def bench(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(encoder=tiny_encoder, folder=tmp_path_factory.mktemp("mixture"))


@pytest.fixture(scope="module")
def on_one_rank(bench: Bench, one_rank: LocalGroup) -> Trained:
    return bench.train(one_rank, FOUR_TASKS)


@pytest.fixture(scope="module")
def on_two_ranks(bench: Bench, two_ranks: LocalGroup) -> Trained:
    return bench.train(two_ranks, FOUR_TASKS)


@pytest.mark.slow
@pytest.mark.parametrize("trained", ["on_one_rank", "on_two_ranks"])
def test_counts_of_text_and_image_tasks_match_their_weights(trained: str, request: pytest.FixtureRequest) -> None:
    result = request.getfixturevalue(trained).result

    shares = {name: count / (16 * 20) for name, count in result.counts.items()}
    assert shares == pytest.approx(WEIGHTS, abs=0.02)
    assert sum(result.counts.values()) == 16 * 20
    assert {name: task.weight for name, task in result.tasks.items()} == WEIGHTS


@pytest.mark.slow
def test_the_record_of_each_task_does_not_depend_on_the_ranks(on_one_rank: Trained, on_two_ranks: Trained) -> None:
    one, two = on_one_rank.result, on_two_ranks.result

    assert two.losses == pytest.approx(one.losses, abs=1e-5)
    for name, task in one.tasks.items():
        other = two.tasks[name]
        assert (other.size, other.num_examples, other.num_steps) == (task.size, task.num_examples, task.num_steps)
        assert (other.first_loss, other.last_loss) == pytest.approx((task.first_loss, task.last_loss), abs=1e-5)


def test_the_losses_of_the_tasks_add_up_to_those_of_the_steps(on_one_rank: Trained) -> None:
    of_tasks = json.loads((on_one_rank.folder / TASK_LOSSES).read_text())

    sums = [0.0] * 20
    for tally in of_tasks.values():
        for step, count, loss in zip(tally["steps"], tally["counts"], tally["losses"], strict=True):
            sums[step] += count * loss
    assert [total / 16 for total in sums] == pytest.approx(on_one_rank.losses, abs=1e-5)


def test_no_micro_batch_mixes_tasks_and_steps_do(on_one_rank: Trained) -> None:
    of_tasks = json.loads((on_one_rank.folder / TASK_LOSSES).read_text())

    per_step = [sum(step in tally["steps"] for tally in of_tasks.values()) for step in range(20)]
    assert min(per_step) >= 2
    # Blocks of 4 examples each hold one task, so every task's share of a step is some whole blocks.
    assert {count % 4 for tally in of_tasks.values() for count in tally["counts"]} == {0}


def test_computed_weights_come_from_the_encoded_sizes(bench: Bench, one_rank: LocalGroup) -> None:
    work = phase(mixture=["mnli", "commonsense_qa"], sampling=SamplingConfig(kind="proportional", cap=40), steps=2)

    tasks = bench.train(one_rank, work).result.tasks

    sizes = {name: min(40, task.size) for name, task in tasks.items()}
    assert {name: task.weight for name, task in tasks.items()} == {
        name: pytest.approx(size / sum(sizes.values())) for name, size in sizes.items()
    }

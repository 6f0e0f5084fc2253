"""Laws of the batch plan and of dealing blocks to ranks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.data.batch_plan import (
    BatchPlan,
    Block,
    TaskShape,
    length_batches,
    num_steps_for_epochs,
    split_block,
)
from trainables.data.rotation import Rotation

LENGTHS = st.lists(st.integers(1, 200), min_size=1, max_size=120).map(lambda values: np.array(values, dtype=np.int32))
PARTS = st.lists(st.floats(0.01, 1), min_size=1, max_size=7)


def shares(parts: list[float]) -> list[float]:
    return [part / sum(parts) for part in parts]


def plan_of(*lengths: np.ndarray, batch_size: int = 8, seed: int = 0, coupled: bool = False) -> BatchPlan:
    shapes = [TaskShape(name=f"t{i}", lengths=one, couples_examples=coupled) for i, one in enumerate(lengths)]
    weights = {shape.name: 1 / len(shapes) for shape in shapes}
    return BatchPlan(shapes, weights=weights, batch_size=batch_size, seed=seed)


def flat(blocks: tuple[Block, ...]) -> list[tuple[str, list[int]]]:
    return [(block.task, block.indices.tolist()) for block in blocks]


@given(PARTS, st.integers(1, 300))
def test_no_entry_strays_a_turn_from_its_weight(parts: list[float], num_turns: int) -> None:
    weights = shares(parts)
    rotation = Rotation(weights)
    chosen = np.array([rotation.turn(number)[0] for number in range(num_turns)])
    counts = (chosen[:, None] == np.arange(len(weights))).cumsum(axis=0)
    expected = np.arange(1, num_turns + 1)[:, None] * np.array(weights)
    assert np.abs(counts - expected).max() <= 1 + 1e-6


@settings(deadline=None)
@given(st.lists(LENGTHS, min_size=1, max_size=4), st.integers(1, 37), st.integers(0, 2**31 - 1), st.integers(0, 60))
def test_a_step_holds_exactly_the_batch_and_needs_no_earlier_step(
    lengths: list[np.ndarray], batch_size: int, seed: int, step: int
) -> None:
    walked = plan_of(*lengths, batch_size=batch_size, seed=seed)
    steps = [walked.step(number) for number in range(step + 1)]
    alone = plan_of(*lengths, batch_size=batch_size, seed=seed).step(step)
    assert sum(len(block.indices) for block in alone) == batch_size
    assert flat(alone) == flat(steps[-1])


@given(LENGTHS, st.integers(0, 1000))
def test_an_epoch_holds_no_example_twice_and_leaves_out_less_than_a_block(lengths: np.ndarray, seed: int) -> None:
    block_size = max(1, len(lengths) // 3)
    plan = plan_of(lengths, batch_size=block_size, seed=seed)
    seen = np.concatenate([plan.step(step)[0].indices for step in range(len(lengths) // block_size)])
    assert len(set(seen.tolist())) == len(seen) > len(lengths) - block_size


def test_a_data_set_smaller_than_a_block_repeats_within_it() -> None:
    plan = plan_of(np.array([3, 4, 5], dtype=np.int32), batch_size=8)
    assert set(plan.step(0)[0].indices.tolist()) == {0, 1, 2}
    assert len(plan.step(0)[0].indices) == 8


def test_seeds_and_epochs_order_examples_differently() -> None:
    lengths = np.full(64, 9, dtype=np.int32)
    first = plan_of(lengths, batch_size=32, seed=0)
    assert flat(first.step(0)) != flat(plan_of(lengths, batch_size=32, seed=1).step(0))
    assert flat(first.step(0)) != flat(first.step(2))


def test_a_block_holds_examples_of_similar_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 129, 6400).astype(np.int32)
    plan = plan_of(lengths, batch_size=32)
    spreads = [np.ptp(lengths[plan.step(step)[0].indices]) for step in range(200)]
    assert np.median(spreads) <= 128 / 50 * 2


def test_blocks_of_a_contrastive_task_in_one_step_are_one_block() -> None:
    lengths = np.full(50, 9, dtype=np.int32)
    steps = [plan_of(lengths, lengths, batch_size=32, coupled=True).step(step) for step in range(5)]
    assert [[len(block.indices) for block in step] for step in steps] == [[16, 16]] * 5


def test_mixed_steps_are_cut_into_equal_blocks_even_when_four_does_not_divide_the_batch() -> None:
    lengths = np.full(50, 9, dtype=np.int32)
    sizes = [len(block.indices) for block in plan_of(lengths, lengths, batch_size=30).step(0)]
    assert sizes == [6] * 5


@given(LENGTHS, st.integers(1, 500), st.integers(1, 5))
def test_dealing_keeps_every_example_the_budget_and_the_same_number_of_micro_steps(
    lengths: np.ndarray, budget: int, num_ranks: int
) -> None:
    block = Block(task="t", indices=np.arange(len(lengths)))
    dealt = split_block(
        block, lengths=lengths, tokens_per_micro_batch=budget, num_ranks=num_ranks, couples_examples=False
    )
    parts = [part for micro_step in dealt for part in micro_step]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(lengths)))
    assert {len(micro_step) for micro_step in dealt} == {num_ranks}
    assert all(len(part) <= 1 or len(part) * lengths[part].max() <= budget for part in parts)
    assert all(np.ptp([len(part) for part in micro_step]) <= 1 for micro_step in dealt)


@given(LENGTHS, st.integers(1, 4))
def test_a_contrastive_block_stays_whole(lengths: np.ndarray, num_ranks: int) -> None:
    block = Block(task="t", indices=np.arange(len(lengths)))
    dealt = split_block(block, lengths=lengths, tokens_per_micro_batch=1, num_ranks=num_ranks, couples_examples=True)
    assert [len(part) for part in dealt[0]] == [len(lengths)] + [0] * (num_ranks - 1)
    assert len(dealt) == 1


@given(LENGTHS, st.integers(1, 500))
def test_evaluation_batches_hold_every_example_once_longest_first(lengths: np.ndarray, budget: int) -> None:
    batches = length_batches(lengths, tokens_per_micro_batch=budget)
    order = np.concatenate(batches)
    assert sorted(order.tolist()) == list(range(len(lengths)))
    assert (np.diff(lengths[order]) <= 0).all()
    assert all(len(batch) == 1 or len(batch) * lengths[batch].max() <= budget for batch in batches)


@pytest.mark.parametrize(("epochs", "steps"), [(1, 4), (2, 7), (0.001, 1), (3, 10)])
def test_epochs_become_steps(epochs: float, steps: int) -> None:
    assert num_steps_for_epochs(epochs, num_examples=100, batch_size=30) == steps


def test_a_task_without_examples_is_refused() -> None:
    with pytest.raises(ValueError, match="'t0' has 0 examples"):
        plan_of(np.array([], dtype=np.int32))

"""Which examples train together: a rank-free plan of a phase's steps, and how a block is dealt to ranks. Pure numpy.

A step is a pure function of (seed, step number): a run that continues at step 10,000 computes that step alone. Work
that neighbouring steps share (an epoch's permutation, the order of the tasks) is kept, never needed.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainables.data.rotation import Rotation

Indices = NDArray[np.int64]
"""Numbers of examples of one task."""

BLOCKS_PER_MEGA_BATCH = 50
"""Examples are sorted by length within this many blocks: enough to save most padding, and order stays random."""

MIN_BLOCKS_PER_MIXED_STEP = 4
"""A step over several tasks has at least this many blocks, so that a mixture mixes within steps too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskShape:
    """What the plan knows of a task.

    Args:
        name: The task's name; enters its order's seed.
        lengths: Tokens of each example, shape [num_examples].
        couples_examples: Whether its loss couples the examples of a batch (contrastive).
    """

    name: str
    lengths: NDArray[np.int32]
    couples_examples: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Examples of one task that train in one step.

    Args:
        task: The task's name.
        indices: Numbers of its examples, shape [num_examples_of_block].
    """

    task: str
    indices: Indices


class BatchPlan:
    """The blocks of every step of a phase.

    With one task a step is one block of `batch_size`. With several, a step is cut into equal blocks (the largest
    divisor of `batch_size` not above a quarter of it), each of one task, and after any number of blocks every task has
    had its weight's share to within one block. A task's examples come in epochs; each epoch is a fresh permutation, of
    which less than a block is left out; a data set smaller than a block repeats within it.

    Args:
        tasks: The tasks, at least one, each with examples.
        weights: Task name -> share of the examples; they sum to 1.
        batch_size: Examples of a step.
        seed: The phase's seed.

    Raises:
        ValueError: A task is empty, or tasks and weights differ.
    """

    def __init__(self, tasks: Sequence[TaskShape], *, weights: Mapping[str, float], batch_size: int, seed: int) -> None:
        _check(tasks, weights)
        self._tasks = tuple(tasks)
        self._block_size = batch_size if len(tasks) == 1 else _mixed_block_size(batch_size)
        self._blocks_per_step = batch_size // self._block_size
        self._rotation = Rotation([weights[task.name] for task in tasks])
        self._seed = seed
        self._epochs: dict[str, tuple[int, NDArray[np.int64]]] = {}

    def step(self, step: int) -> tuple[Block, ...]:
        """Return the blocks of a step, counted from 0; together they hold exactly `batch_size` examples."""
        blocks: list[Block] = []
        first = step * self._blocks_per_step
        for turn in range(first, first + self._blocks_per_step):
            which, earlier = self._rotation.turn(turn)
            task = self._tasks[which]
            blocks.append(Block(task=task.name, indices=self._block_of(task, earlier)))
        return _merge_coupled(blocks, {task.name for task in self._tasks if task.couples_examples})

    def _block_of(self, task: TaskShape, number: int) -> Indices:
        blocks_per_epoch = max(1, len(task.lengths) // self._block_size)
        epoch, position = divmod(number, blocks_per_epoch)
        kept = self._epochs.get(task.name)
        if kept is None or kept[0] != epoch:
            kept = (epoch, _epoch_blocks(task, block_size=self._block_size, seed=self._seed, epoch=epoch))
            self._epochs[task.name] = kept
        return kept[1][position]


def split_block(
    block: Block,
    *,
    lengths: NDArray[np.int32],
    tokens_per_micro_batch: int,
    num_ranks: int,
    couples_examples: bool,
) -> list[list[Indices]]:
    """Return micro-batches: `result[micro_step][rank]` are the examples of one forward and backward pass.

    Every rank gets the same number of micro-steps (the engine's collectives need it); an array may be empty, and then
    the caller runs a batch of weight zero. Examples are dealt by falling length, so ranks pad alike. A padded
    micro-batch (count x longest) keeps the budget unless it is a single example. A coupled block stays whole, on the
    first rank, whatever its size.

    Args:
        block: The block.
        lengths: Tokens of each example of the block's task.
        tokens_per_micro_batch: Budget in tokens, padding included.
        num_ranks: Ranks that share the step.
        couples_examples: Whether the task's loss couples examples.
    """
    if couples_examples:
        return [[block.indices, *(block.indices[:0] for _ in range(num_ranks - 1))]]
    falling = block.indices[np.argsort(-lengths[block.indices].astype(np.int64), kind="stable")]
    longest_by_row = lengths[falling[::num_ranks]]
    cuts = _cuts(longest_by_row, tokens_per_micro_batch)
    return [
        [falling[start * num_ranks : end * num_ranks][rank::num_ranks] for rank in range(num_ranks)]
        for start, end in cuts
    ]


def length_batches(lengths: NDArray[np.int32], *, tokens_per_micro_batch: int) -> list[Indices]:
    """Return every example once, in batches within the token budget, longest first.

    Args:
        lengths: Tokens of each example, shape [num_examples].
        tokens_per_micro_batch: Budget in tokens, padding included; a single example may exceed it.
    """
    falling = np.argsort(-lengths.astype(np.int64), kind="stable")
    return [falling[start:end] for start, end in _cuts(lengths[falling], tokens_per_micro_batch)]


def num_steps_for_epochs(epochs: float, *, num_examples: int, batch_size: int) -> int:
    """Return the optimiser steps of some passes over `num_examples` examples (of all tasks), at least one."""
    return max(1, math.ceil(epochs * num_examples / batch_size - 1e-9))


def _check(tasks: Sequence[TaskShape], weights: Mapping[str, float]) -> None:
    names = [task.name for task in tasks]
    if sorted(names) != sorted(weights):
        msg = f"cannot plan batches: tasks {sorted(names)} but weights for {sorted(weights)}; give each task one weight"
        raise ValueError(msg)
    for task in tasks:
        if len(task.lengths) == 0:
            msg = f"cannot plan batches: task {task.name!r} has 0 examples, it needs at least 1; check its split"
            raise ValueError(msg)


def _mixed_block_size(batch_size: int) -> int:
    most = max(1, batch_size // MIN_BLOCKS_PER_MIXED_STEP)
    return next(size for size in range(most, 0, -1) if batch_size % size == 0)


def _epoch_blocks(task: TaskShape, *, block_size: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return an epoch's blocks, shape [num_blocks, block_size]."""
    generator = np.random.default_rng([seed, zlib.crc32(task.name.encode()), epoch])
    order = generator.permutation(len(task.lengths))
    num_blocks = max(1, len(order) // block_size)
    order = np.resize(order, num_blocks * block_size)
    mega_batch = BLOCKS_PER_MEGA_BATCH * block_size
    mega_batch_of = np.arange(len(order)) // mega_batch
    order = order[np.lexsort((task.lengths[order], mega_batch_of))]
    return order.reshape(num_blocks, block_size)[generator.permutation(num_blocks)]


def _merge_coupled(blocks: list[Block], coupled: set[str]) -> tuple[Block, ...]:
    merged: list[Block] = []
    for block in blocks:
        place = next((i for i, seen in enumerate(merged) if seen.task == block.task), None)
        if place is None or block.task not in coupled:
            merged.append(block)
        else:
            joined = np.concatenate([merged[place].indices, block.indices])
            merged[place] = Block(task=block.task, indices=joined)
    return tuple(merged)


def _cuts(falling: NDArray[np.int32], budget: int) -> list[tuple[int, int]]:
    """Return [start, end) runs of falling lengths whose padded size keeps the budget."""
    cuts: list[tuple[int, int]] = []
    start = 0
    while start < len(falling):
        end = min(len(falling), start + max(1, budget // max(1, int(falling[start]))))
        cuts.append((start, end))
        start = end
    return cuts

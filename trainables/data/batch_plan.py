"""Plans the examples of each step of a phase, independently of ranks, and deals a block to ranks. Pure numpy.

A step is a pure function of (seed, step number): a run that continues at step 10,000 computes only that step. Results
that neighbouring steps share (an epoch's permutation, the order of the tasks) are cached only to save time.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainables.data.rotation import Rotation
from trainables.data.shapes import FewShapes, power_of_two

Indices = NDArray[np.int64]
"""Numbers of examples of one task."""

BLOCKS_PER_MEGA_BATCH = 50
"""Examples are sorted by length within this many blocks: this avoids most padding, and the order stays random."""

MIN_BLOCKS_PER_MIXED_STEP = 4
"""A step of a mixture of several tasks has at least this many blocks, so that a step contains several tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskShape:
    """The properties of a task that the plan uses.

    Args:
        name: The task's name; the seed of its order depends on it.
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

    With one task, a step is one block of `batch_size` examples. With several tasks, a step is divided into equal blocks
    (the largest divisor of `batch_size` that is at most a quarter of it), each of one task. After any number of blocks,
    the number of blocks of each task differs from its weight's share by at most one. The examples of a task come in
    epochs. Each epoch is a new permutation, of which less than a block is left out. A data set that is smaller than a
    block is repeated within it.

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
    shapes: FewShapes | None = None,
) -> list[list[Indices]]:
    """Return micro-batches: `result[micro_step][rank]` are the examples of one forward and backward pass.

    Every rank gets the same number of micro-steps, because the engine's collectives need it. An array can be empty;
    then the caller runs a batch with weight zero. Examples are dealt in order of decreasing length, so all ranks have
    similar padding. A padded micro-batch (count x longest) stays within the budget, unless it is a single example. A
    coupled block is never split; it goes to the first rank, whatever its size.

    Args:
        block: The block.
        lengths: Tokens of each example of the block's task.
        tokens_per_micro_batch: Budget in tokens, including padding.
        num_ranks: Number of ranks that share the step.
        couples_examples: Whether the task's loss couples examples.
        shapes: How the shapes of passes are rounded; None: not at all. Whole passes then hold a power of two examples
            for each rank.
    """
    if couples_examples:
        return [[block.indices, *(block.indices[:0] for _ in range(num_ranks - 1))]]
    falling = block.indices[np.argsort(-lengths[block.indices].astype(np.int64), kind="stable")]
    longest_by_row = lengths[falling[::num_ranks]]
    cuts = _cuts(longest_by_row, tokens_per_micro_batch, shapes=shapes)
    return [
        [falling[start * num_ranks : end * num_ranks][rank::num_ranks] for rank in range(num_ranks)]
        for start, end in cuts
    ]


def length_batches(
    lengths: NDArray[np.int32], *, tokens_per_micro_batch: int, shapes: FewShapes | None = None
) -> list[Indices]:
    """Return every example once, in batches within the token budget, longest first.

    Args:
        lengths: Tokens of each example, shape [num_examples].
        tokens_per_micro_batch: Budget in tokens, including padding; a single example can exceed it.
        shapes: How the shapes of batches are rounded; None: not at all.
    """
    falling = np.argsort(-lengths.astype(np.int64), kind="stable")
    return [falling[start:end] for start, end in _cuts(lengths[falling], tokens_per_micro_batch, shapes=shapes)]


def num_steps_for_epochs(epochs: float, *, num_examples: int, batch_size: int) -> int:
    """Return the number of optimiser steps (at least 1) for `epochs` passes over the examples of all tasks."""
    return max(1, math.ceil(epochs * num_examples / batch_size - 1e-9))


def _check(tasks: Sequence[TaskShape], weights: Mapping[str, float]) -> None:
    names = [task.name for task in tasks]
    if sorted(names) != sorted(weights):
        counts = f"the tasks are {sorted(names)}, but the weights are for {sorted(weights)}"
        msg = f"cannot plan batches: {counts}; give each task one weight"
        raise ValueError(msg)
    for task in tasks:
        if len(task.lengths) == 0:
            msg = f"cannot plan batches: task {task.name!r} has 0 examples, but needs at least 1; check its split"
            raise ValueError(msg)


def _mixed_block_size(batch_size: int) -> int:
    most = max(1, batch_size // MIN_BLOCKS_PER_MIXED_STEP)
    return next(size for size in range(most, 0, -1) if batch_size % size == 0)


def _epoch_blocks(task: TaskShape, *, block_size: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the blocks of an epoch, shape [num_blocks, block_size]."""
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


def _cuts(falling: NDArray[np.int32], budget: int, *, shapes: FewShapes | None) -> list[tuple[int, int]]:
    """Return [start, end) ranges of decreasing lengths whose padded size stays within the budget."""
    falling = falling if shapes is None else shapes.lengths(falling)
    cuts: list[tuple[int, int]] = []
    start = 0
    while start < len(falling):
        count = max(1, budget // max(1, int(falling[start])))
        if shapes is not None:
            count = power_of_two(min(count, len(falling) - start))
        end = min(len(falling), start + count)
        cuts.append((start, end))
        start = end
    return cuts

"""Permutes the images or labels of an encoded split, for the control `shuffled`."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any  # a column's values are its kind's own

import numpy as np

from trainables.data.encoded_split import EncodedTask
from trainables.data.images import IndirectColumn

LABEL_COLUMN = "label"


class PermutedColumn(Sequence[Any]):
    """A column in another order.

    Args:
        column: The column.
        order: Number of the item at each position, shape [num_examples].
    """

    def __init__(self, column: Sequence[Any], *, order: np.ndarray) -> None:
        self._column, self._order = column, order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: Any) -> Any:
        """Return the item at a position."""
        return self._column[int(self._order[index])]


def with_shuffled_labels(task: EncodedTask, *, seed: int) -> EncodedTask:
    """Return a task whose examples have the labels of other examples; texts and class frequencies do not change.

    Args:
        task: A task with a `label` column and at least two examples.
        seed: Seed of the permutation, which is cyclic.
    """
    return _permuted(task, columns=(LABEL_COLUMN,), seed=seed)


def with_shuffled_images(task: EncodedTask, *, seed: int) -> EncodedTask:
    """Return a task whose examples have the images of other examples (both, where an example has two).

    Args:
        task: A task with images and at least two examples.
        seed: Seed of the permutation. It is cyclic, so no example keeps its own images.
    """
    return _permuted(task, columns=task.spec.image_columns, seed=seed)


def _permuted(task: EncodedTask, *, columns: Sequence[str], seed: int) -> EncodedTask:
    visited = np.random.default_rng(seed).permutation(len(task))
    order = np.empty(len(task), dtype=np.int64)
    order[visited] = np.roll(visited, 1)
    shuffled = copy.copy(task)
    moved = {name: _reordered(task.columns[name], order=order) for name in columns}
    shuffled.columns = {**task.columns, **moved}
    return shuffled


def _reordered(column: Sequence[Any], *, order: np.ndarray) -> Sequence[Any]:
    # Images stay a column of numbers, so that features can still replace them.
    return column.reordered(order) if isinstance(column, IndirectColumn) else PermutedColumn(column, order=order)

"""Joins a task's encoded splits in several languages into one split, one after the other."""

from __future__ import annotations

import bisect
import copy
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, cast  # Any: a column's values are its kind's own

import numpy as np
from numpy.typing import NDArray

from trainables.data.columns import ListColumn
from trainables.data.encoded_split import EncodedTask


class ChainedColumn(Sequence[Any]):
    """Several columns, read one after the other.

    Args:
        parts: The columns, at least one.
    """

    def __init__(self, parts: Sequence[Sequence[Any]]) -> None:
        self._parts = parts
        self._ends = list(accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: Any) -> Any:
        """Return item i."""
        part = bisect.bisect_right(self._ends, index)
        return self._parts[part][index - (self._ends[part - 1] if part else 0)]

    def value_counts(self, num_values: int) -> NDArray[np.int64]:
        """Return how often each whole number below `num_values` occurs, over columns of number lists."""
        counts = [cast("ListColumn", part).value_counts(num_values) for part in self._parts]
        return np.sum(counts, axis=0)


def chained(parts: Sequence[EncodedTask]) -> EncodedTask:
    """Return encoded splits of one task in several languages as one split.

    Args:
        parts: The splits, at least one, of a task without images.
    """
    if len(parts) == 1:
        return parts[0]
    whole = copy.copy(parts[0])
    whole.columns = {name: _chained_column([part.columns[name] for part in parts]) for name in parts[0].columns}
    whole.lengths = np.concatenate([part.lengths for part in parts])
    whole.split_rows = tuple(rows for part in parts for rows in part.split_rows)
    whole.fingerprint = "+".join(part.fingerprint for part in parts)
    return whole


def _chained_column(parts: Sequence[Sequence[Any]]) -> Sequence[Any]:
    if all(isinstance(part, np.ndarray) for part in parts):
        return cast("Sequence[Any]", np.concatenate(cast("Sequence[NDArray[Any]]", parts)))
    return ChainedColumn(parts)

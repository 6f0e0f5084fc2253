"""Columns of a memory-mapped Arrow file as numpy views: reading an example reads only its own bytes.

Only scalar columns are copied, and nothing is decoded before it is requested.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast  # Any: what a column holds depends on its kind, and pyarrow is untyped

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


class ListColumn(Sequence[NDArray[Any]]):
    """A column of number lists: item i is a read-only view of the file.

    Args:
        chunks: For each chunk of the file, its values and the offsets of the items in them.
    """

    def __init__(self, chunks: Sequence[tuple[NDArray[Any], NDArray[np.integer]]]) -> None:
        self._values = [values for values, _ in chunks]
        self._offsets = [offsets.tolist() for _, offsets in chunks]
        self._ends = np.cumsum([len(offsets) - 1 for offsets in self._offsets]).tolist()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: Any) -> Any:
        """Return item i, an array of any length."""
        chunk = bisect.bisect_right(self._ends, index)
        local = index - (self._ends[chunk - 1] if chunk else 0)
        offsets = self._offsets[chunk]
        return self._values[chunk][offsets[local] : offsets[local + 1]]

    def value_counts(self, num_values: int) -> NDArray[np.int64]:
        """Return how often each whole number from 0 to `num_values` - 1 occurs in the whole column."""
        counts = np.zeros(num_values, dtype=np.int64)
        for values, offsets in zip(self._values, self._offsets, strict=True):
            counts += np.bincount(values[offsets[0] : offsets[-1]], minlength=num_values)
        return counts


class ObjectColumn(Sequence[Any]):
    """A column of texts, bytes or lists of texts: item i is created when it is requested.

    Args:
        values: The Arrow column.
    """

    def __init__(self, values: Any) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        """Return item i."""
        return self._values[int(index)].as_py()


class Example(Mapping[str, Any]):
    """One example: a view of the columns at an index, read field by field.

    Args:
        columns: The columns.
        index: The example's number.
    """

    __slots__ = ("_columns", "_index")

    def __init__(self, columns: Mapping[str, Sequence[Any]], index: int) -> None:
        self._columns, self._index = columns, index

    def __getitem__(self, name: str) -> Any:
        """Return the value in a column."""
        return self._columns[name][self._index]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def open_columns(path: Path) -> dict[str, Sequence[Any]]:
    """Return the columns of an Arrow IPC file, memory-mapped.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be read, or is not an Arrow file.
    """
    # pyarrow keeps the file mapped as long as a view of it exists.
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    return {name: _column(table.column(name)) for name in table.column_names}


def _column(values: Any) -> Sequence[Any]:
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return cast("Sequence[Any]", values.to_numpy())
    if pa.types.is_list(kind) and pa.types.is_integer(kind.value_type):
        chunks = [(chunk.values.to_numpy(), chunk.offsets.to_numpy()) for chunk in values.chunks]
        return ListColumn(chunks)
    return ObjectColumn(values)

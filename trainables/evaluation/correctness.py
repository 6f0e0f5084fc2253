"""Reads which items of an evaluation were right, for the comparison of trials. It reads whole columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any  # Any: pyarrow makes its functions when it is imported

import numpy as np
import pyarrow.compute
import pyarrow.parquet as pq
from numpy.typing import NDArray

pc: Any = pyarrow.compute

FILE = "predictions.parquet"
"""Name of the file (`trainables.evaluation.predictions`), repeated here because that module loads torch."""


def read_correctness(path: Path, *, languages: Sequence[str]) -> NDArray[np.float64] | None:
    """Return for each item the share of languages in which it was predicted right, in the order of the first language.

    Args:
        path: The file.
        languages: Languages to read; at least one.

    Returns:
        One number for each item, or None if languages are not parallel or an answer is not one label.
    """
    table = pq.read_table(path, columns=["language", "item", "gold", "prediction"])
    rows: list[NDArray[np.float64]] = []
    items: list[str] | None = None
    for language in languages:
        part = table.filter(pc.equal(table["language"], language))
        gold, predicted = (part[name].combine_chunks() for name in ("gold", "prediction"))
        if not part.num_rows or not all(
            pc.all(pc.equal(pc.list_value_length(column), 1)).as_py() for column in (gold, predicted)
        ):
            return None
        names = part["item"].to_pylist()
        items = items or names
        if names != items:
            return None
        rows.append(np.asarray(pc.equal(pc.list_flatten(gold), pc.list_flatten(predicted)), dtype=np.float64))
    return np.mean(rows, axis=0)


def read_units(path: Path, *, language: str) -> NDArray[np.int64] | None:
    """Return the number of each item's premise or paragraph; None where the file does not tell.

    Args:
        path: The file.
        language: Its items are read, in their order.
    """
    if "unit" not in pq.read_schema(path).names:
        return None
    table = pq.read_table(path, columns=["language", "unit"])
    units = table.filter(pc.equal(table["language"], language))["unit"].to_pylist()
    if not all(units):
        return None
    return np.unique(np.asarray(units, dtype=np.str_), return_inverse=True)[1].astype(np.int64)

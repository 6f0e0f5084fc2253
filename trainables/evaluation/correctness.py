"""Which items of an evaluation's file were right: what comparing trials resamples. Reads columns, builds no objects."""

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
"""Name of the file (`trainables.evaluation.predictions`), said again because that module loads torch."""


def read_correctness(path: Path, *, languages: Sequence[str]) -> NDArray[np.float64] | None:
    """Return for each item the mean over languages of whether it was predicted right, in the order of the first one.

    Args:
        path: The file.
        languages: Which to take; at least one.

    Returns:
        One number an item, or None where languages are not parallel or an answer is not one label.
    """
    table = pq.read_table(path, columns=["language", "item", "gold", "prediction"])
    rows: list[NDArray[np.float64]] = []
    items: list[str] | None = None
    for language in languages:
        part = table.filter(pc.equal(table["language"], language))
        gold, said = (part[name].combine_chunks() for name in ("gold", "prediction"))
        if not part.num_rows or not all(pc.all(pc.equal(pc.list_value_length(one), 1)).as_py() for one in (gold, said)):
            return None
        names = part["item"].to_pylist()
        items = items or names
        if names != items:
            return None
        rows.append(np.asarray(pc.equal(pc.list_flatten(gold), pc.list_flatten(said)), dtype=np.float64))
    return np.mean(rows, axis=0)

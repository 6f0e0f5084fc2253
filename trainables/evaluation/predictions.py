"""Writes and reads the file of an evaluation's items: Parquet, one row for each item, by language and source order.

Columns: `language`, `item`, `gold` (list of texts), `prediction` (list of texts), `scores` (list of numbers), `unit`;
see `trainables.evaluation.items.Item`. Files of earlier versions have no `unit`. The file is complete when its stage is
complete: the manifest is written after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any  # Any: pyarrow is untyped

import pyarrow as pa
import pyarrow.parquet as pq

from trainables.evaluation.items import Item

PREDICTIONS = "predictions.parquet"
"""Name of the file, in an evaluation stage's folder."""

_SCHEMA = pa.schema(
    [
        ("language", pa.string()),
        ("item", pa.string()),
        ("gold", pa.list_(pa.string())),
        ("prediction", pa.list_(pa.string())),
        ("scores", pa.list_(pa.float64())),
        ("unit", pa.string()),
    ]
)


def write_predictions(items: Mapping[str, Sequence[Item]], path: Path) -> None:
    """Write items.

    Args:
        items: Language -> its items.
        path: The file.
    """
    rows = [(language, one) for language, of_language in items.items() for one in of_language]
    columns: dict[str, Any] = {"language": [language for language, _ in rows]}
    for name in ("item", "gold", "prediction", "scores", "unit"):
        columns[name] = [getattr(one, name) for _, one in rows]
    pq.write_table(pa.table(columns, schema=_SCHEMA), path)


def read_predictions(path: Path) -> dict[str, list[Item]]:
    """Return language -> items of a file."""
    items: dict[str, list[Item]] = {}
    for row in pq.read_table(path).to_pylist():
        items.setdefault(row.pop("language"), []).append(Item(**row))
    return items

"""Reads class names from the schema of a Parquet file, where `datasets` writes them. No `datasets` here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any  # Any: the metadata is a document of `datasets`, and pyarrow is untyped

from trainables.tasks.spec import FileSource, TaskSpec

CLASS_COLUMNS = ("label", "tags")
"""Columns of kinds that hold classes."""

_METADATA = b"huggingface"


def names_of_file(path: Path, *, spec: TaskSpec) -> dict[str, tuple[str, ...]]:
    """Return column of the kind -> names that a file gives to its class numbers, for columns that have names.

    Args:
        path: One of the task's files; only Parquet files hold names.
        spec: The task.
    """
    if not isinstance(spec.source, FileSource) or spec.source.format != "parquet":
        return {}
    facts = path.stat()
    features = json.loads(_features(path, facts.st_size, facts.st_mtime_ns))
    columns = {ours: spec.columns[ours] for ours in CLASS_COLUMNS if ours in spec.columns}
    found = {ours: _names(features, theirs) for ours, theirs in columns.items() if isinstance(theirs, str)}
    return {ours: names for ours, names in found.items() if names}


def _names(features: Any, column: str) -> tuple[str, ...]:
    """Return the names of the classes in a column; `a.b` is field b of column a."""
    for part in (column,) if column in features else column.split("."):
        features = _item_feature(features)
        features = features.get(part) if isinstance(features, Mapping) else None
    inner = _item_feature(features)
    names = inner.get("names") if isinstance(inner, Mapping) and inner.get("_type") == "ClassLabel" else None
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _item_feature(feature: Any) -> Any:
    """Return the feature of a list's items: of `Sequence` (older versions), `List`, `LargeList`, or a list of one."""
    while True:
        if isinstance(feature, list) and len(feature) == 1:
            feature = feature[0]
        elif isinstance(feature, Mapping) and isinstance(feature.get("_type"), str) and "feature" in feature:
            feature = feature["feature"]
        else:
            return feature


@lru_cache(maxsize=256)
def _features(path: Path, size: int, mtime_ns: int) -> str:
    """Return the features in a file's schema as JSON; an empty object if the file is not Parquet or has none."""
    del size, mtime_ns  # they are arguments so that a changed file is read again
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        written = (pq.read_schema(path).metadata or {}).get(_METADATA, b"{}")
        features = json.loads(written)["info"]["features"]
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        return "{}"  # reading the rows raises an error that says what is wrong with the file
    return json.dumps(features if isinstance(features, dict) else {})

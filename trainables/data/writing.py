"""Encoding a split into an Arrow file, in chunks, and publishing it atomically."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast  # Any: encoded values are the kind's own, and pyarrow is untyped

import numpy as np
import pyarrow as pa

from trainables.data.request import EncodedRequest
from trainables.errors import TaskDataError
from trainables.tasks.kind import EncodingContext
from trainables.tasks.kinds import kind

if TYPE_CHECKING:
    from datasets import Dataset

FILE = "examples.arrow"
"""Name of the Arrow file in a cache's folder."""

ROWS_PER_CHUNK = 2000
"""Rows that are tokenised and written at a time."""


def write_encoded(folder: Path, *, rows: Dataset, request: EncodedRequest) -> None:
    """Encode rows into `folder`, which is complete once it exists: it is made under another name and renamed.

    Args:
        folder: The cache's folder for this content; when another process makes it first, its copy stays.
        rows: The split.
        request: How it is encoded.

    Raises:
        TaskDataError: A row does not fit the task, or none has a usable label.
    """
    part = folder.with_name(f".{folder.name[:16]}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part")
    part.mkdir(parents=True)
    try:
        if _write_file(part / FILE, rows=rows, request=request) == 0:
            msg = (
                f"cannot encode task {request.spec.name!r}: split {request.split!r} has {len(rows)} rows and 0 usable "
                "examples, it needs at least 1; check its labels"
            )
            raise TaskDataError(msg)
        _publish(part, folder=folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _publish(part: Path, *, folder: Path) -> None:
    try:
        part.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was faster, with the same content
            raise


def _write_file(path: Path, *, rows: Dataset, request: EncodedRequest) -> int:
    num_examples = 0
    with path.open("wb") as file:
        writer: pa.RecordBatchFileWriter | None = None
        for chunk in _encoded_chunks(rows, request=request):
            table = _arrow(chunk)
            writer = writer or pa.ipc.new_file(file, table.schema)
            writer.write_table(table)
            num_examples += table.num_rows
        if writer is not None:
            writer.close()
        file.flush()
        os.fsync(file.fileno())
    return num_examples


def _encoded_chunks(rows: Dataset, *, request: EncodedRequest) -> Iterator[dict[str, list[Any]]]:
    context = EncodingContext(spec=request.spec, tokenizer=request.tokenizer.tokenizer, max_length=request.max_length)
    encoder = kind(request.spec.kind)
    if request.num_examples is not None:
        rows = rows.select(range(min(len(rows), request.num_examples)))
    for start in range(0, len(rows), ROWS_PER_CHUNK):
        chunk = cast("dict[str, list[Any]]", rows[start : start + ROWS_PER_CHUNK])
        size = len(next(iter(chunk.values())))
        encoded = encoder.encode({**chunk, "row": range(start, start + size)}, context)
        if encoded["length"]:
            yield encoded


def _arrow(encoded: Mapping[str, list[Any]]) -> Any:
    return pa.table({name: _arrow_column(values) for name, values in encoded.items()})


def _arrow_column(values: list[Any]) -> Any:
    """Return a column with whole numbers as int32, whether or not its first lists are empty."""
    first = next((value for value in values if not isinstance(value, list) or value), None)
    probe = first[0] if isinstance(first, list) else first
    if isinstance(probe, int | np.integer):
        return pa.array(values, type=pa.list_(pa.int32()) if isinstance(values[0], list) else pa.int32())
    if isinstance(first, list | None):
        return pa.array(values, type=pa.list_(pa.string()))
    return pa.array(values)

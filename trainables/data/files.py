"""A user's own files: where they are, what identifies them, and their rows. No `datasets` here.

Read by Python's own csv and json, not by pandas as `datasets` does: pandas takes the first column for an index when a
row has a cell too many, fills up rows that are short, and guesses types (a text `01` becomes 1); here such a row is
refused with its line. Tables then go through `trainables.data.load` like any other source.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO  # Any: a cell holds what the user's file holds, and pyarrow is untyped

from trainables.config.frozen import content_key
from trainables.errors import TaskDataError, near_matches
from trainables.tasks.spec import FileSource, TaskSpec

ROWS_PER_BATCH = 1000
"""Rows of a parquet file that are in memory at a time."""

MAX_CELL_CHARACTERS = 2**31 - 1
"""Python's csv reads 131,072 at most unless it is told otherwise."""

Row = tuple[str, dict[str, Any]]
"""Where a row stands, such as `train.csv, line 12`, and its cells by column."""


def source_files(spec: TaskSpec, *, split: str, language: str) -> list[Path]:
    """Return the files of one of the source's splits, in order.

    Args:
        spec: A task with files.
        split: The source's split.
        language: Replaces `{language}` in their names.

    Raises:
        TaskDataError: The source has no such split, or a file is not there.
    """
    source = _source(spec)
    if split not in source.files:
        msg = (
            f"cannot read task {spec.name!r}: splits: {split!r} is no split of source.files"
            f"{near_matches(split, source.files)}; they are {', '.join(source.files)}; correct `splits`"
        )
        raise TaskDataError(msg)
    names = [name.replace("{language}", language) for name in source.files[split]]
    return [_existing(Path(source.folder or ".") / name, name=name, split=split, spec=spec) for name in names]


def files_digest(spec: TaskSpec) -> str:
    """Return a hash of the content of all files of a task, whatever their names, place and times.

    Raises:
        TaskDataError: A file is not there.
    """
    return content_key(
        {
            split: {
                language: [_file_hash(path) for path in source_files(spec, split=split, language=language)]
                for language in spec.languages
            }
            for split in _source(spec).files
        }
    )


def checked_digest(spec: TaskSpec) -> str:
    """Return the hash of a task's files after comparing it with the one that its specification holds.

    Raises:
        TaskDataError: A file is not there, or has changed since the specification was made.
    """
    digest, expected = files_digest(spec), _source(spec).digest
    if expected is not None and digest != expected:
        msg = (
            f"the files of task {spec.name!r} have changed: their SHA-256 was {expected[:12]} and is {digest[:12]} (in "
            f"{_source(spec).folder}); scores on other rows are not comparable: restore the files, or start anew under "
            "another name"
        )
        raise TaskDataError(msg)
    return digest


def read_rows(path: Path, *, spec: TaskSpec) -> Iterator[Row]:
    """Yield the rows of a file.

    Args:
        path: The file.
        spec: The task that it belongs to.

    Raises:
        TaskDataError: The file cannot be decoded or parsed, or lacks a column; names the file and the line.
    """
    source = _source(spec)
    if source.format == "parquet":
        yield from _parquet_rows(path, spec=spec)
        return
    try:
        # A byte order mark, which Excel writes, would become part of the first column's name.
        with path.open(encoding="utf-8-sig" if source.encoding == "utf-8" else source.encoding, newline="") as file:
            yield from _TEXT_READERS[source.format](file, path, spec)
    except UnicodeDecodeError as error:
        raise _not_decodable(path, spec=spec, error=error) from None
    except OSError as error:
        msg = f"cannot read task {spec.name!r}: source.files: {path.name}: {error.strerror}; correct it"
        raise TaskDataError(msg) from None


def _csv_rows(file: TextIO, path: Path, spec: TaskSpec) -> Iterator[Row]:
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    reader = csv.reader(file, delimiter=_source(spec).delimiter, strict=True)
    try:
        header = next(reader, [])
        _check_header(header, path=path, spec=spec)
        for cells in reader:
            if len(cells) not in {0, len(header)}:
                problem = f"has {len(cells)} cells, the header has {len(header)}; put a cell that holds the delimiter "
                raise _wrong(path, f"line {reader.line_num}", problem + "in quotes, or set source.delimiter", spec=spec)
            if cells:
                yield f"{path.name}, line {reader.line_num}", dict(zip(header, cells, strict=True))
    except csv.Error as error:
        problem = f"is no csv ({error}); correct its quotes"
        raise _wrong(path, f"line {reader.line_num}", problem, spec=spec) from None


def _jsonl_rows(file: TextIO, path: Path, spec: TaskSpec) -> Iterator[Row]:
    first = True
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise _wrong(path, f"line {number}", f"is no JSON ({error}); correct it", spec=spec) from None
        yield _object(row, place=f"line {number}", first=first, path=path, spec=spec)
        first = False


def _json_rows(file: TextIO, path: Path, spec: TaskSpec) -> Iterator[Row]:
    try:
        rows = json.load(file)
    except ValueError as error:
        raise _wrong(path, "", f"is no JSON ({error}); for a row a line set source.format: jsonl", spec=spec) from None
    if not isinstance(rows, list):
        raise _wrong(path, "", f"holds a {type(rows).__name__}, not a list of rows; correct it", spec=spec)
    for number, row in enumerate(rows, 1):
        yield _object(row, place=f"row {number}", first=number == 1, path=path, spec=spec)


def _object(row: Any, *, place: str, first: bool, path: Path, spec: TaskSpec) -> Row:
    if not isinstance(row, dict):
        raise _wrong(path, place, f"holds {row!r}, not an object of columns; correct it", spec=spec)
    if first:
        _check_columns(list(row), path=path, spec=spec, place=place)
    return f"{path.name}, {place}", row


def _parquet_rows(path: Path, *, spec: TaskSpec) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _check_columns(file.schema_arrow.names, path=path, spec=spec)
            number = 0
            for batch in file.iter_batches(ROWS_PER_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield f"{path.name}, row {number}", row
    except (pa.ArrowException, OSError) as error:
        raise _wrong(path, "", f"is no parquet ({error}); write it anew", spec=spec) from None


_TEXT_READERS = {"csv": _csv_rows, "json": _json_rows, "jsonl": _jsonl_rows}


def _check_header(header: list[str], *, path: Path, spec: TaskSpec) -> None:
    if not header:
        raise _wrong(path, "", "is empty, it needs a line with the columns' names and rows below; fill it", spec=spec)
    twins = [name for name in header if header.count(name) > 1]
    if twins:
        raise _wrong(path, "line 1", f"names column {twins[0]!r} twice; rename one", spec=spec)
    _check_columns(header, path=path, spec=spec)


def _check_columns(found: list[str], *, path: Path, spec: TaskSpec, place: str = "") -> None:
    for ours, theirs in spec.columns.items():
        for name in (theirs,) if isinstance(theirs, str) else theirs:
            if name not in found and name.split(".")[0] not in found:
                where = f"{path.name}, {place}:" if place else path.name
                raise _no_column(name, ours=ours, found=found, where=where, spec=spec)


def _no_column(name: str, *, ours: str, found: list[str], where: str, spec: TaskSpec) -> TaskDataError:
    single = next((mark for mark in ";\t|," if len(found) == 1 and mark in found[0]), None)
    step = f"set source.delimiter: {single!r}" if single else f"correct columns.{ours}"
    return TaskDataError(
        f"cannot read task {spec.name!r}: columns.{ours}: {where} has no column {name!r}"
        f"{near_matches(name, found)}; it has {', '.join(found)}; {step}"
    )


def _not_decodable(path: Path, *, spec: TaskSpec, error: UnicodeDecodeError) -> TaskDataError:
    encoding, line = _source(spec).encoding, 0
    # The reader decodes blocks: the line is found again, where lines can be told apart before they are decoded.
    with path.open("rb") as file:
        for number, text in enumerate(file, 1):
            try:
                text.decode(encoding)
            except UnicodeDecodeError as found:
                line, error = number, found
                break
    byte = error.object[error.start]
    problem = f"byte 0x{byte:02x} is no {encoding}; set source.encoding (Excel writes cp1252), or save it as UTF-8"
    return _wrong(path, f"line {line}" if line else "", problem, spec=spec)


def _wrong(path: Path, place: str, problem: str, *, spec: TaskSpec) -> TaskDataError:
    where = f"{path.name}, {place}" if place else path.name
    return TaskDataError(f"cannot read task {spec.name!r}: source.files: {where}: {problem}")


def _existing(path: Path, *, name: str, split: str, spec: TaskSpec) -> Path:
    if path.is_file():
        return path
    nearby = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    msg = (
        f"cannot read task {spec.name!r}: source.files.{split}: there is no file {name!r}"
        f"{near_matches(path.name, nearby)}; names are relative to {path.parent}; correct it or add the file"
    )
    raise TaskDataError(msg)


def _source(spec: TaskSpec) -> FileSource:
    assert isinstance(spec.source, FileSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    return spec.source


def _file_hash(path: Path) -> str:
    facts = path.stat()
    return _content_hash(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=4096)
def _content_hash(path: Path, size: int, mtime_ns: int) -> str:
    del size, mtime_ns  # they are arguments so that a changed file is read again
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

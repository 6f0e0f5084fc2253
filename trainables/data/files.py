"""A user's own files: where they are, what identifies them, and their rows. No `datasets` here.

How bytes become rows is in `trainables.data.file_formats`. Tables then go through `trainables.data.load` like any other
source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from trainables.config.frozen import content_key
from trainables.data.file_formats.data_file import DataFile, Row, shown
from trainables.data.file_formats.delimited import delimited_rows, long_cells
from trainables.data.file_formats.dialects import default_quoting
from trainables.data.file_formats.json_documents import json_rows, jsonl_rows
from trainables.data.file_formats.parquet import parquet_rows
from trainables.errors import TaskDataError, near_matches
from trainables.tasks.spec import FileSource, TaskSpec


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
                language: [_file_hash(path, spec=spec) for path in source_files(spec, split=split, language=language)]
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
        TaskDataError: The file cannot be decoded or parsed, or lacks a column; names the file and the line or row.
    """
    yield from _READERS[_source(spec).format](DataFile(path=path, spec=spec))


def with_quoting(spec: TaskSpec) -> TaskSpec:
    """Return a task whose source names its quoting, where its files have one that is not csv's.

    Args:
        spec: A task with files that are there.

    Raises:
        TaskDataError: A file is not there, cannot be decoded, or does not say which quoting it has.
    """
    source = _source(spec)
    if source.format != "csv" or source.quoting is not None:
        return spec
    named = [
        path
        for split in source.files
        for language in spec.languages
        for path in source_files(spec, split=split, language=language)
    ]
    quoting = default_quoting(spec, paths=list(dict.fromkeys(named)))
    return spec.model_copy(update={"source": source.model_copy(update={"quoting": quoting})})


def long_cells_note(spec: TaskSpec, *, split: str, language: str) -> str | None:
    """Return a note of the quoted cells of a split that hold a line break and the delimiter, or None.

    They are read because the task says `quoting: standard`; where a quote is part of the text, they are lost rows.

    Args:
        spec: A task.
        split: One of its splits.
        language: One of its languages.

    Raises:
        TaskDataError: A file is not there, or cannot be decoded or parsed.
    """
    if not isinstance(spec.source, FileSource) or spec.source.quoting != "standard":
        return None
    paths = [path for name in spec.splits[split] for path in source_files(spec, split=name, language=language)]
    files = [DataFile(path=path, spec=spec) for path in paths]
    found = [file.place(f"line {line}") for file in files for line in long_cells(file)]
    if not found:
        return None
    return (
        f"{split} {language}: {len(found)} quoted cells hold a line break and the delimiter, the first in {found[0]}; "
        "if their quotes are part of the text, rows are lost: set source.quoting: none"
    )


_READERS = {"csv": delimited_rows, "json": json_rows, "jsonl": jsonl_rows, "parquet": parquet_rows}


def _existing(path: Path, *, name: str, split: str, spec: TaskSpec) -> Path:
    try:
        if path.is_file():
            return path
        problem = f"{name!r} is a folder, and a file is needed" if path.is_dir() else _missing(path, name=name)
    except (OSError, ValueError) as error:  # a name that is too long, holds a NUL, or lies where nobody may look
        problem = f"{shown(name)} cannot be looked up ({getattr(error, 'strerror', None) or error})"
    msg = (
        f"cannot read task {spec.name!r}: source.files.{split}: {problem}; names are relative to {path.parent}; "
        "correct it or add the file"
    )
    raise TaskDataError(msg)


def _missing(path: Path, *, name: str) -> str:
    nearby = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    return f"there is no file {name!r}{near_matches(path.name, nearby)}"


def _source(spec: TaskSpec) -> FileSource:
    assert isinstance(spec.source, FileSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    return spec.source


def _file_hash(path: Path, *, spec: TaskSpec) -> str:
    try:
        facts = path.stat()
        return _content_hash(path, facts.st_size, facts.st_mtime_ns)
    except OSError as error:
        problem = f"cannot be read ({error.strerror}); give yourself the right to read it, or correct its name"
        raise DataFile(path=path, spec=spec).wrong(problem) from None


@lru_cache(maxsize=4096)
def _content_hash(path: Path, size: int, mtime_ns: int) -> str:
    del size, mtime_ns  # they are arguments so that a changed file is read again
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

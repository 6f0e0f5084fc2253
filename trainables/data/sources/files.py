"""Finds, hashes and reads a user's own files. No `datasets` here.

`trainables.data.file_formats` converts bytes to rows. `trainables.data.sources.loader` makes tables of the rows, as for
every other source.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trainables.config.frozen import content_key
from trainables.data.file_formats.data_file import DataFile, Row, shown
from trainables.data.file_formats.delimited import delimited_rows, long_cells
from trainables.data.file_formats.dialects import default_quoting
from trainables.data.file_formats.json_documents import json_rows, jsonl_rows
from trainables.data.file_formats.parquet import parquet_rows
from trainables.errors import TaskDataError, near_matches
from trainables.file_hashes import file_hash
from trainables.tasks.spec import FileSource, TaskSpec


def source_files(spec: TaskSpec, *, split: str, language: str) -> list[Path]:
    """Return the files of one split of the source, in order.

    Args:
        spec: A task with files.
        split: The source's split.
        language: Replaces `{language}` in file names.

    Raises:
        TaskDataError: The source does not have the split, or a file is missing.
    """
    source = _source(spec)
    if split not in source.files:
        msg = (
            f"cannot read task {spec.name!r}: splits: source.files has no split {split!r}"
            f"{near_matches(split, source.files)}; it has {', '.join(source.files)}; correct `splits`"
        )
        raise TaskDataError(msg)
    names = [name.replace("{language}", language) for name in source.files[split]]
    return [_checked_file(Path(source.folder or ".") / name, name=name, split=split, spec=spec) for name in names]


def files_digest(spec: TaskSpec) -> str:
    """Return a hash of the content of all files of a task; names, paths and times do not change it.

    Raises:
        TaskDataError: A file is missing.
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
    """Return the hash of a task's files, after comparing it with the hash in the task's specification.

    Raises:
        TaskDataError: A file is missing, or has changed since the specification was made.
    """
    digest, expected = files_digest(spec), _source(spec).digest
    if expected is not None and digest != expected:
        msg = (
            f"the files of task {spec.name!r} in {_source(spec).folder} have changed: their SHA-256 was "
            f"{expected[:12]} and is now {digest[:12]}; scores on other rows cannot be compared; restore the files, or "
            "give the changed task a new name"
        )
        raise TaskDataError(msg)
    return digest


def read_rows(path: Path, *, spec: TaskSpec) -> Iterator[Row]:
    """Yield the rows of a file.

    Args:
        path: The file.
        spec: The task that the file belongs to.

    Raises:
        TaskDataError: The file cannot be decoded or parsed, or a column is missing; the message names file and line.
    """
    yield from _READERS[_source(spec).format](DataFile(path=path, spec=spec))


def with_quoting(spec: TaskSpec) -> TaskSpec:
    """Return a task whose source has `quoting` set, if its files need another quoting than the default of csv.

    Args:
        spec: A task whose files exist.

    Raises:
        TaskDataError: A file is missing, cannot be decoded, or its quoting is ambiguous.
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
    """Return a warning about quoted cells of a split that hold a line break and the delimiter, or None.

    The task sets `quoting: standard`, so they are read as cells. If a quote is part of the text, rows are lost in them.

    Args:
        spec: A task.
        split: One of its splits.
        language: One of its languages.

    Raises:
        TaskDataError: A file is missing, or cannot be decoded or parsed.
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


def _checked_file(path: Path, *, name: str, split: str, spec: TaskSpec) -> Path:
    try:
        if path.is_file():
            return path
        is_folder = f"{name!r} is a folder, but must be a file" if path.is_dir() else None
        problem = is_folder or _missing_message(path, name=name, spec=spec)
    except (OSError, ValueError) as error:  # the name is too long or holds a NUL, or a folder has no read permission
        problem = f"{shown(name)} cannot be opened ({getattr(error, 'strerror', None) or error})"
    msg = (
        f"cannot read task {spec.name!r}: source.files.{split}: {problem}; names are relative to {path.parent}; "
        "correct the name or add the file"
    )
    raise TaskDataError(msg)


def _missing_message(path: Path, *, name: str, spec: TaskSpec) -> str:
    """Return that a file does not exist, with near names that the task does not use already: those are other splits."""
    used = {Path(other).name for names in _source(spec).files.values() for other in names}
    nearby = [other.name for other in path.parent.iterdir() if other.name not in used] if path.parent.is_dir() else []
    return f"the file {name!r} does not exist{near_matches(path.name, nearby)}"


def _source(spec: TaskSpec) -> FileSource:
    assert isinstance(spec.source, FileSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    return spec.source


def _file_hash(path: Path, *, spec: TaskSpec) -> str:
    try:
        return file_hash(path)
    except OSError as error:
        problem = f"cannot be read ({error.strerror}); correct its permissions or its name"
        raise DataFile(path=path, spec=spec).error(problem) from None

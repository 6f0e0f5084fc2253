"""Chooses the quoting of csv files if the task does not set it (docs/decisions/0022)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path, PurePath
from typing import Literal

from trainables.data.file_formats.data_file import DataFile, shown
from trainables.data.file_formats.decoded_text import text_lines
from trainables.data.file_formats.quotes import QUOTE, is_surely_quoted
from trainables.tasks.spec import TaskSpec


def default_quoting(spec: TaskSpec, *, paths: list[Path]) -> Literal["none"] | None:
    """Return the quoting of a task's files if the task does not set it: `none`, or None for that of csv.

    Files that end in `.tsv` have no quoting, and neither have tab-separated files that do not end in `.csv`. If none of
    them holds a quote, both readings give the same rows. Then the result is None, so that stages that were made before
    the setting existed keep their keys.

    Args:
        spec: A task with csv files.
        paths: All its files.

    Raises:
        TaskDataError: A file cannot be decoded, or has cells that are certainly quoted; the message names the line.
    """
    files = [DataFile(path=path, spec=spec) for path in paths]
    if not files or not _is_without_quoting(files[0]):
        return None
    return "none" if any([_holds_quotes(file) for file in files]) else None  # noqa: C419  (every file is checked)


def _is_without_quoting(file: DataFile) -> bool:
    ending = PurePath(file.path.name.lower().removesuffix(".gz")).suffix
    return ending == ".tsv" or (ending != ".csv" and file.source.delimiter == "\t")


def _holds_quotes(file: DataFile) -> bool:
    facts = file.path.stat()
    return _checked_quotes(file.path, facts.st_size, facts.st_mtime_ns, file.spec.model_dump_json())


@lru_cache(maxsize=4096)
def _checked_quotes(path: Path, size: int, mtime_ns: int, spec_json: str) -> bool:
    del size, mtime_ns  # they are arguments so that a changed file is read again
    file, found = DataFile(path=path, spec=TaskSpec.model_validate_json(spec_json)), False
    for number, line in enumerate(text_lines(file.text), 1):
        if QUOTE not in line:
            continue
        found = True
        for cell in line.rstrip("\r\n").split(file.source.delimiter):
            if is_surely_quoted(cell):
                problem = (
                    f"holds {shown(cell)}, which looks quoted, but {path.suffix} files have no quoting by default; set "
                    "source.quoting: standard, or none if the quotes are part of the text"
                )
                raise file.error(problem, where=f"line {number}")
    return found

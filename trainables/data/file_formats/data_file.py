"""One data file of a user's task: its error messages, and the check of its columns."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol  # Any: a cell holds what the user's file holds

from trainables.errors import TaskDataError, near_matches
from trainables.tasks.spec import FileSource, TaskSpec

MAX_SHOWN_CHARACTERS = 60
"""Longest name or value that a message shows."""

MAX_SHOWN_COLUMNS = 30
"""Most columns of a file that a message lists."""

Row = tuple[str, dict[str, Any]]
"""Position of a row, such as `train.csv, line 12`, and its cells by column."""


class ErrorFactory(Protocol):
    """A function that makes the errors of a file."""

    def __call__(self, problem: str, *, where: str = "") -> TaskDataError:
        """Return the error about a problem; `where` is a line or a row."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFile:
    """A text file.

    Args:
        path: The file.
        encoding: Its encoding, by any name that Python knows.
        what: Its format, such as `csv`, for messages.
        error: Makes the errors of the file.
    """

    path: Path
    encoding: str
    what: str
    error: ErrorFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A data file and the task that reads it.

    Args:
        path: The file.
        spec: The task; its source is a `FileSource`.
    """

    path: Path
    spec: TaskSpec

    @property
    def source(self) -> FileSource:
        """The task's source."""
        assert isinstance(self.spec.source, FileSource)  # noqa: S101  (narrows the type; our own bug otherwise)
        return self.spec.source

    @property
    def text(self) -> TextFile:
        """The file as text."""
        return TextFile(path=self.path, encoding=self.source.encoding, what=self.source.format, error=self.error)

    def place(self, where: str) -> str:
        """Return the position of a row for messages: `train.csv, line 12`."""
        return f"{self.path.name}, {where}"

    def error(self, problem: str, *, where: str = "") -> TaskDataError:
        """Return the error about a problem with the file, or with one of its lines or rows."""
        place = self.place(where) if where else self.path.name
        return TaskDataError(f"cannot read task {self.spec.name!r}: source.files: {place}: {problem}")

    def cell_error(self, problem: str, *, where: str, ours: str, theirs: str) -> TaskDataError:
        """Return the error about a problem with a cell.

        Args:
            problem: What is wrong, the rule, and the next step.
            where: Line or row of the cell.
            ours: Column of the kind.
            theirs: Column of the file.
        """
        return TaskDataError(
            f"cannot read task {self.spec.name!r}: {self.place(where)}: column {theirs!r} (columns.{ours}) {problem}"
        )

    def named_columns(self) -> list[tuple[str, str]]:
        """Return the columns that the task names, as pairs of the kind's column and the file's column."""
        return [
            (ours, name)
            for ours, theirs in self.spec.columns.items()
            for name in ((theirs,) if isinstance(theirs, str) else theirs)
        ]

    def check_columns(self, found: Sequence[str], *, where: str) -> None:
        """Check that a file has every column that the task names exactly once. Other columns can occur twice.

        Args:
            found: Names of the file's columns.
            where: Line or row that holds the names.

        Raises:
            TaskDataError: A column is missing, or occurs twice.
        """
        for ours, name in self.named_columns():
            column = top_column(name, found)
            if column not in found:
                raise self._no_column(name, ours=ours, found=found, where=where)
            if found.count(column) > 1:
                problem = f"has two columns {column!r}, but columns.{ours} needs one; rename one of them in the file"
                raise self.error(problem, where=where)

    def _no_column(self, name: str, *, ours: str, found: Sequence[str], where: str) -> TaskDataError:
        short = [other for other in found if len(other) <= MAX_SHOWN_CHARACTERS]
        # The line is shown only for JSON, where each object has its own keys; a header is always the first line.
        place = f"{self.place(where)}:" if self.source.format.startswith("json") else self.path.name
        return TaskDataError(
            f"cannot read task {self.spec.name!r}: columns.{ours}: {place} has no column {name!r}"
            f"{near_matches(name, short)}; it has {shown_names(found)}; {self._next_step(name, ours=ours, found=found)}"
        )

    def _next_step(self, name: str, *, ours: str, found: Sequence[str]) -> str:
        delimiter = next((mark for mark in ";\t|," if len(found) == 1 and mark in found[0]), None)
        if delimiter:
            return f"set source.delimiter: {yaml_text(delimiter)}"
        if f'"{name}"' in found:
            return "the file's column names are in quotes: set source.quoting: standard"
        header = ", or add a first line with the column names" if self.source.format == "csv" else ""
        return f"correct columns.{ours}{header}"


def top_column(name: str, found: Container[str]) -> str:
    """Return the column that holds a name: `choices` for `choices.text`, unless `choices.text` is a column itself."""
    return name if name in found else name.partition(".")[0]


def surrogate_problem(text: str) -> str | None:
    """Return what is wrong with a text that holds half of a surrogate pair, or None. Tokenizers reject such texts."""
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = f"\\u{ord(text[error.start]):04x}"
        return f"holds half of a surrogate pair ({code} at character {error.start}); remove or complete the character"
    return None


def yaml_text(character: str) -> str:
    """Return a character as it is written in YAML: in quotes, a tab as its escape."""
    return '"\\t"' if character == "\t" else f"{character!r}"


def shown(value: Any) -> str:
    """Return a value as a message shows it: on one line, and not too long."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[: MAX_SHOWN_CHARACTERS - 1]}…"


def shown_names(names: Sequence[str]) -> str:
    """Return names of columns as a message shows them; in quotes where they hold invisible characters."""
    visible = [name if name and name.isprintable() and name == name.strip() else repr(name) for name in names]
    short = [name if len(name) <= MAX_SHOWN_CHARACTERS else f"{name[: MAX_SHOWN_CHARACTERS - 1]}…" for name in visible]
    more = f" and {len(names) - MAX_SHOWN_COLUMNS} more" if len(names) > MAX_SHOWN_COLUMNS else ""
    return ", ".join(short[:MAX_SHOWN_COLUMNS]) + more

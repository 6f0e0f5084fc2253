"""One file of a user's task: what is said about it, and whether it has the columns that the task names."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol  # Any: a cell holds what the user's file holds

from trainables.errors import TaskDataError, near_matches
from trainables.tasks.spec import FileSource, TaskSpec

MAX_SHOWN_CHARACTERS = 60
"""Longest name or value that a message repeats."""

MAX_SHOWN_COLUMNS = 30
"""Columns of a file that a message lists."""

Row = tuple[str, dict[str, Any]]
"""Where a row stands, such as `train.csv, line 12`, and its cells by column."""


class Refusal(Protocol):
    """What makes the error that says what is wrong with a file."""

    def __call__(self, problem: str, *, where: str = "") -> TaskDataError:
        """Return the error; `where` is a line or a row."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFile:
    """A file of text, whoever reads it.

    Args:
        path: The file.
        encoding: Its encoding, by any name that Python knows.
        what: What it must be, such as `csv`, for messages.
        wrong: What makes its errors.
    """

    path: Path
    encoding: str
    what: str
    wrong: Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A file and the task that reads it.

    Args:
        path: The file.
        spec: The task; its source are files.
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
        return TextFile(path=self.path, encoding=self.source.encoding, what=self.source.format, wrong=self.wrong)

    def place(self, where: str) -> str:
        """Return what a message calls a row: `train.csv, line 12`."""
        return f"{self.path.name}, {where}"

    def wrong(self, problem: str, *, where: str = "") -> TaskDataError:
        """Return the error that says what is wrong with the file, and in which line or row."""
        place = self.place(where) if where else self.path.name
        return TaskDataError(f"cannot read task {self.spec.name!r}: source.files: {place}: {problem}")

    def wrong_cell(self, problem: str, *, where: str, ours: str, theirs: str) -> TaskDataError:
        """Return the error that says what is wrong with a cell.

        Args:
            problem: What is wrong, the rule, and the next step.
            where: Its line or row.
            ours: The kind's column.
            theirs: The file's column.
        """
        return TaskDataError(
            f"cannot read task {self.spec.name!r}: {self.place(where)}: column {theirs!r} (columns.{ours}) {problem}"
        )

    def named_columns(self) -> list[tuple[str, str]]:
        """Return the columns that the task names: the kind's column and the file's, joined ones one by one."""
        return [
            (ours, name)
            for ours, theirs in self.spec.columns.items()
            for name in ((theirs,) if isinstance(theirs, str) else theirs)
        ]

    def check_columns(self, found: Sequence[str], *, where: str) -> None:
        """Return when a file has every column that the task names, each once; others may stand there twice.

        Args:
            found: Names of the file's columns.
            where: Line or row that names them.

        Raises:
            TaskDataError: One is missing, or is there twice.
        """
        for ours, name in self.named_columns():
            column = top_column(name, found)
            if column not in found:
                raise self._no_column(name, ours=ours, found=found, where=where)
            if found.count(column) > 1:
                problem = f"names column {column!r} twice, and columns.{ours} reads it; rename one"
                raise self.wrong(problem, where=where)

    def _no_column(self, name: str, *, ours: str, found: Sequence[str], where: str) -> TaskDataError:
        short = [other for other in found if len(other) <= MAX_SHOWN_CHARACTERS]
        # A header's line is no news; each JSON object has keys of its own.
        place = f"{self.place(where)}:" if self.source.format.startswith("json") else self.path.name
        return TaskDataError(
            f"cannot read task {self.spec.name!r}: columns.{ours}: {place} has no column {name!r}"
            f"{near_matches(name, short)}; it has {shown_names(found)}; {self._step(name, ours=ours, found=found)}"
        )

    def _step(self, name: str, *, ours: str, found: Sequence[str]) -> str:
        single = next((mark for mark in ";\t|," if len(found) == 1 and mark in found[0]), None)
        if single:
            return f"set source.delimiter: {yaml_text(single)}"
        if f'"{name}"' in found:
            return "its names are in quotes: set source.quoting: standard"
        first = ", or put a line with the columns' names first" if self.source.format == "csv" else ""
        return f"correct columns.{ours}{first}"


def top_column(name: str, found: Container[str]) -> str:
    """Return the column that a name is looked up in: `choices.text` lies in `choices`, unless it is a column itself."""
    return name if name in found else name.partition(".")[0]


def half_a_character(text: str) -> str | None:
    """Return what is wrong with a text that holds half a surrogate pair, which no tokenizer takes, or None."""
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = f"\\u{ord(text[error.start]):04x}"
        return f"holds half a character ({code} at character {error.start}, half of a pair); remove or complete it"
    return None


def yaml_text(character: str) -> str:
    """Return a character as a YAML file has it: in quotes, and a tab by its escape."""
    return '"\\t"' if character == "\t" else f"{character!r}"


def shown(value: Any) -> str:
    """Return a value for a message: on one line, and not too long."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[: MAX_SHOWN_CHARACTERS - 1]}…"


def shown_names(names: Sequence[str]) -> str:
    """Return names of columns for a message; in quotes where they hold what cannot be seen."""
    seen = [name if name and name.isprintable() and name == name.strip() else repr(name) for name in names]
    short = [name if len(name) <= MAX_SHOWN_CHARACTERS else f"{name[: MAX_SHOWN_CHARACTERS - 1]}…" for name in seen]
    more = f" and {len(names) - MAX_SHOWN_COLUMNS} more" if len(names) > MAX_SHOWN_COLUMNS else ""
    return ", ".join(short[:MAX_SHOWN_COLUMNS]) + more

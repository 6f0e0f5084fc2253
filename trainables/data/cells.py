"""The cells of a user's files in the form that a kind reads: texts, class numbers, lists. Pure.

What does not fit is refused by file, line, column and value, so that it can be found in an editor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any  # Any: a cell holds what the user's file holds

from trainables.data.answers import ANSWER_FIELDS, answer_lists
from trainables.data.files import read_rows, source_files
from trainables.errors import TaskDataError, near_matches
from trainables.tasks.formats import FORMATS, Content
from trainables.tasks.spec import FileSource, TaskSpec

UNLABELLED = -1
"""Number of an empty label: the row is left out, as where the hub's data sets say -1."""

MAX_SHOWN_CHARACTERS = 60
"""Longest part of a cell that a message repeats."""


def file_rows(spec: TaskSpec, *, split: str, language: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of one of the source's splits under the kind's column names.

    Args:
        spec: A task with files.
        split: The source's split.
        language: Which of its languages.

    Raises:
        TaskDataError: A file or a cell does not fit; names file, line, column and value.
    """
    for path in source_files(spec, split=split, language=language):
        for place, row in read_rows(path, spec=spec):
            yield _fitting(row, place=place, spec=spec)


def _fitting(row: Mapping[str, Any], *, place: str, spec: TaskSpec) -> dict[str, Any]:
    contents = FORMATS[spec.kind].columns
    cells: dict[str, Any] = {}
    for ours in (name for name in contents if name in spec.columns):  # answers need their context, labels their choices
        theirs = spec.columns[ours]
        cell = _Cell(spec, place=place, name=ours, row=cells)
        value = _look_up(row, theirs) if isinstance(theirs, str) else [_look_up(row, name) for name in theirs]
        cells[ours] = cell.fitting(value, content=contents[ours])
    return cells


def _look_up(row: Mapping[str, Any], name: str) -> Any:
    """Return a cell; `choices.text` reaches into the object in `choices`."""
    value: Any = row
    for part in (name,) if name in row else name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


class _Cell:
    """One cell: knows how to convert it and how to complain about it."""

    def __init__(self, spec: TaskSpec, *, place: str, name: str, row: Mapping[str, Any]) -> None:
        self._spec, self._place, self._name, self._row = spec, place, name, row

    def fitting(self, value: Any, *, content: Content) -> Any:
        """Return the value as the kind reads it."""
        converters = {
            "text": self._text,
            "maybe_text": self._maybe_text,
            "texts": self._texts,
            "some_texts": self._some_texts,
            "words": self._words,
            "class": self._class,
            "classes": self._classes,
            "choice": self._choice,
            "answers": self._answers,
            "image": self._image,
            "id": self._id,
        }
        return converters[content](value)

    def _text(self, value: Any) -> str:
        source = self._spec.source
        if value is None or (value == "" and isinstance(source, FileSource) and source.format == "csv"):
            raise self._wrong("is empty, and it must hold a text; fill it or remove the row")
        if not isinstance(value, str):
            raise self._wrong(f"holds {_shown(value)}, and it must hold a text; put it in quotes")
        return value

    def _maybe_text(self, value: Any) -> str | None:
        return None if value is None or value == "" else self._text(value)

    def _texts(self, value: Any) -> list[str]:
        if not isinstance(value, list) or not value:
            raise self._wrong(f"holds {_shown(value)}, and it must hold a list of texts")
        return [self._text(text) for text in value]

    def _some_texts(self, value: Any) -> list[str]:
        return self._texts([value] if isinstance(value, str) else value)

    def _words(self, value: Any) -> list[str]:
        return [self._text(word) for word in self._items(value)]

    def _items(self, value: Any) -> list[Any]:
        """Return a list; a csv cell is one whose items stand between spaces."""
        items = value.split() if isinstance(value, str) else value
        if not isinstance(items, list):
            raise self._wrong(f"holds {_shown(value)}, and it must hold a list, or words with spaces between them")
        return items

    def _classes(self, value: Any) -> list[int]:
        classes = [self._class(item) for item in self._items(value)]
        num_words = len(self._row["tokens"])
        if len(classes) != num_words:
            raise self._wrong(f"holds {len(classes)} tags for {num_words} words; give one for each word")
        return classes

    def _class(self, value: Any) -> int:
        names = self._spec.label_values or self._spec.labels
        return self._number(value, names=names, limit=len(self._spec.labels))

    def _choice(self, value: Any) -> int:
        return self._number(value, names=self._spec.label_values, limit=len(self._row["choices"]))

    def _number(self, value: Any, *, names: tuple[str, ...], limit: int) -> int:
        if value is None or value == "":
            return UNLABELLED
        if isinstance(value, bool):
            value = str(value).lower()  # JSON's true and false are labels by name, not numbers
        if isinstance(value, str) and value in names:
            return names.index(value)
        number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
        # Where the task says how its labels are written, a number is one of them or a slip.
        written = bool(self._spec.label_values)
        if isinstance(number, int) and UNLABELLED <= number < limit and not written:
            return number
        rule = f"none of {', '.join(names)}" if names else f"no number from 0 to {limit - 1}"
        near = near_matches(str(value), names)
        raise self._wrong(f"holds {_shown(value)}, which is {rule}{near}; correct it or the task's label_values")

    def _answers(self, value: Any) -> dict[str, list[Any]]:
        value = answer_lists(value)
        if isinstance(value, list) and len(value) == len(ANSWER_FIELDS):
            text, start = value
            value = {"text": [text], "answer_start": [start]} if text else {"text": [], "answer_start": []}
        if not isinstance(value, Mapping) or not all(isinstance(value.get(name), list) for name in ANSWER_FIELDS):
            raise self._wrong(f"holds {_shown(value)}, and it must hold the lists text and answer_start, as in SQuAD")
        texts = [self._text(text) for text in value["text"]]
        starts = [self._start(start) for start in value["answer_start"]]
        if len(texts) != len(starts):
            raise self._wrong(f"holds {len(texts)} texts and {len(starts)} starts; there must be as many")
        context = self._row["context"]
        for text, start in zip(texts, starts, strict=True):
            if start > len(context) or context[start : start + len(text)] != text:
                raise self._wrong(f"holds {_shown(text)} at character {start}, where the context has another text")
        return {"text": texts, "answer_start": starts}

    def _start(self, value: Any) -> int:
        number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise self._wrong(f"holds {_shown(value)} as an answer's start, and it must be a character, from 0")
        return number

    def _id(self, value: Any) -> str:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else self._text(value)

    def _image(self, value: Any) -> dict[str, Any]:
        content = value.get("bytes") if isinstance(value, Mapping) else value
        if not isinstance(content, bytes):
            raise self._wrong(f"holds {_shown(value)}, and it must hold an image's bytes, as `datasets` writes them")
        return {"bytes": content, "path": None}

    def _wrong(self, problem: str) -> TaskDataError:
        theirs = self._spec.columns[self._name]
        column = theirs if isinstance(theirs, str) else ", ".join(theirs)
        return TaskDataError(
            f"cannot read task {self._spec.name!r}: {self._place}: column {column!r} (columns.{self._name}) {problem}"
        )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[: MAX_SHOWN_CHARACTERS - 1]}…"

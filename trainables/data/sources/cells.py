"""Converts the cells of a user's files to the form that a kind reads: texts, class numbers, lists. Pure.

An error names file, line, column and value, so that the user can find the cell in an editor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any  # Any: a cell holds what the user's file holds

from trainables.data.labels.classes import UNLABELLED, Classes, NoClassError, Reading, shown
from trainables.data.labels.squad_answers import NoAnswersError, squad_answers
from trainables.data.sources.class_names import CLASS_COLUMNS, names_of_file
from trainables.data.sources.files import read_rows, source_files
from trainables.errors import TaskDataError
from trainables.number_words import number_of
from trainables.tasks.formats import FORMATS, Content
from trainables.tasks.spec import FileSource, TaskSpec

_ABSENT = object()


def file_rows(spec: TaskSpec, *, split: str, language: str, reading: Reading | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of one split of the source under the kind's column names.

    Args:
        spec: A task with files.
        split: The source's split.
        language: One of the task's languages.
        reading: Counts that are increased while labels are read.

    Raises:
        TaskDataError: A file or a cell is not valid; the message names file, line, column and value.
    """
    reading = reading or Reading()
    for path in source_files(spec, split=split, language=language):
        names = names_of_file(path, spec=spec)
        classes = {
            column: Classes(spec, source_names=names.get(column, ()), reading=reading)
            for column in (*CLASS_COLUMNS, "answers")
        }
        for place, row in read_rows(path, spec=spec):
            if not _is_of_language(row, place=place, spec=spec, language=language):
                continue
            reading.num_rows += 1
            yield _converted(row, place=place, spec=spec, classes=classes)


def _is_of_language(row: Mapping[str, Any], *, place: str, spec: TaskSpec, language: str) -> bool:
    """Return whether a row belongs to a language, where `source.where` tells."""
    where = spec.source.where if isinstance(spec.source, FileSource) else None
    if where is None:
        return True
    if where.column not in row:
        found = ", ".join(map(str, row))
        rule = f"but source.where chooses rows by it; the row has {found}; correct `source.where.column`"
        raise TaskDataError(f"cannot read task {spec.name!r}: {place}: no column {where.column!r}, {rule}")
    return str(row[where.column] or "").startswith(where.start(language, names={}))


def is_left_out(row: Mapping[str, Any]) -> bool:
    """Return whether a row under the kind's column names is left out: it has no label, no words or no texts."""
    if any(row.get(name, _ABSENT) in (None, UNLABELLED) for name in ("label", "tags", "answers")):
        return True
    return row.get("tokens", _ABSENT) == [] or (row.get("query", _ABSENT) is None and row.get("candidate") is None)


def with_answers(columns: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Return the rows whose answers are not null: null means unknown answers, empty answers mean "no answer".

    Args:
        columns: Column of the kind (or `row`) -> values.
    """
    answers = columns.get("answers", ())
    kept = [number for number, value in enumerate(answers) if value is not None]
    if len(kept) == len(answers):
        return dict(columns)
    return {name: [values[number] for number in kept] for name, values in columns.items()}


def _converted(row: Mapping[str, Any], *, place: str, spec: TaskSpec, classes: Mapping[str, Classes]) -> dict[str, Any]:
    contents = FORMATS[spec.kind].columns
    cells: dict[str, Any] = {}
    # In the kind's order, because answers need the context, and labels need the choices.
    for ours in (name for name in contents if name in spec.columns):
        theirs = spec.columns[ours]
        cell = _Cell(spec, place=place, name=ours, row=cells, classes=classes.get(ours))
        value = cell.look_up(row, theirs) if isinstance(theirs, str) else [cell.look_up(row, name) for name in theirs]
        cells[ours] = cell.converted(value, content=contents[ours])
    return cells


class _Cell:
    """Converts one cell, and makes the errors about it."""

    def __init__(
        self, spec: TaskSpec, *, place: str, name: str, row: Mapping[str, Any], classes: Classes | None
    ) -> None:
        self._spec, self._place, self._name, self._row, self._classes = spec, place, name, row, classes

    def look_up(self, row: Mapping[str, Any], name: str) -> Any:
        """Return the value of a cell; `choices.text` is the field `text` of the object in `choices`.

        Raises:
            TaskDataError: The row does not have the key. (Null is the way to write that there is no value.)
        """
        value: Any = row
        for part in (name,) if name in row else name.split("."):
            if value is not None and not isinstance(value, Mapping):
                rule = f"but must hold an object with the field {part!r}, because the task reads {name!r}"
                raise self._error(f"holds {shown(value)}, {rule}; write an object")
            value = None if value is None else value.get(part, _ABSENT)
            if value is _ABSENT:
                found = ", ".join(map(str, row))
                raise self._error(f"is missing; the row has {found}; add {name!r} (null if there is no value)")
        return value

    def converted(self, value: Any, *, content: Content) -> Any:
        """Return the value in the form that the kind reads."""
        converters = {
            "text": self._text,
            "maybe_text": self._maybe_text,
            "texts": self._texts,
            "some_texts": self._some_texts,
            "words": self._words,
            "class": self._class,
            "classes": self._tags,
            "choice": self._choice,
            "answers": self._answers,
            "image": self._image,
            "id": self._id,
        }
        return converters[content](value)

    def _text(self, value: Any) -> str:
        source = self._spec.source
        if value is None or (value == "" and isinstance(source, FileSource) and source.format == "csv"):
            raise self._error("is empty, but must hold a text; fill it or remove the row")
        if not isinstance(value, str):
            raise self._error(f"holds {shown(value)}, but must hold a text; put it in quotes")
        return value

    def _maybe_text(self, value: Any) -> str | None:
        return None if value is None or value == "" else self._text(value)

    def _texts(self, value: Any) -> list[str]:
        if not isinstance(value, list) or not value:
            raise self._error(f"holds {shown(value)}, but must hold a list of texts; correct it")
        return [self._text(text) for text in value]

    def _some_texts(self, value: Any) -> list[str] | None:
        if value is None and self._is_unlabelled(value):  # answers can be unlabelled, a caption cannot
            return None
        return self._texts([value] if isinstance(value, str) else value)

    def _words(self, value: Any) -> list[str]:
        return [self._text(word) for word in self._items(value)]

    def _items(self, value: Any) -> list[Any]:
        """Return a list; a text (of a csv cell) is split at spaces."""
        items = value.split() if isinstance(value, str) else value
        if not isinstance(items, list):
            rule = "but must hold a list, or words with spaces between them"
            raise self._error(f"holds {shown(value)}, {rule}; correct it")
        return items

    def _tags(self, value: Any) -> list[int] | None:
        if (value is None or value == "") and self._is_unlabelled(value):
            return None
        num_classes = len(self._spec.labels)
        numbers = [self._number(item, num_classes=num_classes) for item in self._items(value)]
        num_words = len(self._row["tokens"])
        if len(numbers) != num_words:
            counts = f"{number_of(len(numbers), 'tag')} for {number_of(num_words, 'word')}"
            raise self._error(f"holds {counts}; write one tag for each word")
        return numbers

    def _class(self, value: Any) -> int:
        return self._number(value, num_classes=len(self._spec.labels))

    def _choice(self, value: Any) -> int:
        return self._number(value, num_classes=len(self._row["choices"]))

    def _number(self, value: Any, *, num_classes: int) -> int:
        assert self._classes is not None  # noqa: S101  (otherwise a bug of xstilts)
        try:
            return self._classes.number(value, num_classes=num_classes)
        except NoClassError as error:
            raise self._error(f"holds {error.shown}, which is {error.rule}") from None

    def _is_unlabelled(self, value: Any) -> bool:
        return self._classes is not None and self._classes.is_unlabelled(value)

    def _answers(self, value: Any) -> dict[str, list[Any]] | None:
        if value is None and self._is_unlabelled(value):
            return None
        try:
            return squad_answers(value, context=self._row["context"])
        except NoAnswersError as error:
            raise self._error(str(error)) from None

    def _id(self, value: Any) -> str:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else self._text(value)

    def _image(self, value: Any) -> dict[str, Any]:
        content = value.get("bytes") if isinstance(value, Mapping) else value
        if not isinstance(content, bytes):
            rule = "but must hold the bytes of an image, as `datasets` writes them"
            raise self._error(f"holds {shown(value)}, {rule}; write the file with `datasets`")
        return {"bytes": content, "path": None}

    def _error(self, problem: str) -> TaskDataError:
        theirs = self._spec.columns[self._name]
        column = theirs if isinstance(theirs, str) else ", ".join(theirs)
        return TaskDataError(
            f"cannot read task {self._spec.name!r}: {self._place}: column {column!r} (columns.{self._name}) {problem}"
        )

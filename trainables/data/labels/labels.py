"""Converts labels, tags and answers of a loaded table to the form that a kind reads, from any form of the source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any  # Any: a raw label is the data set's own

import datasets

from trainables.data.labels.classes import Classes, NoClassError, Reading
from trainables.data.labels.squad_answers import NoAnswersError, squad_answers
from trainables.errors import TaskDataError
from trainables.tasks.formats import FORMATS
from trainables.tasks.spec import TaskSpec

_NUMBER = datasets.Value("int64")
_ANSWERS = {"text": datasets.List(datasets.Value("string")), "answer_start": datasets.List(datasets.Value("int32"))}


def with_class_numbers(rows: datasets.Dataset, *, spec: TaskSpec, reading: Reading | None = None) -> datasets.Dataset:
    """Return rows whose labels or tags are class numbers in the task's order (-1 for no label), and SQuAD's answers.

    Args:
        rows: Rows under the kind's column names.
        spec: The task, for its classes and the values that mean "no label".
        reading: Counts that are increased while labels are read.

    Raises:
        TaskDataError: A label is not a class, or answers have a wrong form.
    """
    reading = reading or Reading()
    reading.num_rows += len(rows)
    content = FORMATS[spec.kind].columns
    columns = [column for column in ("label", "tags", "answers") if column in content and column in rows.column_names]
    if "tokens" in rows.column_names and _is_text(rows.features["tokens"]):
        words = [None if text is None else text.split() for text in rows["tokens"]]
        rows = _replaced(rows, "tokens", values=words, feature=datasets.List(datasets.Value("string")))
    for column in columns:
        rows = _BY_COLUMN[column](rows, spec=spec, reading=reading)
    return rows


def _with_labels(rows: datasets.Dataset, *, spec: TaskSpec, reading: Reading) -> datasets.Dataset:
    classes = Classes(spec, source_names=_names(rows.features["label"]), reading=reading)
    return _replaced(rows, "label", values=_labels(rows, spec=spec, classes=classes), feature=_NUMBER)


def _with_tags(rows: datasets.Dataset, *, spec: TaskSpec, reading: Reading) -> datasets.Dataset:
    inner: Any = getattr(rows.features["tags"], "feature", None)
    classes = Classes(spec, source_names=_names(inner), reading=reading)
    return _replaced(rows, "tags", values=_tags(rows, spec=spec, classes=classes), feature=datasets.List(_NUMBER))


def _names(feature: Any) -> tuple[str, ...]:
    return tuple(feature.names) if isinstance(feature, datasets.ClassLabel) else ()


def _is_text(feature: Any) -> bool:
    return getattr(feature, "dtype", None) in {"string", "large_string"}


def _labels(rows: datasets.Dataset, *, spec: TaskSpec, classes: Classes) -> list[int]:
    counts = [len(spec.labels)] * len(rows)
    if FORMATS[spec.kind].columns["label"] == "choice":
        counts = [len(choices) for choices in rows["choices"]]
    number = _numbering(spec, classes=classes)
    return [number(value, row, count) for row, (value, count) in enumerate(zip(rows["label"], counts, strict=True))]


def _tags(rows: datasets.Dataset, *, spec: TaskSpec, classes: Classes) -> list[list[int] | None]:
    number, count = _numbering(spec, classes=classes), len(spec.labels)
    numbers: list[list[int] | None] = []
    for row, tags in enumerate(rows["tags"]):
        items: Sequence[Any] | None = tags.split() if isinstance(tags, str) else tags
        if items is None or tags == "":
            numbers.append(None if classes.is_unlabelled(tags) else [number(tags, row, count)])
        else:
            numbers.append([number(tag, row, count) for tag in items])
    return numbers


def _numbering(spec: TaskSpec, *, classes: Classes) -> Callable[[Any, int, int], int]:
    def number(value: Any, row: int, num_classes: int) -> int:
        try:
            return classes.number(value, num_classes=num_classes)
        except NoClassError as error:
            msg = f"cannot load task {spec.name!r}: row {row}: the label {error.shown} is {error.rule}"
            raise TaskDataError(msg) from None

    return number


def _with_answers(rows: datasets.Dataset, *, spec: TaskSpec, reading: Reading) -> datasets.Dataset:
    """Return rows with answers in SQuAD's form. Answers that already have it are checked later, during encoding."""
    if _has_nulls(rows):
        rows = _with_nulls(rows, spec=spec, reading=reading)
    if FORMATS[spec.kind].columns["answers"] != "answers" or _is_squad(rows.features["answers"]):
        return rows
    values: list[Any] = []
    for row, (value, context) in enumerate(zip(rows["answers"], rows["context"], strict=True)):
        try:
            values.append(None if value is None else squad_answers(value, context=context))
        except NoAnswersError as error:
            msg = f"cannot load task {spec.name!r}: row {row}: column 'answers' {error}"
            raise TaskDataError(msg) from None
    return _replaced(rows, "answers", values=values, feature=_ANSWERS)


def _has_nulls(rows: datasets.Dataset) -> bool:
    answers: Any = rows.data.column("answers")
    return any(part.null_count for part in (answers, *answers.flatten()))


def _with_nulls(rows: datasets.Dataset, *, spec: TaskSpec, reading: Reading) -> datasets.Dataset:
    """Return rows whose answers are null if all their parts are null; `unlabelled` of the task must allow this."""
    classes = Classes(spec, reading=reading)
    values = [_null_if_all_parts_are(value) for value in rows["answers"]]
    for row, value in enumerate(values):
        if value is None and not classes.is_unlabelled(value):
            rule = "its answers are null, but `unlabelled` of the task does not contain ''"
            msg = f"cannot load task {spec.name!r}: row {row}: {rule}; add the answers, or add '' to `unlabelled`"
            raise TaskDataError(msg)
    return _replaced(rows, "answers", values=values, feature=rows.features["answers"])


def _null_if_all_parts_are(answers: Any) -> Any:
    return None if isinstance(answers, dict) and all(part is None for part in answers.values()) else answers


def _is_squad(feature: Any) -> bool:
    inner = (
        {part: getattr(feature.get(part), "feature", None) for part in _ANSWERS} if isinstance(feature, dict) else {}
    )
    return _is_text(inner.get("text")) and str(getattr(inner["answer_start"], "dtype", "")).startswith(("int", "uint"))


_BY_COLUMN = {"label": _with_labels, "tags": _with_tags, "answers": _with_answers}


def _replaced(rows: datasets.Dataset, column: str, *, values: list[Any], feature: Any) -> datasets.Dataset:
    if rows.features[column] == feature and list(rows[column]) == values:
        return rows
    return rows.remove_columns(column).add_column(column, values, feature=feature)  # pyright: ignore[reportCallIssue]  (fingerprints are optional)

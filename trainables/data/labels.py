"""Labels and tags as class numbers in the task's order, however the source writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any  # Any: a raw label is the data set's own

import datasets

from trainables.errors import TaskDataError
from trainables.tasks.spec import TaskSpec

SECRET = -1
"""Number of a label that the source keeps secret or did not agree on, as the hub's own data sets have it."""


def with_class_numbers(rows: datasets.Dataset, *, spec: TaskSpec) -> datasets.Dataset:
    """Return rows whose `label`, or each of whose `tags`, is a class number in the task's order.

    Args:
        rows: Rows under the kind's column names.
        spec: Its `labels`, or its `label_values` where the source writes other names, are the classes.

    Raises:
        TaskDataError: A label is none of them.
    """
    if "tags" in rows.column_names:
        inner: Any = getattr(rows.features["tags"], "feature", None)
        number = _numbering(inner, spec=spec)
        feature = datasets.List(datasets.Value("int64"))
        return rows if number is None else _replaced(rows, "tags", number=_each(number), feature=feature)
    if "label" not in rows.column_names:
        return rows
    feature = rows.features["label"]
    number = _numbering(feature, spec=spec)
    if number is not None:
        return _replaced(rows, "label", number=number, feature=datasets.Value("int64"))
    is_number = isinstance(feature, datasets.ClassLabel) or getattr(feature, "dtype", None) == "bool"
    return rows.cast_column("label", datasets.Value("int64")) if is_number else rows


def _replaced(rows: datasets.Dataset, column: str, *, number: Callable[[Any], Any], feature: Any) -> datasets.Dataset:
    values = [number(value) for value in rows[column]]
    return rows.remove_columns(column).add_column(column, values, feature=feature)  # pyright: ignore[reportCallIssue]  (a fingerprint is optional)


def _numbering(feature: Any, *, spec: TaskSpec) -> Callable[[Any], int] | None:
    """Return what makes a class number of a source's label, or None where it is one already."""
    classes = spec.label_values or spec.labels
    numbers = {value: number for number, value in enumerate(classes)}
    if isinstance(feature, datasets.ClassLabel):
        names = tuple(feature.names)
        if not classes or names == classes:
            return None
        return lambda label: _number(None if label is None or label < 0 else names[label], numbers=numbers, spec=spec)
    is_text = getattr(feature, "dtype", None) in {"string", "large_string"}
    if spec.label_values or (is_text and spec.labels):
        return lambda label: _number(label, numbers=numbers, spec=spec)
    return None


def _each(number: Callable[[Any], int]) -> Callable[[Any], list[int] | None]:
    return lambda labels: None if labels is None else [number(label) for label in labels]


def _number(label: Any, *, numbers: Mapping[str, int], spec: TaskSpec) -> int:
    if label is None or label == "":
        return SECRET
    if label not in numbers:
        msg = (
            f"cannot load task {spec.name!r}: label {label!r} is none of {', '.join(numbers)}; give the source's "
            "labels in the task's `label_values`"
        )
        raise TaskDataError(msg)
    return numbers[label]

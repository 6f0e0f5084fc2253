"""SQuAD's answers in the one form that the kind reads: a list of texts and a list of their first characters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast  # Any: a cell holds what its source holds

from trainables.tasks.spec import TaskSpec

if TYPE_CHECKING:
    from datasets import Dataset

ANSWER_FIELDS = ("text", "answer_start")


def with_answer_lists(rows: Dataset, *, spec: TaskSpec) -> Dataset:
    """Return rows whose `answers` are lists in an object, where the source has a list of objects.

    Args:
        rows: Rows under the kind's column names.
        spec: The task.
    """
    import datasets

    feature: Any = rows.features.get("answers")
    inner: Any = getattr(feature, "feature", None)
    if spec.kind != "span_qa" or not isinstance(inner, Mapping) or not set(ANSWER_FIELDS) <= set(inner):
        return rows
    answers = [answer_lists(value) for value in rows["answers"]]
    lists = {name: datasets.List(inner[name]) for name in ANSWER_FIELDS}
    return rows.remove_columns("answers").add_column("answers", answers, feature=lists)  # pyright: ignore[reportCallIssue, reportArgumentType]  (a fingerprint is optional)


def answer_lists(value: Any) -> Any:
    """Return a cell's answers as lists in an object; what are no answers comes back as it is.

    Args:
        value: A list of objects of a text and its first character, one such object, or what SQuAD has already.
    """
    answers = [value] if isinstance(value, Mapping) else value
    if not isinstance(answers, list) or not all(_is_one_answer(answer) for answer in cast("list[Any]", answers)):
        return value
    return {name: [answer[name] for answer in cast("list[Any]", answers)] for name in ANSWER_FIELDS}


def _is_one_answer(answer: Any) -> bool:
    return isinstance(answer, Mapping) and all(
        name in answer and not isinstance(answer[name], list) for name in ANSWER_FIELDS
    )

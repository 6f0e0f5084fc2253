"""The answers of visual question answering: reads people's answers, and builds the answer vocabulary of a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any  # Any: a raw row's answers are the data set's own

from trainables.errors import TaskDataError

FULL_CREDIT = 3
"""Number of people who must give an answer for full credit (Antol et al. 2015, arXiv 1505.00468, section 3)."""


def answers_of(value: Any, *, task: str) -> list[str]:
    """Return the answers that people gave to one question, in lower case, without surrounding spaces.

    Args:
        value: A text, a list of texts, a list of structs with a field `answer` (VQA v2 on the hub), the same as a
            struct of lists, or None where the answers are secret.
        task: Name of the task, for errors.

    Raises:
        TaskDataError: The value has another form.
    """
    if value is None:
        return []
    if isinstance(value, Mapping):
        value = value.get("answer")
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise _not_answers(value, task=task)
    texts = [answer.get("answer") if isinstance(answer, Mapping) else answer for answer in given]
    found = [text.strip().lower() for text in texts if isinstance(text, str)]
    if len(found) < len(texts):
        raise _not_answers(value, task=task)
    return found


def people_of(answers: Iterable[str]) -> dict[str, int]:
    """Return answer -> number of people who gave it, at most the number for full credit."""
    return {answer: min(count, FULL_CREDIT) for answer, count in Counter(answers).items()}


def commonest_answers(rows: Iterable[Any], *, num_answers: int, task: str) -> tuple[str, ...]:
    """Return the most frequent answers, each weighted by its credit; ties are in alphabetical order.

    Args:
        rows: The `answers` of each question.
        num_answers: Most answers to return.
        task: Name of the task, for errors.

    Raises:
        TaskDataError: The answers of a row have a wrong form, or all rows together have fewer than two answers.
    """
    totals: Counter[str] = Counter()
    for value in rows:
        totals.update(people_of(answers_of(value, task=task)))
    ranked = sorted(totals, key=lambda answer: (-totals[answer], answer))[:num_answers]
    if len(ranked) < 2:  # noqa: PLR2004
        msg = (
            f"cannot encode task {task!r}: its train split has {len(ranked)} different answers, but at least 2 are "
            "needed; check the task's column `answers`"
        )
        raise TaskDataError(msg)
    return tuple(ranked)


def _not_answers(value: object, *, task: str) -> TaskDataError:
    return TaskDataError(
        f"cannot encode task {task!r}: column 'answers' holds {value!r}, but must hold a text, a list of texts, or "
        "a list of structs with a field `answer`; correct the task's `columns`"
    )

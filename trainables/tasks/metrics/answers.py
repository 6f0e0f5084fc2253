"""The answers of visual question answering: how people's answers are read, and which of them a model can give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any  # Any: a raw row's answers are the data set's own

from trainables.errors import TaskDataError

FULL_CREDIT = 3
"""People who must have given an answer for it to count in full (Antol et al. 2015, arXiv 1505.00468, section 3)."""


def answers_of(value: Any, *, task: str) -> list[str]:
    """Return the answers that people gave to one question, lower case, without surrounding blanks.

    Args:
        value: A text, a list of texts, a list of structs with a field `answer` (the hub's VQA v2), the same as a
            struct of lists, or None where the answers are secret.
        task: Name of the task, for errors.

    Raises:
        TaskDataError: It is none of these.
    """
    if value is None:
        return []
    if isinstance(value, Mapping):
        value = value.get("answer")
    given = [value] if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise _no_answers(value, task=task)
    texts = [one.get("answer") if isinstance(one, Mapping) else one for one in given]
    found = [text.strip().lower() for text in texts if isinstance(text, str)]
    if len(found) < len(texts):
        raise _no_answers(value, task=task)
    return found


def people_of(answers: Iterable[str]) -> dict[str, int]:
    """Return answer -> how many people gave it, at most those that full credit takes."""
    return {answer: min(count, FULL_CREDIT) for answer, count in Counter(answers).items()}


def commonest_answers(rows: Iterable[Any], *, num_answers: int, task: str) -> tuple[str, ...]:
    """Return the answers that occur most often, each question's weighed by its credit; ties go by the alphabet.

    Args:
        rows: The `answers` of each question.
        num_answers: At most how many.
        task: Name of the task, for errors.

    Raises:
        TaskDataError: A row holds no answers, or all together have fewer than two.
    """
    totals: Counter[str] = Counter()
    for value in rows:
        totals.update(people_of(answers_of(value, task=task)))
    ranked = sorted(totals, key=lambda answer: (-totals[answer], answer))[:num_answers]
    if len(ranked) < 2:  # noqa: PLR2004
        msg = (
            f"cannot encode task {task!r}: its train split has {len(ranked)} different answers, and a model chooses "
            "among at least 2; check the task's column `answers`"
        )
        raise TaskDataError(msg)
    return tuple(ranked)


def _no_answers(value: object, *, task: str) -> TaskDataError:
    return TaskDataError(
        f"cannot encode task {task!r}: column 'answers' holds {value!r}, and it must hold a text, a list of texts, or "
        "a list of structs with a field `answer`; correct the task's `columns`"
    )

"""Converts answers in the forms of different data sets to SQuAD's form. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast  # Any: a raw row's answers are the data set's own

from trainables.data.labels.classes import shown, whole_number
from trainables.number_words import number_of

_PARTS = ("text", "answer_start")


class NoAnswersError(Exception):
    """A value has a wrong form, or an answer is not at its position in the context. The message has a next step."""


def squad_answers(value: Any, *, context: str) -> dict[str, list[Any]]:
    """Return answers as two lists, `text` and `answer_start` (characters); both are empty for no answer.

    Args:
        value: An object of two lists, as in SQuAD; a list of objects with one answer each; one such object;
            or a list of one text and its start.
        context: The text that contains the answers.

    Raises:
        NoAnswersError: The value has another form, or an answer is not at its position in the context.
    """
    texts, starts = _parts(value)
    if len(texts) != len(starts):
        counts = f"holds {number_of(len(texts), 'text')} and {number_of(len(starts), 'start')}"
        raise NoAnswersError(f"{counts}, but each text needs one start; correct them")
    if texts and all(text is None or text == "" for text in texts):
        return _no_answer(starts)
    numbers = [_start(start) for start in starts]
    for text, start in zip(texts, numbers, strict=True):
        if not isinstance(text, str) or not text:
            raise NoAnswersError(f"holds {shown(text)} as an answer, but an answer must be a text; put it in quotes")
        if start > len(context) or context[start : start + len(text)] != text:
            rule = f"holds {shown(text)} at character {start}, but the context has another text there"
            raise NoAnswersError(f"{rule}; correct the start (it counts characters from 0)")
    return {"text": list(texts), "answer_start": numbers}


def _parts(value: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    if _is_answer(value) and not any(isinstance(value[part], list) for part in _PARTS):
        return [value["text"]], [value["answer_start"]]
    if isinstance(value, Mapping):
        text, start = (cast("Mapping[str, Any]", value).get(part) for part in _PARTS)
        if isinstance(text, list) and isinstance(start, list):
            return cast("list[Any]", text), cast("list[Any]", start)
    elif isinstance(value, list) and all(_is_answer(answer) for answer in cast("list[Any]", value)):
        answers = cast("list[Any]", value)
        return [answer["text"] for answer in answers], [answer["answer_start"] for answer in answers]
    elif isinstance(value, list) and len(cast("list[Any]", value)) == len(_PARTS):
        text, start = cast("list[Any]", value)
        return [text], [start]
    forms = "the lists `text` and `answer_start`, as in SQuAD, or a list of objects with these fields"
    raise NoAnswersError(f"holds {shown(value)}, but must hold {forms}; correct it")


def _no_answer(starts: Sequence[Any]) -> dict[str, list[Any]]:
    """Return the value for no answer, after checking that empty texts have no start above 0."""
    for start in starts:
        if start not in (None, "") and ((number := whole_number(start)) is None or number > 0):
            rule = f"holds the start {shown(start)} without a text"
            raise NoAnswersError(f"{rule}; add the text, or remove the start")
    return {"text": [], "answer_start": []}


def _is_answer(value: Any) -> bool:
    return isinstance(value, Mapping) and all(part in value for part in _PARTS)


def _start(value: Any) -> int:
    number = whole_number(value)
    if number is None or number < 0:
        rule = f"holds {shown(value)} as the start of an answer, but a start must be a number of characters, 0 or more"
        raise NoAnswersError(f"{rule}; correct it")
    return number

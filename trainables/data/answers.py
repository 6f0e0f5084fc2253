"""SQuAD's answers in the forms that data sets write them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast  # Any: a raw row's answers are the data set's own

from trainables.data.classes import shown, whole_number

_PARTS = ("text", "answer_start")


class NoAnswersError(Exception):
    """A value holds no answers, or answers that do not stand in their context; says what and what to do."""


def squad_answers(value: Any, *, context: str) -> dict[str, list[Any]]:
    """Return answers as two lists, `text` and `answer_start` (characters), both empty where there is none.

    Args:
        value: An object of two lists, as in SQuAD; a list of objects with one answer each; one such object;
            or one text and its start.
        context: The text that they stand in.

    Raises:
        NoAnswersError: It is none of these, or an answer stands elsewhere than it says.
    """
    texts, starts = _parts(value)
    if len(texts) != len(starts):
        raise NoAnswersError(f"holds {len(texts)} texts and {len(starts)} starts; there must be as many")
    if texts and all(text is None or text == "" for text in texts):
        return _none(starts)
    numbers = [_start(start) for start in starts]
    for text, start in zip(texts, numbers, strict=True):
        if not isinstance(text, str) or not text:
            raise NoAnswersError(f"holds {shown(text)} as an answer, and it must be a text; put it in quotes")
        if start > len(context) or context[start : start + len(text)] != text:
            raise NoAnswersError(f"holds {shown(text)} at character {start}, where the context has another text")
    return {"text": list(texts), "answer_start": numbers}


def _parts(value: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    if _is_answer(value) and not any(isinstance(value[part], list) for part in _PARTS):
        return [value["text"]], [value["answer_start"]]
    if isinstance(value, Mapping):
        text, start = (cast("Mapping[str, Any]", value).get(part) for part in _PARTS)
        if isinstance(text, list) and isinstance(start, list):
            return cast("list[Any]", text), cast("list[Any]", start)
    elif isinstance(value, list) and all(_is_answer(one) for one in cast("list[Any]", value)):
        return [one["text"] for one in cast("list[Any]", value)], [
            one["answer_start"] for one in cast("list[Any]", value)
        ]
    elif isinstance(value, list) and len(cast("list[Any]", value)) == len(_PARTS):
        text, start = cast("list[Any]", value)
        return [text], [start]
    forms = "the lists text and answer_start, as in SQuAD, or a list of objects that have them"
    raise NoAnswersError(f"holds {shown(value)}, and it must hold {forms}")


def _none(starts: Sequence[Any]) -> dict[str, list[Any]]:
    """Return that there is no answer, as empty texts say whose starts name no place."""
    for start in starts:
        if start not in (None, "") and ((number := whole_number(start)) is None or number > 0):
            raise NoAnswersError(f"holds no text and the start {shown(start)}; give both, or leave both empty")
    return {"text": [], "answer_start": []}


def _is_answer(value: Any) -> bool:
    return isinstance(value, Mapping) and all(part in value for part in _PARTS)


def _start(value: Any) -> int:
    number = whole_number(value)
    if number is None or number < 0:
        raise NoAnswersError(f"holds {shown(value)} as an answer's start, and it must be a character, from 0")
    return number

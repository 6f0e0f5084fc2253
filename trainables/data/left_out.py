"""What is said of rows that make no example, and of texts that spell special tokens."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from trainables.data.classes import Reading
from trainables.results import MAX_SILENT_SHARE, SplitRows
from trainables.tasks.spec import KindName

MAX_NAMED = 5
"""Values that stand for no label that a message names, the commonest first."""

_WITHOUT: dict[KindName, str] = {
    "visual_question_answering": "they have no answers",
    "text_retrieval": "they have neither query nor candidate",
    "tagging": "they have no words",
}

log = logging.getLogger(__name__)
_told: set[str] = set()


def reason_of(reading: Reading, *, kind: KindName) -> str:
    """Return why rows of a split make no example.

    Args:
        reading: What was met in its labels.
        kind: Kind of its task.
    """
    if not reading.unlabelled:
        return _WITHOUT.get(kind, "they have no label")
    values = [value for value, _ in reading.unlabelled.most_common(MAX_NAMED)]
    return f"they have no label ({', '.join(values)})"


def warnings_of(splits: Iterable[SplitRows]) -> list[str]:
    """Return a warning for each split that more rows are left out of than may be in silence, and what spells tokens."""
    splits = list(splits)
    many = [one.left_out_words() for one in splits if one.num_left_out > MAX_SILENT_SHARE * one.num_rows]
    return many + [words for one in splits if (words := one.spelling_words())]


def is_new(warning: str) -> bool:
    """Return whether this process says a warning for the first time: many stages, and trials, read one split."""
    num_told = len(_told)
    _told.add(warning)
    return len(_told) > num_told


def tell_once(warning: str) -> None:
    """Log a warning unless this process has said it before."""
    if is_new(warning):
        log.warning("%s", warning)

"""Warnings about rows that are left out, and about texts that spell special tokens."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from trainables.data.labels.classes import Reading
from trainables.results import MAX_SILENT_SHARE, SplitRows
from trainables.tasks.spec import KindName

MAX_NAMED = 5
"""Most values meaning "no label" that a message names, the most frequent first."""

_REASONS: dict[KindName, str] = {
    "visual_question_answering": "they have no answers",
    "text_retrieval": "they have neither query nor candidate",
    "tagging": "they have no words",
}

log = logging.getLogger(__name__)
_logged: set[str] = set()


def reason_of(reading: Reading, *, kind: KindName) -> str:
    """Return the reason why rows of a split are left out.

    Args:
        reading: Counts of the split's labels.
        kind: Kind of the task.
    """
    if not reading.unlabelled:
        return _REASONS.get(kind, "they have no label")
    values = [value for value, _ in reading.unlabelled.most_common(MAX_NAMED)]
    return f"they have no label ({', '.join(values)})"


def warnings_of(splits: Iterable[SplitRows]) -> list[str]:
    """Return a warning for each split with many rows left out, and for each whose texts spell special tokens."""
    splits = list(splits)
    many = [split.left_out_words() for split in splits if split.num_left_out > MAX_SILENT_SHARE * split.num_rows]
    return many + [words for split in splits if (words := split.spelling_words())]


def is_new(warning: str) -> bool:
    """Return whether this process sees a warning for the first time; many stages and trials read the same split."""
    num_logged = len(_logged)
    _logged.add(warning)
    return len(_logged) > num_logged


def tell_once(warning: str) -> None:
    """Log a warning, unless this process has logged it before."""
    if is_new(warning):
        log.warning("%s", warning)

"""F1 of the spans that IOB tags mark, as conlleval and the `seqeval` package's default mode compute it.

`B-X` begins a span of type X, `I-X` continues one of the same type (and begins one where there is none to continue),
any other tag is outside. A predicted span is right when its type, first and last word are (Tjong Kim Sang and De
Meulder 2003, arXiv cs/0306050, section 2.4). Precision and recall are over all spans of all sentences. `E-X`, `S-X`
(IOBES) are read too.
"""

from __future__ import annotations

from collections.abc import Sequence

from trainables.errors import TaskDataError

_MARKS = frozenset("BIES")

Span = tuple[int, str, int, int]
"""Sentence, type, first word, last word."""


def spans_f1(gold: Sequence[Sequence[str]], *, predicted: Sequence[Sequence[str]]) -> float:
    """Return the F1 (0..1) over spans; 0 where neither side has any.

    Args:
        gold: Right tags of each sentence.
        predicted: As many predicted tags.

    Raises:
        TaskDataError: There is nothing to score.
    """
    if not any(gold):
        msg = "cannot score spans: there are 0 tagged words, at least 1 is needed; score a split that has tags"
        raise TaskDataError(msg)
    right = {span for number, tags in enumerate(gold) for span in spans_of(tags, sentence=number)}
    found = {span for number, tags in enumerate(predicted) for span in spans_of(tags, sentence=number)}
    return 2 * len(right & found) / (len(right) + len(found)) if right or found else 0.0


def spans_of(tags: Sequence[str], *, sentence: int = 0) -> list[Span]:
    """Return the spans of one sentence, in order.

    Args:
        tags: One for each word, such as `B-PER` or `O`.
        sentence: Its number, the first entry of each span.
    """
    spans: list[Span] = []
    open_at, before, open_type = 0, "O", ""
    for word, tag in enumerate([*tags, "O"]):
        mark, _, kind = tag.partition("-") if tag[:1] in _MARKS else ("O", "", "")
        kind = kind or "_"
        if before != "O" and _ends(before, mark, same_type=kind == open_type):
            spans.append((sentence, open_type, open_at, word - 1))
        if _starts(before, mark, same_type=kind == open_type):
            open_at = word
        before, open_type = mark, kind
    return spans


def _ends(before: str, mark: str, *, same_type: bool) -> bool:
    return before in {"E", "S"} or mark in {"B", "S", "O"} or not same_type


def _starts(before: str, mark: str, *, same_type: bool) -> bool:
    if mark in {"B", "S"}:
        return True
    return mark in {"E", "I"} and (before in {"E", "S", "O"} or not same_type)

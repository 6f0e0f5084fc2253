"""F1 of the spans that tags mark, as the `seqeval` package's default mode computes it.

The first letter of a tag is its mark, the rest its type: `B-X` starts a span of type X, `I-X` continues a span of the
same type, or starts one if there is none to continue. `E-X` and `S-X` (IOBES) are supported too; `O` is outside. A
predicted span is right when its type, first word and last word are right (Tjong Kim Sang and De Meulder 2003, arXiv
cs/0306050, section 2.4). Precision and recall are over all spans of all sentences.

Tags without marks, such as `NOUN`, are read by the same rule, as XTREME does for parts of speech: mark `N`, type `OUN`.
Equal neighbours are then one span.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from trainables.errors import TaskDataError

Span = tuple[str, int, int]
"""Type, first word, last word."""


def spans_f1(gold: Sequence[Sequence[str]], *, predicted: Sequence[Sequence[str]]) -> float:
    """Return the F1 (0..1) over spans; 0 where neither side has spans.

    Args:
        gold: Gold tags of each sentence.
        predicted: Predicted tags of each sentence, as many as gold tags.

    Raises:
        TaskDataError: There is nothing to score.
    """
    if not any(gold):
        msg = "cannot score spans: there are 0 tagged words, at least 1 is needed; score a split that has tags"
        raise TaskDataError(msg)
    # As in seqeval, all sentences are one sequence with a word outside after each.
    right, found = (set(spans_of([*chain(*((*tags, "O") for tags in side))])) for side in (gold, predicted))
    return 2 * len(right & found) / (len(right) + len(found)) if right or found else 0.0


def has_plain_tags(labels: Sequence[str]) -> bool:
    """Return whether tags have no mark of IOBES, such as `NOUN`, or `L-PER` of BILOU.

    Earlier versions counted such tags as outside every span.
    """
    return any(tag[:1] not in {"", "O"} and (tag[0] not in "BIES" or tag[1:2] not in {"", "-"}) for tag in labels)


def spans_of(tags: Sequence[str]) -> list[Span]:
    """Return the spans of a sequence of words, in order.

    Args:
        tags: One tag for each word, such as `B-PER` or `O`.
    """
    spans: list[Span] = []
    open_at, before, open_type = 0, "O", ""
    for word, tag in enumerate([*tags, "O"]):
        mark, kind = tag[:1] or "O", tag[1:].split("-", maxsplit=1)[-1] or "_"
        if _ends(before, mark, same_type=kind == open_type):
            spans.append((open_type, open_at, word - 1))
        if _starts(before, mark, same_type=kind == open_type):
            open_at = word
        before, open_type = mark, kind
    return spans


def _ends(before: str, mark: str, *, same_type: bool) -> bool:
    if before in {"E", "S"} or (before in {"B", "I"} and mark in {"B", "S", "O"}):
        return True
    return before not in {"O", "."} and not same_type


def _starts(before: str, mark: str, *, same_type: bool) -> bool:
    if mark in {"B", "S"} or (mark in {"E", "I"} and before in {"E", "S", "O"}):
        return True
    return mark not in {"O", "."} and not same_type

"""MLQA's F1 and exact match, with the articles of each language and, for Chinese, characters as words.

Sources: Lewis et al. 2020 (arXiv 1910.07475, section 4) and their script `mlqa_evaluation_v1.py`. The differences from
SQuAD's metrics: punctuation is all Unicode punctuation, articles are those of the language, and two answers without a
common word score 0 even when both are empty. The script supports only the seven languages of MLQA, and so does this.
"""

from __future__ import annotations

import re
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType

from trainables.errors import TaskDataError

_ARTICLES: Mapping[str, str | None] = MappingProxyType(
    {
        "ar": r"\sال^|ال",  # noqa: RUF001  (the Arabic article)
        "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
        "en": r"\b(a|an|the)\b",
        "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
        "hi": None,
        "vi": r"\b(của|là|cái|chiếc|những)\b",
        "zh": None,
    }
)
_HAN = re.compile("[\u4e00-\u9fa5]")


def normalise_answer(text: str, *, language: str) -> list[str]:
    """Return the words of an answer in lower case, without punctuation and without the articles of the language.

    Args:
        text: The answer.
        language: One of MLQA's seven codes.

    Raises:
        TaskDataError: MLQA has no rules for the language.
    """
    if language not in _ARTICLES:
        rule = f"MLQA has no rules for language {language!r}, only for {' '.join(_ARTICLES)}"
        msg = f"cannot score with mlqa_f1: {rule}; use metric f1 for this language"
        raise TaskDataError(msg)
    kept = "".join(letter for letter in text.lower() if letter not in _punctuation())
    articles = _ARTICLES[language]
    if articles:
        kept = re.sub(articles, " ", kept)
    return (_HAN.sub(r" \g<0> ", kept) if language == "zh" else kept).split()


def best_f1(prediction: str, *, answers: Sequence[str], language: str) -> float:
    """Return the highest F1 over words (0..1) with any accepted answer."""
    return max((_f1(prediction, answer=answer, language=language) for answer in answers), default=0.0)


def best_exact_match(prediction: str, *, answers: Sequence[str], language: str) -> float:
    """Return 1 if an answer has the same words as the prediction, else 0."""
    predicted = normalise_answer(prediction, language=language)
    return float(any(predicted == normalise_answer(answer, language=language) for answer in answers))


def _f1(prediction: str, *, answer: str, language: str) -> float:
    predicted, expected = (normalise_answer(text, language=language) for text in (prediction, answer))
    shared = sum((Counter(predicted) & Counter(expected)).values())
    return 2 * shared / (len(predicted) + len(expected)) if shared else 0.0


@cache
def _punctuation() -> frozenset[str]:
    # Computed when needed: it takes a tenth of a second, and only MLQA uses it.
    letters = map(chr, range(sys.maxunicode))
    found = (letter for letter in letters if unicodedata.category(letter).startswith("P"))
    return frozenset(string.punctuation).union(found)

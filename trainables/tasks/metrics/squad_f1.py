"""SQuAD's F1 and exact match between answers, as its script computes them.

Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1; for questions without an answer, version 2's script.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise_answer(text: str) -> str:
    """Return an answer in lower case, without ASCII punctuation, English articles and extra spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def f1(prediction: str, *, answer: str) -> float:
    """Return the harmonic mean of precision and recall over words (0..1); two empty answers agree."""
    predicted, expected = normalise_answer(prediction).split(), normalise_answer(answer).split()
    if not predicted or not expected:
        return float(predicted == expected)
    shared = sum((Counter(predicted) & Counter(expected)).values())
    return 2 * shared / (len(predicted) + len(expected))


def best_f1(prediction: str, *, answers: Sequence[str]) -> float:
    """Return the F1 with the answer that fits best; without any answer, 1 if nothing was predicted."""
    return max(f1(prediction, answer=answer) for answer in answers or [""])


def best_exact_match(prediction: str, *, answers: Sequence[str]) -> float:
    """Return 1 if an answer equals the prediction after normalisation, else 0; without any answer, as `best_f1`."""
    expected = {normalise_answer(answer) for answer in answers or [""]}
    return float(normalise_answer(prediction) in expected)

"""SQuAD's F1 and exact match between answers, as SQuAD's scripts compute them.

Sources: Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1, and `evaluate-v1.1.py`; for tasks that have questions
without an answer Rajpurkar et al. 2018, arXiv 1806.03822, and `evaluate-v2.0.py`. The two differ where an answer has no
words after normalisation, such as `the`.
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


def f1(prediction: str, *, answer: str, unanswerable: bool = False) -> float:
    """Return the harmonic mean of precision and recall over words (0..1).

    Args:
        prediction: The predicted answer.
        answer: An accepted answer.
        unanswerable: Whether version 2's rule holds: two answers without words agree. In version 1 they score 0.
    """
    predicted, expected = normalise_answer(prediction).split(), normalise_answer(answer).split()
    if not predicted or not expected:
        return float(unanswerable and predicted == expected)
    shared = sum((Counter(predicted) & Counter(expected)).values())
    return 2 * shared / (len(predicted) + len(expected))


def best_f1(prediction: str, *, answers: Sequence[str], unanswerable: bool = False) -> float:
    """Return the highest F1 with any accepted answer; without accepted answers, 1 if the prediction has no words.

    Args:
        prediction: The predicted answer.
        answers: The accepted answers.
        unanswerable: Whether the task has questions without an answer, as version 2 has.
    """
    accepted, by_version_2 = _accepted(answers, unanswerable=unanswerable)
    return max(f1(prediction, answer=answer, unanswerable=by_version_2) for answer in accepted)


def best_exact_match(prediction: str, *, answers: Sequence[str], unanswerable: bool = False) -> float:
    """Return 1 if an accepted answer equals the prediction after normalisation, else 0.

    Without accepted answers it returns 1 if the prediction has no words.

    Args:
        prediction: The predicted answer.
        answers: The accepted answers.
        unanswerable: Whether the task has questions without an answer, as version 2 has.
    """
    accepted, _ = _accepted(answers, unanswerable=unanswerable)
    return float(normalise_answer(prediction) in {normalise_answer(answer) for answer in accepted})


def _accepted(answers: Sequence[str], *, unanswerable: bool) -> tuple[Sequence[str], bool]:
    """Return the answers that count, and whether version 2's rules hold.

    Version 2 leaves out accepted answers that have no words after normalisation. Version 1 keeps them, and has no
    question without an answer: such a question is scored by version 2's rules.
    """
    if answers and not unanswerable:
        return answers, False
    return [answer for answer in answers if normalise_answer(answer)] or [""], True

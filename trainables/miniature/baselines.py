"""Baselines without transfer and without a premise, for comparison with the scores of a trial.

A trial's English score means little if it is below that of the word-overlap classifier, and so does an average below a
majority vote. The hypothesis-only classifier checks the data: it must stay near chance.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainables.miniature.languages import LANGUAGES
from trainables.miniature.logic import LABELS
from trainables.miniature.rows import Columns, rows

_NUM_EPOCHS = 30
_BATCH_SIZE = 256
_LEARNING_RATE = 0.5
_Matrix = NDArray[np.float32]
_Features = Callable[[str, str], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baselines:
    """Accuracies (0..1) on the validation split of `miniature_nli`, after training on English."""

    majority: float
    """Always predicts the most frequent label of the training split."""
    hypothesis_only: float
    """A linear classifier of the hypothesis's words, in English."""
    word_overlap: dict[str, float]
    """A linear classifier of the words that premise and hypothesis share, by language; needs spaces between words."""


BASELINES = Baselines(
    majority=0.3333,
    hypothesis_only=0.34,
    word_overlap={
        "ar": 0.605,
        "bg": 0.5283,
        "de": 0.5583,
        "el": 0.5983,
        "en": 0.6833,
        "es": 0.6183,
        "fr": 0.58,
        "hi": 0.6,
        "ru": 0.6333,
        "sw": 0.6483,
        "tr": 0.59,
        "ur": 0.605,
        "vi": 0.6483,
    },
)
"""The baselines of the shipped data, which never change: a sweep's last lines show them without computing them."""


def majority_accuracy(labels: Sequence[int], *, train_labels: Sequence[int]) -> float:
    """Return the share of `labels` that are equal to the most frequent label of `train_labels`."""
    commonest = int(np.bincount(np.asarray(train_labels)).argmax())
    return float(np.mean(np.asarray(labels) == commonest))


def _split_words(text: str) -> list[str]:
    return text.replace(".", " ").split()


def hypothesis_features(premise: str, hypothesis: str) -> list[str]:
    """Return the words of the hypothesis."""
    del premise
    return _split_words(hypothesis)


def overlap_features(premise: str, hypothesis: str) -> list[str]:
    """Return for each word of the hypothesis whether the premise has it, and how many it lacks."""
    known, asked = set(_split_words(premise)), _split_words(hypothesis)
    missing = [word for word in asked if word not in known]
    return [f"lacks {len(missing)}"] + [f"{word} {'no' if word in missing else 'yes'}" for word in asked]


def _matrix(columns: Columns, *, features: _Features, index: dict[str, int]) -> _Matrix:
    matrix = np.zeros((len(columns["label"]), len(index) + 1), np.float32)
    matrix[:, -1] = 1.0
    for row, (premise, hypothesis) in enumerate(zip(columns["premise"], columns["hypothesis"], strict=True)):
        for name in features(premise, hypothesis):
            if name in index:
                matrix[row, index[name]] = 1.0
    return matrix


def _index(columns: Columns, *, features: _Features) -> dict[str, int]:
    pairs = zip(columns["premise"], columns["hypothesis"], strict=True)
    names = sorted({name for premise, hypothesis in pairs for name in features(premise, hypothesis)})
    return {name: column for column, name in enumerate(names)}


def _fit(matrix: _Matrix, *, labels: NDArray[np.int64]) -> _Matrix:
    """Return the weights (features x labels) of a multinomial logistic regression, by stochastic gradient descent."""
    weights = np.zeros((matrix.shape[1], len(LABELS)), np.float32)
    targets = np.eye(len(LABELS), dtype=np.float32)[labels]
    rng = np.random.default_rng(0)
    for epoch in range(_NUM_EPOCHS):
        order = rng.permutation(len(matrix))
        for start in range(0, len(order), _BATCH_SIZE):
            chosen = order[start : start + _BATCH_SIZE]
            scores = matrix[chosen] @ weights
            odds = np.exp(scores - scores.max(1, keepdims=True))
            error = odds / odds.sum(1, keepdims=True) - targets[chosen]
            weights -= _LEARNING_RATE * (1 - epoch / _NUM_EPOCHS) * matrix[chosen].T @ error / len(chosen)
    return weights


def linear_accuracies(features: _Features, *, languages: Sequence[str], split: str = "validation") -> dict[str, float]:
    """Return the accuracy by language of a linear classifier of these features, trained on English.

    Args:
        features: Maps premise and hypothesis to the names of the active features.
        languages: Languages in which it is scored.
        split: Split on which it is scored.

    Returns:
        Accuracies in 0 to 1.
    """
    train = rows("miniature_nli", split="train")
    index = _index(train, features=features)
    weights = _fit(_matrix(train, features=features, index=index), labels=np.asarray(train["label"]))
    accuracies: dict[str, float] = {}
    for language in languages:
        scored = rows("miniature_nli", split=split, language=language)
        predicted = (_matrix(scored, features=features, index=index) @ weights).argmax(1)
        accuracies[language] = float(np.mean(predicted == np.asarray(scored["label"])))
    return accuracies


def measured_baselines() -> Baselines:
    """Compute every baseline, in a few seconds; `BASELINES` is what it returned."""
    train_labels = rows("miniature_nli", split="train")["label"]
    labels = rows("miniature_nli", split="validation")["label"]
    spaced = [language for language in LANGUAGES if language not in ("th", "zh")]
    return Baselines(
        majority=majority_accuracy(labels, train_labels=train_labels),
        hypothesis_only=linear_accuracies(hypothesis_features, languages=["en"])["en"],
        word_overlap=linear_accuracies(overlap_features, languages=spaced),
    )

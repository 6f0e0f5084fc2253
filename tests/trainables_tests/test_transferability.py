"""LogME beside evidence that scipy maximises from the multivariate normal itself, and the other estimates."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from trainables.transferability import linear_outputs, logme, text_similarity


def evidence_by_scipy(features: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return LogME by its definition: y is normal with covariance F F' / alpha + I / beta; scipy finds the two."""
    values: list[float] = []
    for label in np.unique(labels):
        y = (labels == label).astype(float)

        def loss(logs: NDArray[np.float64], y: NDArray[np.float64] = y) -> float:
            logs = np.clip(logs, -30, 30)
            covariance = features @ features.T / np.exp(logs[0]) + np.eye(len(y)) / np.exp(logs[1])
            return -float(multivariate_normal.logpdf(y, cov=covariance))

        starts = [np.array([a, b]) for a in (-2.0, 2.0, 5.0) for b in (0.0, 2.0)]
        values.append(-min(minimize(loss, start, method="Nelder-Mead", tol=1e-10).fun for start in starts))
    return float(np.mean(values)) / len(labels)


@pytest.mark.slow
@pytest.mark.parametrize(("num", "size", "classes"), [(60, 5, 2), (50, 12, 3), (40, 60, 3), (45, 1, 2)])
def test_logme_is_the_evidence_that_scipy_finds(num: int, size: int, classes: int) -> None:
    generator = np.random.default_rng(num + size)
    features = generator.normal(size=(num, size))
    labels = (features @ generator.normal(size=(size, classes)) + generator.normal(size=(num, classes))).argmax(axis=1)

    assert logme(features, labels_N=labels) == pytest.approx(evidence_by_scipy(features, labels), abs=1e-5)


def test_features_that_tell_the_labels_have_the_higher_logme() -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(3, size=300)
    telling = np.eye(3)[labels] + 0.5 * generator.normal(size=(300, 3))

    assert logme(telling, labels_N=labels) > logme(generator.normal(size=(300, 3)), labels_N=labels) + 0.1


def test_features_of_lower_rank_and_a_class_of_one_example_give_a_number() -> None:
    generator = np.random.default_rng(0)
    features = np.repeat(generator.normal(size=(30, 2)), 3, axis=1)
    labels = np.array([1] + [0] * 29)

    assert np.isfinite(logme(features, labels_N=labels))


def test_similarity_is_the_cosine_of_the_means() -> None:
    left, right = np.array([[1.0, 0.0], [1.0, 2.0]]), np.array([[3.0, 0.0]])

    assert text_similarity(left, right) == pytest.approx(1 / np.sqrt(2))
    assert text_similarity(left, left) == pytest.approx(1)


def test_a_classifier_of_the_same_classes_says_more_of_other_texts_than_one_of_chance() -> None:
    generator = np.random.default_rng(1)
    directions = generator.normal(size=(8, 3))
    features, others = generator.normal(size=(400, 8)), generator.normal(size=(400, 8))
    labels, others_labels = (features @ directions).argmax(axis=1), (others @ directions).argmax(axis=1)

    told = linear_outputs(features, labels_N=labels, others_BD=others)
    chance = linear_outputs(features, labels_N=generator.permutation(labels), others_BD=others)

    assert told.shape == (400, 4)
    assert logme(told, labels_N=others_labels) > logme(chance, labels_N=others_labels) + 0.05

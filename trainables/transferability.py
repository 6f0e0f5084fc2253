"""Estimates from frozen features how well one task prepares for another, in closed form. Pure numpy.

Shapes: N examples, B others, D size of a feature vector, K classes.
"""

from __future__ import annotations

from typing import Any  # Any: numpy's element types

import numpy as np
from numpy.typing import NDArray

_MOST_ROUNDS = 500
_TOLERANCE = 1e-8
_TINY = 1e-12


def logme(features_ND: NDArray[Any], *, labels_N: NDArray[np.integer]) -> float:
    """Return LogME (You et al. 2021, arXiv 2102.11005, equation 2): how well a linear model explains labels.

    It is the mean over classes of the largest log evidence per example, log p(y | F, alpha, beta) / N, of

        y ~ Normal(F w, 1 / beta),  w ~ Normal(0, 1 / alpha),  y = 1 for examples of the class and 0 for others,

        log p = N/2 log beta + D/2 log alpha - N/2 log 2 pi - beta/2 |F m - y|^2 - alpha/2 |m|^2 - 1/2 log |A|,

    with A = alpha I + beta F'F and m = beta A^-1 F'y, at the alpha and beta that maximise it. Higher is better; compare
    values only on the same set of labels.

    Args:
        features_ND: A vector of each example.
        labels_N: Its class.
    """
    features = features_ND.astype(np.float64)
    left_NR, sizes_R, _ = np.linalg.svd(features, full_matrices=False)
    kept = sizes_R > sizes_R.max(initial=0.0) * _TINY
    left_NR, squares_R = left_NR[:, kept], sizes_R[kept] ** 2
    classes = [(labels_N == label).astype(np.float64) for label in np.unique(labels_N)]
    evidences = [_log_evidence(y, left_NR=left_NR, squares_R=squares_R, size=features.shape[1]) for y in classes]
    return float(np.mean(evidences)) / len(features)


def _log_evidence(
    y_N: NDArray[np.float64], *, left_NR: NDArray[np.float64], squares_R: NDArray[np.float64], size: int
) -> float:
    """Return the largest log evidence of one class, from the singular values of the features.

    Found by MacKay's fixed point, alpha = gamma / |m|^2 and beta = (N - gamma) / |F m - y|^2, in which gamma is the
    number of directions that the data determine (algorithm 1 of the paper, run until it converges).
    """
    projected_R = left_NR.T @ y_N
    outside = max(float(y_N @ y_N - projected_R @ projected_R), 0.0)
    alpha = beta = 1.0
    for _ in range(_MOST_ROUNDS):
        shares_R = beta * squares_R / (alpha + beta * squares_R)
        gamma, norm, error = _fit(shares_R, projected_R=projected_R, squares_R=squares_R, outside=outside)
        before = alpha / beta
        alpha, beta = gamma / max(norm, _TINY), (len(y_N) - gamma) / max(error, _TINY)
        if abs(alpha / beta / before - 1) < _TOLERANCE:
            break
    shares_R = beta * squares_R / (alpha + beta * squares_R)
    _, norm, error = _fit(shares_R, projected_R=projected_R, squares_R=squares_R, outside=outside)
    log_determinant = np.log(alpha + beta * squares_R).sum() + (size - len(squares_R)) * np.log(alpha)
    fixed = len(y_N) * np.log(beta / (2 * np.pi)) + size * np.log(alpha)
    return float(fixed - beta * error - alpha * norm - log_determinant) / 2


def _fit(
    shares_R: NDArray[np.float64],
    *,
    projected_R: NDArray[np.float64],
    squares_R: NDArray[np.float64],
    outside: float,
) -> tuple[float, float, float]:
    """Return gamma, |m|^2 and |F m - y|^2, if a share of each direction is fitted."""
    norm = float((shares_R**2 * projected_R**2 / squares_R).sum())
    error = float(((1 - shares_R) ** 2 * projected_R**2).sum()) + outside
    return float(shares_R.sum()), norm, error


def text_similarity(features_ND: NDArray[Any], other_ND: NDArray[Any]) -> float:
    """Return the cosine of two tasks' TextEmb, the mean of their texts' vectors (Vu et al. 2020, arXiv 2005.00770).

    Args:
        features_ND: A vector of each text of one task: the mean of the encoder's last layer over its tokens.
        other_ND: Those of the other task.
    """
    left, right = features_ND.mean(axis=0, dtype=np.float64), other_ND.mean(axis=0, dtype=np.float64)
    return float(left @ right / max(float(np.linalg.norm(left) * np.linalg.norm(right)), _TINY))


def linear_outputs(
    features_ND: NDArray[Any], *, labels_N: NDArray[np.integer], others_BD: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the outputs of a task's linear classifier on other texts, B x (K + 1): a constant column comes first.

    The classifier is ridge regression on one-hot classes over standardised features, its penalty the number of features
    per example: this prevents fitting noise when there are as many features as examples.

    Args:
        features_ND: A vector of each example of the task.
        labels_N: Its class.
        others_BD: Vectors of the other texts.
    """
    centre, spread = features_ND.mean(axis=0), features_ND.std(axis=0) + _TINY
    inputs_ND, others = (features_ND - centre) / spread, (others_BD - centre) / spread
    targets_NK = (labels_N[:, None] == np.unique(labels_N)).astype(np.float64)
    penalty = np.eye(inputs_ND.shape[1]) * inputs_ND.shape[1]
    weights = np.linalg.solve(inputs_ND.T @ inputs_ND + penalty, inputs_ND.T @ (targets_NK - targets_NK.mean(axis=0)))
    return np.concatenate([np.ones((len(others), 1)), others @ weights], axis=1)

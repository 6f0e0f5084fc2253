"""Finds hyperparameters of the stage model that are likely given the scores."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from search.sampler.stage_aware.variances import CENTRE, SPREAD, Variances

_MAX_DEVIATIONS = 4.0
"""Bound of a hyperparameter's logarithm, in standard deviations of what is expected."""

_NUM_DRAWN, _MOST_AVERAGED = 8, 120
"""Draws from the posterior, and the most scores of which it is wide: with more, each draw takes its time, and all are
nearly the same."""

_STEP = 0.1
"""Of the differences of slopes that give the curvature, in deviations of the prior."""

_SINGULAR = 1e10
"""Loss where the covariance is singular; the search goes elsewhere."""

_TOLERANCE = 1e-5
"""Relative change of the loss at which the search ends."""

Loss = Callable[[Variances], tuple[float, dict[str, float]]]
"""Hyperparameters -> minus their log likelihood, and its slopes by the logarithms of the hyperparameters."""


def fitted(loss: Loss, *, has_trend: bool, num_scores: int) -> list[Variances]:
    """Return hyperparameters that are likely given the scores, whose predictions are to be averaged.

    The search for the highest posterior starts at the expected hyperparameters and follows the gradient (L-BFGS-B);
    about ten evaluations are enough. Of few scores the posterior is wide, so it is approximated by a normal
    distribution (Laplace), from which pairs of opposite points are drawn, always with the same random numbers. Of many
    scores there is one answer: the highest posterior.

    Args:
        loss: Minus the log likelihood, and its slopes; infinite where the covariance is singular.
        has_trend: Whether there is a regression over the weights of mixtures.
        num_scores: Scores that the likelihood is of.
    """
    from scipy.optimize import minimize

    names = [name for name in Variances.__dataclass_fields__ if has_trend or name != "trend"]
    centre, spread = np.log(_array(CENTRE, names)), _array(SPREAD, names)

    def of_deviations(z: np.ndarray) -> tuple[float, np.ndarray]:
        found, slopes = loss(_variances(centre + spread * z, names))
        if not math.isfinite(found):
            return _SINGULAR, np.zeros(len(names))
        return found + 0.5 * float(z @ z), spread * np.array([slopes[name] for name in names]) + z

    bounds = [(-_MAX_DEVIATIONS, _MAX_DEVIATIONS)] * len(names)
    start = np.zeros(len(names))
    ended = minimize(of_deviations, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": _TOLERANCE})
    points = [ended.x] if num_scores > _MOST_AVERAGED else _near(ended.x, slopes=lambda z: of_deviations(z)[1])
    return [_variances(centre + spread * one, names) for one in points]


def _near(best: np.ndarray, *, slopes: Callable[[np.ndarray], np.ndarray]) -> list[np.ndarray]:
    """Return draws from the normal distribution whose density has the curvature of the posterior at its top.

    Args:
        best: Where the posterior is highest, in deviations of the prior.
        slopes: Slopes of minus its logarithm. The prior alone has curvature 1 in each direction.
    """
    at_best = slopes(best)
    rows = [(slopes(best + _STEP * one) - at_best) / _STEP for one in np.eye(len(best))]
    curvature = np.array(rows)
    curvatures, axes = np.linalg.eigh((curvature + curvature.T) / 2)
    scaled = axes / np.sqrt(np.maximum(curvatures, 1.0))
    half = np.random.default_rng(0).standard_normal((_NUM_DRAWN // 2, len(best)))
    return list(np.clip(best + np.concatenate([half, -half]) @ scaled.T, -_MAX_DEVIATIONS, _MAX_DEVIATIONS))


def _array(values: Variances, names: list[str]) -> np.ndarray:
    return np.array([getattr(values, name) for name in names])


def _variances(logs: np.ndarray, names: list[str]) -> Variances:
    return Variances(**{name: float(value) for name, value in zip(names, np.exp(logs), strict=True)})

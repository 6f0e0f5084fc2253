"""Hyperparameters of the stage model: what is expected of them, and those that fit scores best."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_MAX_DEVIATIONS = 4.0
"""Bound of a hyperparameter's logarithm, in standard deviations of what is expected."""

_TOLERANCE = 1e-5
"""Relative change of the loss at which the search ends."""

Loss = Callable[["Variances"], tuple[float, dict[str, float]]]
"""Hyperparameters -> minus their log likelihood, and its slopes by the logarithms of the hyperparameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variances:
    """Hyperparameters; variances are shares of that of the scores."""

    before: float
    target: float
    both: float
    rung: float
    noise: float
    length: float
    """Of the numbers before the target, in units of their ranges."""
    target_length: float
    unequal: float
    """Minus the logarithm of the correlation for each unequal choice before the target."""
    target_unequal: float
    trend: float = 0.0
    """Of the regression over the weights of mixtures, relative to the other part of f; 0 where there are none."""


CENTRE = Variances(
    before=0.3,
    target=0.7,
    both=0.15,
    rung=0.2,
    noise=0.03,
    length=0.5,
    target_length=0.35,
    unequal=0.5,
    target_unequal=0.5,
    trend=0.1,
)
_SPREAD = Variances(
    before=1.0,
    target=1.0,
    both=1.0,
    rung=1.0,
    noise=1.0,
    length=0.6,
    target_length=0.6,
    unequal=0.7,
    target_unequal=0.7,
    trend=1.5,
)
"""Standard deviations of the hyperparameters' logarithms: a weak belief."""


def fitted(loss: Loss, *, has_trend: bool) -> Variances:
    """Return the hyperparameters of the highest posterior near the expected ones, by their gradient (scipy's L-BFGS-B).

    From there the search needs about ten evaluations. In replayed sweeps no other start led to a better end by more
    than 0.1 (docs/decisions/0019).

    Args:
        loss: Minus the log likelihood, and its slopes; infinite where the covariance is singular.
        has_trend: Whether there is a regression over the weights of mixtures.
    """
    from scipy.optimize import minimize

    names = [name for name in Variances.__dataclass_fields__ if has_trend or name != "trend"]
    centre, spread = np.log(_array(CENTRE, names)), _array(_SPREAD, names)

    def of_deviations(z: np.ndarray) -> tuple[float, np.ndarray]:
        found, slopes = loss(_variances(centre + spread * z, names))
        if not math.isfinite(found):
            return 1e10, np.zeros(len(names))
        return found + 0.5 * float(z @ z), spread * np.array([slopes[name] for name in names]) + z

    bounds = [(-_MAX_DEVIATIONS, _MAX_DEVIATIONS)] * len(names)
    options = {"ftol": _TOLERANCE}
    start = np.zeros(len(names))
    ended = minimize(of_deviations, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return _variances(centre + spread * ended.x, names)


def _array(values: Variances, names: list[str]) -> np.ndarray:
    return np.array([getattr(values, name) for name in names])


def _variances(logs: np.ndarray, names: list[str]) -> Variances:
    return Variances(**{name: float(value) for name, value in zip(names, np.exp(logs), strict=True)})

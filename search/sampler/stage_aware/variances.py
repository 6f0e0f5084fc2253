"""Hyperparameters of the stage model, and what is expected of them before any score."""

from __future__ import annotations

from dataclasses import dataclass


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
SPREAD = Variances(
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

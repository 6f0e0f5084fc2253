"""The parameters with one value: numbers in a range, and weights of a mixture.

Each parameter has three names. `path` is its key in an assignment and contains the arms that lead to it
(`intermediate.text.learning_rate`); `field` is the field of the TrialConfig that it binds to
(`intermediate.learning_rate`); `origin` is its place in the sweep spec (`families.text.learning_rate`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import JsonValue

from spaces.space.expression_values import Condition

WEIGHT_TOLERANCE = 1e-6
"""Largest difference between the sum of mixture weights and 1; the tolerance of PhaseConfig.mixture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatParameter:
    """A number between `low` and `high`, both included; with `log`, its logarithm is uniform."""

    path: str
    field: str
    origin: str
    low: float
    high: float
    log: bool
    default: float
    when: Condition | None = None
    """The parameter is active only if this condition holds for the values before it; None: always active."""

    def admits(self, value: JsonValue) -> bool:
        """Return whether a value is in the range."""
        return isinstance(value, (int, float)) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class IntParameter:
    """A whole number between `low` and `high`, both included; with `log`, its logarithm is uniform."""

    path: str
    field: str
    origin: str
    low: int
    high: int
    log: bool
    default: int
    when: Condition | None = None
    """As in FloatParameter."""

    def admits(self, value: JsonValue) -> bool:
        """Return whether a value is a whole number in the range."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True, slots=True, kw_only=True)
class SimplexParameter:
    """Weights of two or more tasks, each above 0, that sum to 1."""

    path: str
    field: str
    origin: str
    items: tuple[str, ...]
    default: tuple[float, ...]
    when: Condition | None = None
    """As in FloatParameter."""

    def admits(self, value: JsonValue) -> bool:
        """Return whether a value maps exactly these tasks to weights that sum to 1."""
        if not isinstance(value, dict) or set(value) != set(self.items):
            return False
        weights = [w for w in value.values() if isinstance(w, (int, float)) and not isinstance(w, bool) and w > 0]
        return len(weights) == len(value) and abs(math.fsum(weights) - 1) <= WEIGHT_TOLERANCE

    def weights(self, masses: tuple[float, ...]) -> JsonValue:
        """Return task -> weight for masses above 0, one for each task in order, divided by their sum."""
        total = math.fsum(masses)
        return {item: mass / total for item, mass in zip(self.items, masses, strict=True)}

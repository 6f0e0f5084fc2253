"""Checks whether a sweep has reached a limit of its budget. What the sweep has spent is read from the record."""

from __future__ import annotations

import time
from collections.abc import Callable

from search.query import SweepStatus
from spaces.budget import BudgetConfig

SECONDS_BETWEEN_LOOKS = 1.0


class BudgetWatch:
    """Compares what a sweep has spent with its budget, at most once a second unless a trial is about to start.

    Args:
        config: The limits.
        status: Returns the sweep's status, with what it has spent.
        num_ranks: Ranks of a trial.
        on_reached: Called once when a limit is reached and running trials have to stop (`budget.at_end: cut`).
        clock: Returns a monotonic time in seconds.
    """

    def __init__(
        self,
        config: BudgetConfig,
        *,
        status: Callable[[], SweepStatus],
        num_ranks: int,
        on_reached: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._status, self._num_ranks = config, status, num_ranks
        self._on_reached, self._clock = on_reached, clock
        self._started, self._looked = clock(), float("-inf")
        self.reached: str | None = None
        """The limit that was reached, in words; None before that."""

    def is_reached(self, *, now: bool = True) -> bool:
        """Return whether a limit is reached. After the first True it always returns True.

        Args:
            now: Whether to read the record even if it was read less than a second ago: a trial is about to start.
        """
        if self.reached is not None:
            return True
        is_recent = self._clock() - self._looked < SECONDS_BETWEEN_LOOKS
        if not self._config.is_bounded or (is_recent and not now):
            return False
        self._looked = self._clock()
        self.reached = self._find_reached_limit()
        if self.reached is not None and self._config.at_end == "cut":
            self._on_reached()
        return self.reached is not None

    def _find_reached_limit(self) -> str | None:
        status, config = self._status(), self._config
        gpu_hours = status.cost_paid_seconds * self._num_ranks / 3600
        spent = {
            "steps": float(status.steps_paid),
            "gpu_hours": gpu_hours,
            "hours": (self._clock() - self._started) / 3600,
            "dollars": gpu_hours * (config.dollars_per_gpu_hour or 0.0),
        }
        for name, value in spent.items():
            limit: float | None = getattr(config, name)
            if limit is not None and value >= limit:
                return f"budget.{name} ({value:,.4g} of {limit:,.4g})"
        return None

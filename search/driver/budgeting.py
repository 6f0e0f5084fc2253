"""Whether a sweep has reached a bound of its budget; what it has spent is what the record says."""

from __future__ import annotations

import time
from collections.abc import Callable

from search.query import SweepStatus
from spaces.budget import BudgetConfig

SECONDS_BETWEEN_LOOKS = 1.0


class BudgetWatch:
    """Looks at what a sweep has spent, now and then.

    Args:
        config: The bounds.
        status: Tells how the sweep stands.
        num_ranks: Ranks of a trial.
        on_reached: Called once when a bound is reached and running trials are to be cut.
        clock: Tells seconds.
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
        """The bound that was reached, in words; None while there is none."""

    def is_reached(self, *, now: bool = True) -> bool:
        """Return whether a bound is reached; once it is, it stays so.

        Args:
            now: Whether a trial would start, so that it has to be known now; else a look a second is enough.
        """
        if self.reached is not None:
            return True
        is_recent = self._clock() - self._looked < SECONDS_BETWEEN_LOOKS
        if not self._config.is_bounded or (is_recent and not now):
            return False
        self._looked = self._clock()
        self.reached = self._bound_reached()
        if self.reached is not None and self._config.at_end == "cut":
            self._on_reached()
        return self.reached is not None

    def _bound_reached(self) -> str | None:
        status, config = self._status(), self._config
        gpu_hours = status.cost_paid_seconds * self._num_ranks / 3600
        spent = {
            "steps": float(status.steps_paid),
            "gpu_hours": gpu_hours,
            "hours": (self._clock() - self._started) / 3600,
            "dollars": gpu_hours * (config.dollars_per_gpu_hour or 0.0),
        }
        for name, value in spent.items():
            bound: float | None = getattr(config, name)
            if bound is not None and value >= bound:
                return f"budget.{name} ({value:,.4g} of {bound:,.4g})"
        return None

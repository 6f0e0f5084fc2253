"""What decides whether a trial climbs to the next rung: the contract of every pruner.

A pruner is a pure function of what trials scored at their rungs: it holds no state, so a sweep that was killed and
resumed decides as the unbroken one would have on the same measurements. No Optuna here: the driver imports this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from search.record import Curve


class Pruner(Protocol):
    """Decides for the trials of one sweep."""

    def is_pruned(self, curve: Curve, *, others: Sequence[Curve]) -> bool:
        """Return whether a trial ends at its highest rung, rather than climb to the next.

        Args:
            curve: What it scored, up to and at the rung to decide about.
            others: The trials that it is compared with, in any order; those without a score at the rung do not count.
        """
        ...

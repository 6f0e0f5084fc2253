"""The contract of pruners, which decide whether a trial is promoted to the next rung.

A pruner is a pure function of what trials scored at their rungs: it holds no state, so a sweep that was killed and
resumed decides on the same measurements as a sweep that was not stopped. The driver imports this module, so it does
not import Optuna.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from search.record import Curve


class Pruner(Protocol):
    """Decides for the trials of one sweep."""

    def is_pruned(self, curve: Curve, *, others: Sequence[Curve]) -> bool:
        """Return whether a trial ends at its highest rung, and is not promoted to the next.

        Args:
            curve: Its scores, up to and at the rung of the decision.
            others: The trials that it is compared with, in any order; those without a score at the rung are ignored.
        """
        ...

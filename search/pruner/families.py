"""Keeps trials of every family while a sweep prunes: a family without a finished trial has no effect to compare.

While a family has fewer trials beyond a rung than it keeps, its trials are compared among themselves there, and its
best ones are promoted. Later trials are compared with those of all families.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search.pruner.contract import Pruner
from search.record import Curve


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyPruner:
    """Prunes as another pruner does, but not the trials that a family keeps.

    Args:
        pruner: Decides between the trials that are compared.
        keep: Number of trials of each family that are promoted to the last rung.
        is_fixed: Whether trials are compared with those of lower numbers only (`order: fixed`). How far these are
            depends on timing, so the first trials of each family are kept there.
    """

    pruner: Pruner
    keep: int
    is_fixed: bool

    def is_pruned(self, curve: Curve, *, others: Sequence[Curve]) -> bool:
        """Return whether a trial ends at its highest rung; see `Pruner.is_pruned`."""
        rung = max(curve.scores)
        family = [other for other in others if other.family == curve.family and not other.has_failed]
        beyond = rung if self.is_fixed else rung + 1
        if sum(beyond in other.scores for other in family) >= self.keep:
            return self.pruner.is_pruned(curve, others=others)
        measured = [other for other in family if rung in other.scores]
        num_better = sum(other.scores[rung] > curve.scores[rung] for other in measured)
        return num_better >= self.keep and self.pruner.is_pruned(curve, others=measured)

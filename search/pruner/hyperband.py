"""Hyperband (Li et al. 2018, arXiv 1603.06560), asynchronous: successive halving in brackets that start at later rungs.

Optuna's own Hyperband assigns brackets by a hash of the study's name and the trial's place in the study. Here the
trial's number decides, so a trial keeps its bracket in a resumed sweep or beside other trials.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from search.pruner.optuna_pruners import OptunaPruner
from search.record import Curve
from spaces.sweep_spec import PrunerConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperbandPruner:
    """Compares a trial with the trials of its bracket; in bracket s no trial is pruned below rung s.

    Args:
        eta: Factor between two rungs.
        last_rung: The highest rung; there are as many brackets as rungs.
    """

    eta: int
    last_rung: int

    def is_pruned(self, curve: Curve, *, others: Sequence[Curve]) -> bool:
        """Return whether a trial ends at its highest rung; see `Pruner.is_pruned`."""
        bracket = self.bracket(curve.number)
        if max(curve.scores) < bracket:
            return False
        halving = OptunaPruner(config=PrunerConfig(), eta=self.eta)
        same = [_from(other, rung=bracket) for other in others if self.bracket(other.number) == bracket]
        return halving.is_pruned(_from(curve, rung=bracket), others=same)

    def bracket(self, number: int) -> int:
        """Return a trial's bracket, drawn with weights that give all brackets about the same number of steps."""
        sizes = [self._size(bracket) for bracket in range(self.last_rung + 1)]
        drawn = int.from_bytes(hashlib.sha256(f"bracket:{number}".encode()).digest()[:8], "big") % sum(sizes)
        for bracket, size in enumerate(sizes):
            if drawn < size:
                return bracket
            drawn -= size
        raise AssertionError(drawn)

    def _size(self, bracket: int) -> int:
        halvings = self.last_rung - bracket
        return math.ceil((self.last_rung + 1) * self.eta**halvings / (halvings + 1))


def _from(curve: Curve, *, rung: int) -> Curve:
    """Return a curve from a rung on, with that rung as rung 0."""
    scores = {at - rung: score for at, score in curve.scores.items() if at >= rung}
    return Curve(number=curve.number, scores=scores, is_finished=curve.is_finished)

"""Decides which trials climb on; the only door to Optuna's pruners. Optuna itself is imported when one is made."""

from __future__ import annotations

from search.pruner.contract import Pruner
from spaces.sweep_spec import SweepSpec

__all__ = ["Pruner", "make_pruner"]


def make_pruner(spec: SweepSpec) -> Pruner | None:
    """Return the pruner that a sweep spec asks for; None lets every trial climb to the last rung."""
    if spec.rungs.num == 1 or spec.pruner.name == "none":
        return None
    if spec.pruner.name == "wilcoxon":
        from search.pruner.paired import PairedPruner

        return PairedPruner(p_threshold=spec.pruner.p_threshold)
    from search.pruner.optuna_pruners import OptunaPruner

    if spec.pruner.name == "hyperband":
        from search.pruner.hyperband import HyperbandPruner

        return HyperbandPruner(eta=spec.rungs.eta, last_rung=spec.rungs.last)
    return OptunaPruner(config=spec.pruner, eta=spec.rungs.eta)

"""Pruners: decide which trials are promoted. Only this package imports Optuna's pruners, when one is made."""

from __future__ import annotations

from search.pruner.contract import Pruner
from search.pruner.families import FamilyPruner
from spaces.sweep_spec import SweepSpec

__all__ = ["Pruner", "make_pruner"]


def make_pruner(spec: SweepSpec) -> Pruner | None:
    """Return the pruner that a sweep spec asks for; None promotes every trial to the last rung."""
    if spec.rungs.num == 1 or spec.pruner.name == "none":
        return None
    pruner = _make_pruner(spec)
    if not spec.pruner.keep_per_family:
        return pruner
    return FamilyPruner(pruner=pruner, keep=spec.pruner.keep_per_family, is_fixed=spec.order == "fixed")


def _make_pruner(spec: SweepSpec) -> Pruner:
    if spec.pruner.name == "wilcoxon":
        from search.pruner.paired import PairedPruner

        return PairedPruner(p_threshold=spec.pruner.p_threshold)
    from search.pruner.optuna_pruners import OptunaPruner

    if spec.pruner.name == "hyperband":
        from search.pruner.hyperband import HyperbandPruner

        return HyperbandPruner(eta=spec.rungs.eta, last_rung=spec.rungs.last)
    return OptunaPruner(config=spec.pruner, eta=spec.rungs.eta)

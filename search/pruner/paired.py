"""Wilcoxon's signed-rank test (Wilcoxon 1945) against the best trial of the rung, by Optuna's pruner.

The pairs are the evaluation's items, each with its mean over the languages, which are translations of it; where the
store cannot tell items, they are the languages. Either way the scores come from one model each, so the test says that a
trial is worse on these items, not that its configuration is worse under other seeds.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.pruners import WilcoxonPruner
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.record import Curve

optuna.logging.set_verbosity(optuna.logging.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedPruner:
    """Ends a trial that is worse than the best of its rung, item by item.

    Args:
        p_threshold: Largest p-value of the one-sided test at which a trial ends.
    """

    p_threshold: float

    def is_pruned(self, curve: Curve, *, others: Sequence[Curve]) -> bool:
        """Return whether a trial ends at its highest rung; see `Pruner.is_pruned`."""
        rung = max(curve.scores)
        at_rung = [one for one in others if rung in one.scores]
        if not at_rung:
            return False
        best = max(at_rung, key=lambda one: (one.scores[rung], -one.number))
        pairs = _pairs(curve, best, rung=rung)
        if not pairs:
            return False
        study = optuna.create_study(direction="maximize")
        study.add_trial(_frozen([its for _, its in pairs], score=best.scores[rung]))
        study.add_trial(_frozen([mine for mine, _ in pairs], score=None))
        with warnings.catch_warnings():
            # Marked experimental; constraints.txt pins Optuna.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            pruner = WilcoxonPruner(p_threshold=self.p_threshold)
        return pruner.prune(study, study.get_trials(deepcopy=False)[-1])


def _pairs(curve: Curve, best: Curve, *, rung: int) -> list[tuple[float, float]]:
    """Return what two trials scored on the same items, or in the same languages; nothing where neither is known."""
    mine, its = (one.items.get(rung, ()) for one in (curve, best))
    if mine and len(mine) == len(its):
        return list(zip(mine, its, strict=True))
    by_language, of_best = (one.languages.get(rung, {}) for one in (curve, best))
    if by_language.keys() != of_best.keys():
        return []
    return [(by_language[language], of_best[language]) for language in sorted(by_language)]


def _frozen(values: Sequence[float], *, score: float | None) -> FrozenTrial:
    return create_trial(
        state=TrialState.RUNNING if score is None else TrialState.COMPLETE,
        value=score,
        intermediate_values=dict(enumerate(values)),
    )

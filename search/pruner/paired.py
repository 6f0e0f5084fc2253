"""Wilcoxon's signed-rank test (Wilcoxon 1945) against the best trial of the rung, by Optuna's pruner.

The pairs are the evaluation's items, each with its mean over the languages, which are translations of it. If the store
does not have the items' scores, the pairs are the languages. In both cases the scores come from one model each, so the
test shows that a trial is worse on these items, not that its configuration is worse with other seeds.
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
        at_rung = [other for other in others if rung in other.scores]
        if not at_rung:
            return False
        best = max(at_rung, key=lambda other: (other.scores[rung], -other.number))
        pairs = _pairs(curve, best, rung=rung)
        if not pairs:
            return False
        study = optuna.create_study(direction="maximize")
        study.add_trial(_frozen([score_of_best for _, score_of_best in pairs], score=best.scores[rung]))
        study.add_trial(_frozen([score for score, _ in pairs], score=None))
        with warnings.catch_warnings():
            # Marked experimental; constraints.txt pins Optuna.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            pruner = WilcoxonPruner(p_threshold=self.p_threshold)
        return pruner.prune(study, study.get_trials(deepcopy=False)[-1])


def _pairs(curve: Curve, best: Curve, *, rung: int) -> list[tuple[float, float]]:
    """Return pairs of scores of two trials, by item or else by language; empty if they have neither in common."""
    items, items_of_best = (trial.items.get(rung, ()) for trial in (curve, best))
    if items and len(items) == len(items_of_best):
        return list(zip(items, items_of_best, strict=True))
    by_language, of_best = (trial.languages.get(rung, {}) for trial in (curve, best))
    if by_language.keys() != of_best.keys():
        return []
    return [(by_language[language], of_best[language]) for language in sorted(by_language)]


def _frozen(values: Sequence[float], *, score: float | None) -> FrozenTrial:
    return create_trial(
        state=TrialState.RUNNING if score is None else TrialState.COMPLETE,
        value=score,
        intermediate_values=dict(enumerate(values)),
    )

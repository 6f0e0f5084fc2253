"""Wilcoxon's signed-rank test (Wilcoxon 1945) against the best trial of the rung, by Optuna's pruner.

The pairs are the evaluation's languages: the record has each language's score at every rung, and items only of stages
that the store still holds. Scores of languages come from one model, so the test says that a trial is worse in these
languages, not that its configuration is worse under other seeds.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import optuna
from optuna.pruners import WilcoxonPruner
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.record import Curve

optuna.logging.set_verbosity(optuna.logging.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedPruner:
    """Ends a trial that is worse than the best of its rung, language by language.

    Args:
        p_threshold: Largest p-value of the one-sided test at which a trial ends.
    """

    p_threshold: float

    def is_pruned(self, curve: Curve, *, others: Sequence[Curve]) -> bool:
        """Return whether a trial ends at its highest rung; see `Pruner.is_pruned`."""
        rung = max(curve.scores)
        mine = curve.languages.get(rung, {})
        paired = [one for one in others if rung in one.scores and mine.keys() == one.languages.get(rung, {}).keys()]
        if not mine or not paired:
            return False
        study = optuna.create_study(direction="maximize")
        best = max(paired, key=lambda one: (one.scores[rung], -one.number))
        study.add_trial(_frozen(best.languages[rung], score=best.scores[rung]))
        study.add_trial(_frozen(mine, score=None))
        with warnings.catch_warnings():
            # Marked experimental; constraints.txt pins Optuna.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            pruner = WilcoxonPruner(p_threshold=self.p_threshold)
        return pruner.prune(study, study.get_trials(deepcopy=False)[-1])


def _frozen(languages: Mapping[str, float], *, score: float | None) -> FrozenTrial:
    return create_trial(
        state=TrialState.RUNNING if score is None else TrialState.COMPLETE,
        value=score,
        intermediate_values=dict(enumerate(languages[language] for language in sorted(languages))),
    )

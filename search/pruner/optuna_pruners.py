"""Pruners by Optuna: each decision builds a study from the scores on record."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.pruners import BasePruner, MedianPruner, PatientPruner, SuccessiveHalvingPruner
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.record import Curve
from spaces.sweep_spec import PrunerConfig

optuna.logging.set_verbosity(optuna.logging.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptunaPruner:
    """Asynchronous successive halving (Li et al. 2020, arXiv 1810.05934), or the median rule (Golovin et al. 2017).

    `patient` is successive halving too, but ends only trials that score below their own best of lower rungs.

    Args:
        config: The pruner's name and settings.
        eta: Factor between two rungs: of the trials at a rung, one in `eta` is promoted.
    """

    config: PrunerConfig
    eta: int

    def is_pruned(self, curve: Curve, *, others: Sequence[Curve]) -> bool:
        """Return whether a trial ends at its highest rung; see `Pruner.is_pruned`."""
        rung = max(curve.scores)
        study = optuna.create_study(direction="maximize")
        ordered = sorted((other for other in others if other.number != curve.number), key=lambda other: other.number)
        study.add_trials(self._frozen(other, completed=range(rung + 1)) for other in ordered if rung in other.scores)
        # Optuna decides about the trial's highest rung, so this rung must not be marked as completed.
        study.add_trial(self._frozen(curve, completed=range(rung)))
        return self._pruner().prune(study, study.get_trials(deepcopy=False)[-1])

    def _pruner(self) -> BasePruner:
        if self.config.name == "median":
            return MedianPruner(n_startup_trials=self.config.num_startup)
        halving = SuccessiveHalvingPruner(min_resource=1, reduction_factor=self.eta)
        if self.config.name != "patient":
            return halving
        with warnings.catch_warnings():
            # Marked experimental; constraints.txt pins Optuna.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            # Optuna's patience does not count the first rung of the waiting window.
            return PatientPruner(halving, patience=self.config.patience - 1)

    def _frozen(self, curve: Curve, *, completed: range) -> FrozenTrial:
        return create_trial(
            state=TrialState.COMPLETE if curve.is_finished else TrialState.RUNNING,
            value=curve.scores[max(curve.scores)] if curve.is_finished else None,
            intermediate_values={self.eta**rung: score for rung, score in curve.scores.items()},
            system_attrs={f"completed_rung_{rung}": curve.scores[rung] for rung in completed if rung in curve.scores},
        )

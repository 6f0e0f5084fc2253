"""Optuna's random and TPE samplers behind the contract: a fresh sampler and a study rebuilt for every proposal."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.samplers import RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial
from pydantic import JsonValue

from search.sampler.contract import PastTrial, Proposal, proposal_seed
from search.sampler.distributions import coordinates_of, describe, suggest
from spaces.drawing import first_assignments
from spaces.tree import Space

# Optuna logs a line for every trial and study; the record and the progress display say what happened.
optuna.logging.set_verbosity(optuna.logging.ERROR)

_STATES = {
    "proposed": TrialState.RUNNING,
    "running": TrialState.RUNNING,
    "finished": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OptunaSampler:
    """A sweep's first trials are its families at their defaults; then Optuna proposes.

    Args:
        space: What is searched.
        sweep_seed: Seed of the sweep.
        num_startup: Finished trials before TPE learns; None draws at random throughout.
    """

    space: Space
    sweep_seed: int
    num_startup: int | None

    def propose(self, number: int, *, history: Sequence[PastTrial]) -> Proposal:
        """Return the proposal for a trial; see `Sampler.propose`."""
        seed = proposal_seed(self.sweep_seed, number=number)
        first = first_assignments(self.space)
        if number < len(first):
            attributes = _attributes(coordinates=coordinates_of(self.space, first[number]), system={})
            return Proposal(assignment=first[number], seed=seed, attributes=attributes)
        study = _study(self._optuna_sampler(seed))
        if self.num_startup is not None:
            study.add_trials(frozen_trials(self.space, history))
        suggested = suggest(self.space, study.ask())
        system = study.get_trials(deepcopy=False)[-1].system_attrs
        attributes = _attributes(coordinates=suggested.coordinates, system=dict(system))
        return Proposal(assignment=suggested.assignment, seed=seed, attributes=attributes)

    def _optuna_sampler(self, seed: int) -> optuna.samplers.BaseSampler:
        if self.num_startup is None:
            return RandomSampler(seed=seed)
        with warnings.catch_warnings():
            # `group` is marked experimental; conditional spaces need it, and constraints.txt pins Optuna.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return TPESampler(
                n_startup_trials=self.num_startup, multivariate=True, group=True, constant_liar=True, seed=seed
            )


def _study(sampler: optuna.samplers.BaseSampler) -> optuna.Study:
    return optuna.create_study(storage=optuna.storages.InMemoryStorage(), sampler=sampler, direction="maximize")


def _attributes(*, coordinates: dict[str, JsonValue], system: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return what a running trial must keep: TPE reads its relative parameters, inactive ones too, from `system`."""
    return {"coordinates": coordinates, "system": system}


def frozen_trials(space: Space, history: Sequence[PastTrial]) -> list[FrozenTrial]:
    """Return a history as Optuna's trials in number order, failed ones left out.

    Raises:
        ConfigError: An assignment is not in the space.
        ValueError: A number stands twice, or a finished trial has no finite score.
    """
    ordered = sorted(history, key=lambda trial: trial.number)
    if len({trial.number for trial in ordered}) != len(ordered):
        msg = f"a history of {len(ordered)} trials names a number twice; give each trial once"
        raise ValueError(msg)
    # Optuna's TPE ignores trials in state FAIL, so leaving them out proposes the same and costs nothing.
    return [_frozen_trial(space, trial) for trial in ordered if trial.state != "failed"]


def _frozen_trial(space: Space, trial: PastTrial) -> FrozenTrial:
    described = describe(space, trial.assignment, coordinates=_part(trial, "coordinates"))
    scored = trial.score is not None and math.isfinite(trial.score)
    if trial.state == "finished" and not scored:
        msg = f"finished trial {trial.number} has score {trial.score}; a score is a finite number"
        raise ValueError(msg)
    return create_trial(
        state=_STATES[trial.state],
        value=trial.score if trial.state == "finished" else None,
        params=described.params,
        distributions=described.distributions,
        system_attrs=_part(trial, "system"),
        intermediate_values={trial.rung: trial.score} if trial.score is not None and scored else {},
    )


def _part(trial: PastTrial, name: str) -> dict[str, JsonValue]:
    part = trial.attributes.get(name)
    return part if isinstance(part, dict) else {}

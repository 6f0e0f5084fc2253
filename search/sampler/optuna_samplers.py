"""Optuna's random and TPE samplers behind the contract: a fresh sampler and a study rebuilt for every proposal."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.samplers import RandomSampler, TPESampler
from pydantic import JsonValue

from search.sampler.contract import PastTrial, Proposal, proposal_seed
from search.sampler.distributions import coordinates_of, suggest
from search.sampler.replay import Replay
from search.sampler.window import window
from spaces.drawing import first_assignments

# Optuna logs a line for every trial and study; the record and the progress display say what happened.
optuna.logging.set_verbosity(optuna.logging.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptunaSampler:
    """A sweep's first trials are its families at their defaults; then Optuna proposes.

    Args:
        replay: Rebuilds studies of the space that is searched.
        sweep_seed: Seed of the sweep.
        num_startup: Finished trials before TPE learns; None draws at random throughout.
    """

    replay: Replay
    sweep_seed: int
    num_startup: int | None

    def propose(self, number: int, *, history: Sequence[PastTrial]) -> Proposal:
        """Return the proposal for a trial; see `Sampler.propose`."""
        seed = proposal_seed(self.sweep_seed, number=number)
        first = first_assignments(self.replay.space)
        if number < len(first):
            attributes = _attributes(coordinates=coordinates_of(self.replay.space, first[number]), system={})
            return Proposal(assignment=first[number], seed=seed, attributes=attributes)
        seen = () if self.num_startup is None else window(history, num_startup=self.num_startup)
        study = self.replay.study(seen, sampler=self._optuna_sampler(seed))
        suggested = suggest(self.replay.space, trial=study.ask())
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


def _attributes(*, coordinates: dict[str, JsonValue], system: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return what a running trial must keep: TPE reads its relative parameters, inactive ones too, from `system`."""
    return {"coordinates": coordinates, "system": system}

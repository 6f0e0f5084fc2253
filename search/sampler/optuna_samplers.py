"""Samplers by Optuna: each proposal creates a new sampler, and a study from the trials on record.

GP, CMA-ES and NSGA-II model the parameters that all finished trials share. `SamplerConfig.name` says how each sampler
proposes the parameters that only some arms have.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from pydantic import JsonValue

from search.errors import RunError
from search.sampler.contract import PastTrial, Proposal, proposal_seed
from search.sampler.density_draws import DensityDraws
from search.sampler.density_first_trials import densities_of
from search.sampler.distributions import coordinates_of, suggest
from search.sampler.one_thread import on_one_thread
from search.sampler.prior_trials import FirstTrials
from search.sampler.replay import Replay
from search.sampler.window import window
from spaces.priors import PriorsConfig
from spaces.sweep_spec import SamplerConfig
from trainables.errors import TrainablesError

# Optuna logs a line for every trial and study; the record and the progress display say what happened.
optuna.logging.set_verbosity(optuna.logging.ERROR)

_SMALLEST_POPULATION = 2
"""NSGA-II combines two parents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptunaSampler:
    """Proposes the families at their defaults and the trials of the priors first, then lets Optuna propose.

    Args:
        replay: Rebuilds studies of the space that is searched.
        sweep_seed: Seed of the sweep.
        config: The sampler's name and settings.
        priors: The priors of the space.
    """

    replay: Replay
    sweep_seed: int
    config: SamplerConfig
    priors: PriorsConfig = field(default_factory=PriorsConfig)

    def propose(self, number: int, *, history: Sequence[PastTrial]) -> Proposal:
        """Return the proposal for a trial; see `Sampler.propose`."""
        seed = proposal_seed(self.sweep_seed, number=number)
        if (first := self._first.at(number, history=history)) is not None:
            attributes = _attributes(coordinates=coordinates_of(self.replay.space, first), system={})
            return Proposal(assignment=first, seed=seed, attributes=attributes)
        if self.config.name == "random" and self.priors.densities:
            space = self.replay.space
            draws = DensityDraws(space=space, densities=densities_of(space, self.priors.densities))
            drawn = draws.at(seed, history=history)
            attributes = _attributes(coordinates=coordinates_of(space, drawn), system={})
            return Proposal(assignment=drawn, seed=seed, attributes=attributes)
        study = self.replay.study(self._seen(history), sampler=self._optuna_sampler(seed))
        with on_one_thread(), _optuna_errors_as_run_error(self.config.name, number=number):
            suggested = suggest(self.replay.space, trial=study.ask())
        system = study.get_trials(deepcopy=False)[-1].system_attrs
        attributes = _attributes(coordinates=suggested.coordinates, system=dict(system))
        return Proposal(assignment=suggested.assignment, seed=seed, attributes=attributes)

    @property
    def _first(self) -> FirstTrials:
        return FirstTrials(self.replay.space, priors=self.priors)

    def _seen(self, history: Sequence[PastTrial]) -> Sequence[PastTrial]:
        """Return the trials that the sampler learns from; CMA-ES and NSGA-II need every generation."""
        if not self.config.learns:
            return ()
        if self.config.name in {"tpe", "gp"}:
            return [*self._first.earlier(history), *window(history, num_startup=self.config.num_startup)]
        return history

    def _optuna_sampler(self, seed: int) -> BaseSampler:
        num_startup = self.config.num_startup
        with warnings.catch_warnings():
            # TPE's `group` and GP are marked experimental; constraints.txt pins Optuna.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            match self.config.name:
                case "tpe":
                    return TPESampler(
                        n_startup_trials=num_startup, multivariate=True, group=True, constant_liar=True, seed=seed
                    )
                case "gp":
                    others = TPESampler(n_startup_trials=num_startup, seed=seed)
                    return GPSampler(
                        seed=seed,
                        n_startup_trials=num_startup,
                        independent_sampler=others,
                        warn_independent_sampling=False,
                    )
                case "cmaes":
                    from search.sampler.evolution import EvolutionSampler

                    others = TPESampler(n_startup_trials=num_startup, seed=seed)
                    return EvolutionSampler(seed=seed, num_startup=num_startup, others=others)
                case "nsga2":
                    return NSGAIISampler(seed=seed, population_size=max(num_startup, _SMALLEST_POPULATION))
                case _:
                    return RandomSampler(seed=seed)


@contextlib.contextmanager
def _optuna_errors_as_run_error(sampler: str, *, number: int) -> Generator[None]:
    """Raise errors of Optuna as one error with a message for the user.

    Raises:
        RunError: Optuna cannot propose a trial; trials that have ended are on record.
    """
    try:
        yield
    except TrainablesError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        msg = (
            f"sampler {sampler!r} (Optuna) cannot propose trial {number}: {reason}; the trials that have ended are on "
            "record: continue with another sampler, for example --set sampler.name=tpe"
        )
        raise RunError(msg) from error


def _attributes(*, coordinates: dict[str, JsonValue], system: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the attributes of a proposal. TPE reads the relative parameters of a running trial from `system`."""
    return {"coordinates": coordinates, "system": system}

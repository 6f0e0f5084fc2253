"""CMA-ES (Hansen 2016, arXiv 1604.00772) as an Optuna sampler that is rebuilt from finished trials.

Optuna's own CMA-ES sampler keeps a pickled optimiser in the trials. The record is never unpickled, so this sampler
passes the finished trials to a new optimiser again, generation by generation in the order of their numbers.
"""

from __future__ import annotations

import math
from typing import Any

import cmaes
import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.trial import FrozenTrial, TrialState

_MIN_DIMENSIONS = 2
"""Dimensions that the method needs."""
_SPREAD = 1 / 6
"""First standard deviation for a range of 1, as in Optuna."""


class EvolutionSampler(BaseSampler):
    """Proposes the numeric parameters that all finished trials share by CMA-ES, the others by another sampler.

    Args:
        seed: Seed of this proposal.
        num_startup: Finished trials before CMA-ES starts.
        others: Proposes choices, numbers that only some arms have, and everything while fewer than two are shared.
    """

    def __init__(self, *, seed: int, num_startup: int, others: BaseSampler) -> None:
        self._seed, self._num_startup, self._others = seed, num_startup, others

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the ranges that all finished trials share, or none when CMA-ES cannot start."""
        del trial
        shared = IntersectionSearchSpace().calculate(study)
        ranges = {name: one for name, one in shared.items() if _is_range(one)}
        return ranges if len(ranges) >= _MIN_DIMENSIONS and len(_finished(study)) >= self._num_startup else {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return values for the shared ranges."""
        del trial
        if not search_space:
            return {}
        ends = np.array([[0.0, 1.0]] * len(search_space))
        optimiser = cmaes.CMA(mean=np.full(len(search_space), 0.5), sigma=_SPREAD, bounds=ends, seed=self._seed)
        points = [
            (np.array([_to_unit(one, value=past.params[name]) for name, one in search_space.items()]), -_score(past))
            for past in _finished(study)
        ]
        size = optimiser.population_size
        for start in range(0, len(points) - size + 1, size):
            optimiser.tell(points[start : start + size])
        drawn = optimiser.ask()
        return {name: _from_unit(one, u=float(u)) for (name, one), u in zip(search_space.items(), drawn, strict=True)}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a value for any other parameter."""
        return self._others.sample_independent(study, trial, param_name, param_distribution)


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _score(trial: FrozenTrial) -> float:
    assert trial.value is not None  # noqa: S101  a finished trial has one
    return trial.value


def _is_range(distribution: BaseDistribution) -> bool:
    return isinstance(distribution, FloatDistribution | IntDistribution) and not distribution.single()


def _ends(distribution: BaseDistribution) -> tuple[float, float]:
    assert isinstance(distribution, FloatDistribution | IntDistribution)  # noqa: S101  ranges only
    half = 0.5 if isinstance(distribution, IntDistribution) else 0.0
    low, high = distribution.low - half, distribution.high + half
    return (math.log(low), math.log(high)) if distribution.log else (low, high)


def _to_unit(distribution: BaseDistribution, *, value: float) -> float:
    assert isinstance(distribution, FloatDistribution | IntDistribution)  # noqa: S101  ranges only
    low, high = _ends(distribution)
    return ((math.log(value) if distribution.log else value) - low) / (high - low)


def _from_unit(distribution: BaseDistribution, *, u: float) -> float:
    assert isinstance(distribution, FloatDistribution | IntDistribution)  # noqa: S101  ranges only
    low, high = _ends(distribution)
    value = low + u * (high - low)
    value = math.exp(value) if distribution.log else value
    value = round(value) if isinstance(distribution, IntDistribution) else value
    return min(max(value, distribution.low), distribution.high)

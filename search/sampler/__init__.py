"""Proposes trials. Only this package imports Optuna's samplers, when one is made."""

from __future__ import annotations

from functools import partial

from search.sampler.contract import (
    PastTrial,
    Proposal,
    Proposed,
    Sampler,
    TrialState,
    is_promoted_by_sampler,
    proposal_seed,
)
from spaces.objectives import BENCHMARKS
from spaces.space.tree import Space
from spaces.sweep_spec import SweepSpec, make_space

__all__ = [
    "PastTrial",
    "Proposal",
    "Proposed",
    "Sampler",
    "TrialState",
    "is_promoted_by_sampler",
    "make_sampler",
    "proposal_seed",
]


def make_sampler(
    spec: SweepSpec,
    *,
    proposed: Proposed = Proposed(),  # noqa: B008  it is frozen
    space: Space | None = None,
    is_forecast: bool = False,
) -> Sampler:
    """Return the sampler that a sweep spec asks for.

    Args:
        spec: The sweep's spec.
        proposed: The trials that were proposed before the space was changed: a grid does not propose them again.
        space: The spec's space, if the caller has made it already.
        is_forecast: Whether the scores are random, so that a model has nothing to learn from them but its proposals
            have to be quick.

    Raises:
        ConfigError: The spec's space is malformed; a loaded spec has been checked.
    """
    space = make_space(spec) if space is None else space
    if spec.stop.decided is not None:
        from search.sampler.deciding import DecidingSampler

        return DecidingSampler(space=space, sweep_seed=spec.seed, stop=spec.stop)
    if spec.sampler.name == "grid":
        from search.sampler.grid import GridSampler

        return GridSampler(space=space, sweep_seed=spec.seed, proposed=proposed)
    if spec.sampler.name == "given":
        from search.sampler.given_points import GivenSampler

        return GivenSampler(space=space, points=spec.sampler.points, sweep_seed=spec.seed)
    if spec.sampler.name == "qmc":
        from search.sampler.quasi_random import QuasiRandomSampler

        return QuasiRandomSampler(space=space, sweep_seed=spec.seed)
    if space.constraints:
        from search.sampler.constrained import ConstrainedSampler

        return ConstrainedSampler(
            space=space, make=partial(_make_unconstrained, spec, space, is_forecast=is_forecast), sweep_seed=spec.seed
        )
    return _make_unconstrained(spec, space, sweep_seed=spec.seed, is_forecast=is_forecast)


def _make_unconstrained(spec: SweepSpec, space: Space, *, sweep_seed: int, is_forecast: bool = False) -> Sampler:
    """Return a sampler that ignores constraints."""
    if spec.sampler.name == "stage_aware":
        from search.sampler.stage_aware.costs import StepCosts
        from search.sampler.stage_aware.sampler import StageAwareSampler

        costs = StepCosts(
            space=space,
            rungs=spec.rungs,
            prunes=spec.pruner.name != "none",
            counts_further=any(goal in BENCHMARKS for goal in spec.goals),
        )
        return StageAwareSampler(
            space=space,
            sweep_seed=sweep_seed,
            last_rung=spec.rungs.last,
            costs=costs,
            priors=spec.priors,
            least_gain=spec.stop.expected_gain,
            is_fitted=not is_forecast,
        )
    from search.sampler.optuna_samplers import OptunaSampler
    from search.sampler.replay import Replay

    replay = Replay(space=space, num_goals=len(spec.goals))
    return OptunaSampler(replay=replay, sweep_seed=sweep_seed, config=spec.sampler, priors=spec.priors)

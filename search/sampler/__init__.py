"""Proposes trials; the only door to Optuna's samplers. Optuna itself is imported when a sampler is made."""

from __future__ import annotations

from functools import partial

from search.sampler.contract import PastTrial, Proposal, Proposed, Sampler, TrialState, proposal_seed
from spaces.sweep_spec import SweepSpec, make_space
from spaces.tree import Space

__all__ = ["PastTrial", "Proposal", "Proposed", "Sampler", "TrialState", "make_sampler", "proposal_seed"]


def make_sampler(
    spec: SweepSpec,
    *,
    proposed: Proposed = Proposed(),  # noqa: B008  it is frozen
    space: Space | None = None,
) -> Sampler:
    """Return the sampler that a sweep spec asks for.

    Args:
        spec: The sweep's spec.
        proposed: What was proposed before the space was changed: a grid does not propose it again.
        space: The spec's space, where it was made already.

    Raises:
        ConfigError: The spec's space is malformed; a loaded spec has been checked.
    """
    space = make_space(spec) if space is None else space
    if spec.sampler.name == "grid":
        from search.sampler.grid import GridSampler

        return GridSampler(space=space, sweep_seed=spec.seed, proposed=proposed)
    if spec.sampler.name == "given":
        from search.sampler.given import GivenSampler

        return GivenSampler(space=space, points=spec.sampler.points, sweep_seed=spec.seed)
    if spec.sampler.name == "qmc":
        from search.sampler.quasi_random import QuasiRandomSampler

        return QuasiRandomSampler(space=space, sweep_seed=spec.seed)
    if space.constraints:
        from search.sampler.constrained import ConstrainedSampler

        return ConstrainedSampler(space=space, make=partial(_make_asked, spec, space), sweep_seed=spec.seed)
    return _make_asked(spec, space, sweep_seed=spec.seed)


def _make_asked(spec: SweepSpec, space: Space, *, sweep_seed: int) -> Sampler:
    """Return a sampler that knows nothing of constraints."""
    if spec.sampler.name == "stage_aware":
        from search.sampler.stage_aware.costs import StepCosts
        from search.sampler.stage_aware.sampler import StageAwareSampler

        costs = StepCosts(space=space, rungs=spec.rungs, prunes=spec.pruner.name != "none")
        return StageAwareSampler(
            space=space, sweep_seed=sweep_seed, last_rung=spec.rungs.last, costs=costs, priors=spec.priors
        )
    from search.sampler.optuna_samplers import OptunaSampler
    from search.sampler.replay import Replay

    replay = Replay(space=space, num_goals=len(spec.goals))
    return OptunaSampler(replay=replay, sweep_seed=sweep_seed, config=spec.sampler, priors=spec.priors)

"""Every sampler in random conditional spaces: proposals are in the space and hold active parameters only."""

# ruff: noqa: S311  random draws for tests are no secrets
from __future__ import annotations

import dataclasses
import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search.sampler import PastTrial, Sampler
from search.sampler.constrained import ConstrainedSampler
from search.sampler.grid import GridSampler
from search.sampler.optuna_samplers import OptunaSampler
from search.sampler.quasi_random import QuasiRandomSampler
from search.sampler.replay import Replay
from search.sampler.stage_aware.sampler import StageAwareSampler
from spaces.space.enumeration import size
from spaces.space.tree import Assignment, Space
from spaces.space.walk import contains
from spaces.sweep_spec import SamplerConfig
from tests.spaces_tests.conditional_spaces import conditional_spaces
from tests.spaces_tests.test_walk import spaces

STATES = ["finished", "finished", "finished", "failed", "pruned", "running"]
NUM_TRIALS = 9


class SameCosts:
    """Of spaces whose fields are no trial's."""

    def parts(self, assignment: Assignment) -> tuple[float, float]:  # noqa: ARG002
        return 100.0, 50.0

    def to_continue(self, assignment: Assignment, *, rung: int) -> float:  # noqa: ARG002
        """Return the steps of a pruned trial's next rungs."""
        return 1.0


def sampler(name: str, *, space: Space, seed: int, num_goals: int = 1) -> Sampler:
    if name == "qmc":
        return QuasiRandomSampler(space=space, sweep_seed=seed)
    if name == "stage_aware":

        def make_stage_aware(*, sweep_seed: int) -> Sampler:
            return StageAwareSampler(space=space, sweep_seed=sweep_seed, last_rung=1, costs=SameCosts())  # type: ignore[arg-type]

        if space.constraints:
            return ConstrainedSampler(space=space, make=make_stage_aware, sweep_seed=seed)
        return make_stage_aware(sweep_seed=seed)
    config = SamplerConfig.model_validate({"name": name} | ({} if name == "random" else {"num_startup": 3}))

    def make(*, sweep_seed: int) -> Sampler:
        replay = Replay(space=space, num_goals=num_goals)
        return OptunaSampler(replay=replay, sweep_seed=sweep_seed, config=config)

    return ConstrainedSampler(space=space, make=make, sweep_seed=seed) if space.constraints else make(sweep_seed=seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["random", "tpe", "qmc", "gp", "cmaes", "nsga2", "stage_aware"])
@given(space=st.one_of(spaces(), conditional_spaces()), seed=st.integers(0, 2**31 - 1))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_proposals_are_in_the_space_and_a_resumed_sweep_repeats_them(name: str, space: Space, seed: int) -> None:
    generator, history = random.Random(seed), list[PastTrial]()
    lived = sampler(name, space=space, seed=seed)
    for number in range(NUM_TRIALS):
        proposal = lived.propose(number, history=history)
        # `contains` refuses an assignment that lacks an active parameter, or holds one that is not active.
        assert contains(space, json.loads(json.dumps(proposal.assignment)))
        assert sampler(name, space=space, seed=seed).propose(number, history=history[::-1]) == proposal
        state = generator.choice(STATES)
        score = generator.random() if state in {"finished", "pruned"} else None
        history.append(
            PastTrial(
                number=number,
                assignment=proposal.assignment,
                state=state,
                score=score,
                attributes=json.loads(json.dumps(proposal.attributes)),
            )
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["random", "tpe", "qmc", "gp", "nsga2"])
@given(space=st.one_of(spaces(), conditional_spaces()), seed=st.integers(0, 2**31 - 1))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_so_it_is_with_several_objectives(name: str, space: Space, seed: int) -> None:
    generator, history = random.Random(seed), list[PastTrial]()
    lived = sampler(name, space=space, seed=seed, num_goals=3)
    for number in range(NUM_TRIALS):
        proposal = lived.propose(number, history=history)
        assert contains(space, json.loads(json.dumps(proposal.assignment)))
        assert sampler(name, space=space, seed=seed, num_goals=3).propose(number, history=history[::-1]) == proposal
        state = generator.choice(STATES)
        values = (generator.random(), -generator.random(), -generator.randint(1, 3)) if state == "finished" else ()
        score = values[0] if values else 0.5 if state == "pruned" else None
        attributes = json.loads(json.dumps(proposal.attributes))
        past = PastTrial(number=number, assignment=proposal.assignment, state=state, attributes=attributes)
        history.append(dataclasses.replace(past, score=score, values=values))


@given(space=st.one_of(spaces(continuous=False), conditional_spaces(continuous=False)), seed=st.integers(0, 2**31 - 1))
@settings(max_examples=15, deadline=None)
def test_a_grid_stays_in_the_space(space: Space, seed: int) -> None:
    points = size(space)
    assert points is not None
    grid = GridSampler(space=space, sweep_seed=seed)
    # Listing a large space anew for each proposal takes long: small ones show it.
    for number in range(min(points, 5) if points <= 300 else 0):
        assert contains(space, grid.propose(number, history=[]).assignment)

"""The weights of a mixture in the stage-aware sampler: what the model learns of them, and which it proposes."""

# ruff: noqa: S311  random draws for tests are no secrets
from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from search.sampler import PastTrial, make_sampler
from search.sampler.stage_aware.mixtures import MIN_TASKS, MixtureSearch
from search.sampler.stage_aware.model import StageModel
from search.sampler.stage_aware.points import Encoder
from spaces.space.enumeration import default_assignment
from spaces.space.parameters import SimplexParameter
from spaces.space.tree import Assignment, Space, every_parameter
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec

TASKS: tuple[str, ...] = ("squad", "snli", "commonsense_qa", "cosmos_qa", "hellaswag", "mnli")
WEIGHTS = "intermediate.multitask.mixture"
EFFECTS: dict[str, float] = dict(zip(TASKS, (0.0, 0.02, 0.1, -0.05, 0.04, 0.0), strict=True))


def spec(num_tasks: int = MIN_TASKS, **changes: Any) -> SweepSpec:
    """Return the spec of a family without a mixture, and one whose weights are searched."""
    document: dict[str, Any] = {
        "name": "mixtures",
        "trials": 40,
        "seed": 3,
        "sampler": {"name": "stage_aware"},
        "trial": {"target": {"mixture": {"mnli": 1.0}, "steps": 50}, "evaluation": {"task": "xnli"}},
        "families": {
            "none": {},
            "multitask": {"mixture": {"simplex": list(TASKS[:num_tasks])}, "steps": 100},
        },
        "search": {"target.learning_rate": {"log": [1e-5, 1e-3]}},
    }
    return make_sweep_spec({**document, **changes})


def simplex(space: Space) -> SimplexParameter:
    return next(one for one in every_parameter(space.root) if isinstance(one, SimplexParameter))


def weights(assignment: Assignment) -> dict[str, float]:
    found = assignment[WEIGHTS]
    assert isinstance(found, dict)
    return {task: float(str(weight)) for task, weight in found.items()}


def score(assignment: Assignment) -> float:
    """Return a score to which each task adds its effect in proportion to its weight."""
    if WEIGHTS not in assignment:
        return 0.6
    return 0.6 + sum(EFFECTS[task] * weight for task, weight in weights(assignment).items())


def mixed(space: Space, *, num: int) -> list[Assignment]:
    """Return random trials with weights that are near equal, at one target."""
    start, chance, parameter = default_assignment(space, family="multitask"), random.Random(0), simplex(space)
    return [
        {**start, WEIGHTS: parameter.weights(tuple(chance.uniform(1, 2) for _ in parameter.items))} for _ in range(num)
    ]


def model_of(trials: Sequence[Assignment], *, encoder: Encoder) -> StageModel:
    return StageModel(
        encoder.points(trials),
        rungs_N=np.zeros(len(trials), dtype=int),
        scores_N=np.array([score(one) for one in trials]),
        last_rung=0,
    )


def history(sampler_of: SweepSpec, *, num: int) -> list[PastTrial]:
    """Return the trials of a sweep."""
    sampler, past = make_sampler(sampler_of), list[PastTrial]()
    for number in range(num):
        chosen = sampler.propose(number, history=past).assignment
        past.append(PastTrial(number=number, assignment=chosen, state="finished", score=score(chosen)))
    return past


def test_effects_of_tasks_are_learnt_from_mixtures_and_hold_for_single_tasks() -> None:
    space = make_space(spec())
    parameter, trials, encoder = simplex(space), mixed(space, num=16), Encoder(space)
    alone = [
        {**trials[0], WEIGHTS: parameter.weights(tuple(0.96 if task == one else 0.01 for task in parameter.items))}
        for one in parameter.items
    ]
    mean, _ = model_of(trials, encoder=encoder).predict(encoder.points(alone))

    assert [parameter.items[place] for place in np.argsort(-mean)] == sorted(
        parameter.items, key=lambda task: -EFFECTS[task]
    )


def test_pairs_are_predicted_as_the_configurations_that_they_make() -> None:
    space = make_space(spec())
    encoder, trials = Encoder(space), mixed(space, num=12)
    model, points = model_of(trials, encoder=encoder), encoder.points(trials[:3])
    mean_FT, deviation_FT = model.predict_pairs(points, points[:1])
    mean, deviation = model.predict(points)

    assert mean_FT[:, 0] == pytest.approx(mean)
    assert deviation_FT[:, 0] == pytest.approx(deviation)


def test_fewer_tasks_are_plain_numbers() -> None:
    space = make_space(spec(MIN_TASKS - 1))

    assert Encoder(space).points(mixed(space, num=2)).mixtures_NV is None


def _off(wanted: Sequence[float]) -> Callable[[Sequence[Assignment]], np.ndarray]:
    def value(assignments: Sequence[Assignment]) -> np.ndarray:
        return np.array([-math.dist(weights(one).values(), wanted) for one in assignments])

    return value


@pytest.mark.parametrize("wanted", [(0.4, 0.3, 0.2, 0.05, 0.05), (0.0, 0.0, 1.0, 0.0, 0.0), (0.0, 0.7, 0.0, 0.3, 0.0)])
def test_the_search_finds_the_best_weights(wanted: tuple[float, ...]) -> None:
    space = make_space(spec())
    search = MixtureSearch(parameter=simplex(space), value=_off(wanted), generator=random.Random(0))
    best = search.found(mixed(space, num=3))[0]

    assert math.dist(weights(best).values(), wanted) < 0.15


def test_candidates_are_configurations_of_the_space() -> None:
    space = make_space(spec())
    search = MixtureSearch(parameter=simplex(space), value=_off((0, 0, 1, 0, 0)), generator=random.Random(1))

    assert all(simplex(space).admits(one[WEIGHTS]) for one in search.found(mixed(space, num=1)))


def test_a_sweep_finds_the_best_task_and_its_proposals_are_pure() -> None:
    past = history(spec(), num=14)
    again = make_sampler(spec()).propose(13, history=past[:13])

    assert again.assignment == past[13].assignment
    assert max(weights(one.assignment)["commonsense_qa"] for one in past if WEIGHTS in one.assignment) > 0.85


def test_weights_of_running_trials_are_not_proposed_again() -> None:
    past = history(spec(), num=8)
    chosen = make_sampler(spec()).propose(8, history=past).assignment
    running = [*past, PastTrial(number=8, assignment=chosen, state="running")]

    assert make_sampler(spec()).propose(9, history=running).assignment != chosen


def test_candidates_meet_the_constraints() -> None:
    limited = spec(search={"target.learning_rate": {"log": [1e-5, 1e-3]}}, constraints=["target.learning_rate <= 1e-4"])
    chosen = [one.assignment["target.learning_rate"] for one in history(limited, num=10)]

    assert max(float(str(rate)) for rate in chosen) <= 1e-4

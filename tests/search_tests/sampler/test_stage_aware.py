"""The stage-aware sampler by its parts: what it learns of configurations, what they cost it, what it picks."""

# ruff: noqa: S311  random draws for tests are no secrets
from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from search.sampler import PastTrial, make_sampler
from search.sampler.stage_aware.beliefs import Beliefs
from search.sampler.stage_aware.costs import StepCosts
from search.sampler.stage_aware.model import Points, StageModel, expected_improvement
from search.sampler.stage_aware.points import Encoder
from search.sampler.stage_aware.sampler import StageAwareSampler
from spaces.priors import PriorsConfig
from spaces.space.enumeration import draw, enumerate_assignments
from spaces.space.tree import Assignment, Space
from spaces.sweep_spec import make_space, make_sweep_spec
from trainables.config import RungsConfig

INTERMEDIATE, TARGET = "intermediate.text.learning_rate", "target.learning_rate"
RATES = {"log": [1e-4, 1e-2]}


def space(*, schedule: str = "linear") -> Space:
    """Return the space of an intermediate phase and a target phase with a learning rate each."""
    text = {"mixture": {"miniature_qa": 1.0}, "steps": 200, "learning_rate": RATES}
    target = {"mixture": {"miniature_nli": 1.0}, "steps": 90, "schedule": {"kind": schedule, "warmup_fraction": 0.0}}
    document: dict[str, Any] = {
        "name": "stages",
        "trials": 10,
        "trial": {"target": target, "evaluation": {"task": "miniature_nli"}},
        "families": {"none": {}, "text": text},
        "search": {TARGET: RATES},
    }
    return make_space(make_sweep_spec(document))


def score(assignment: Assignment) -> float:
    """Return a score to which both parts add what is theirs."""
    of_target = math.log10(float(str(assignment[TARGET]))) + 3.3
    rate = assignment.get(INTERMEDIATE)
    of_beginning = 0.0 if rate is None else 0.08 - 0.06 * (math.log10(float(str(rate))) + 2.6) ** 2
    return 0.6 + of_beginning - 0.05 * of_target**2


def model_of(assignments: list[Assignment], *, encoder: Encoder) -> StageModel:
    return StageModel(
        encoder.points(assignments),
        rungs_N=np.ones(len(assignments)),
        scores_N=np.array([score(one) for one in assignments]),
        last_rung=1,
    )


def drawn(space: Space, *, num: int, seed: int) -> list[Assignment]:
    generator = random.Random(seed)
    return [draw(space, generator=generator) for _ in range(num)]


def test_the_model_learns_what_both_parts_add() -> None:
    encoder, known, new = Encoder(space()), drawn(space(), num=30, seed=0), drawn(space(), num=40, seed=1)
    mean, deviation = model_of(known, encoder=encoder).predict(encoder.points(new))
    truth = np.array([score(one) for one in new])

    assert np.abs(mean - truth).mean() < 0.25 * truth.std()
    assert (np.abs(mean - truth) < 4 * deviation).mean() > 0.9


def test_pairs_are_predicted_as_the_configurations_that_they_make() -> None:
    encoder, known = Encoder(space()), drawn(space(), num=20, seed=2)
    model, (first, second) = model_of(known, encoder=encoder), drawn(space(), num=2, seed=5)
    mean_FT, deviation_FT = model.predict_pairs(encoder.points([first, second]), encoder.points([first, second]))
    mean, deviation = model.predict(encoder.points([first, second, first | {TARGET: second[TARGET]}]))

    assert [*mean_FT.diagonal(), mean_FT[0, 1]] == pytest.approx(mean)
    assert [*deviation_FT.diagonal(), deviation_FT[0, 1]] == pytest.approx(deviation)


def test_what_runs_is_less_of_a_riddle_and_changes_no_expectation() -> None:
    encoder, known, running = Encoder(space()), drawn(space(), num=12, seed=3), drawn(space(), num=2, seed=4)
    model = model_of(known, encoder=encoder)
    mean, deviation = model.predict(encoder.points(running))
    mean_after, deviation_after = model.with_believed(encoder.points(running)).predict(encoder.points(running))

    assert mean_after == pytest.approx(mean, abs=1e-3)
    assert (deviation_after < deviation).all()


ARMS = {"family": {"text": 3.0, "none": 1.0}, TARGET: {"low": 4.0}}


def test_priors_are_expected_of_pairs_as_of_the_configurations_that_they_make() -> None:
    beliefs = Beliefs(space=space(), priors=PriorsConfig(arms=ARMS))
    text: Assignment = {"family": "text", TARGET: "low"}
    none: Assignment = {"family": "none", TARGET: "high"}
    other: Assignment = {"family": "x"}

    of_pairs = beliefs.of_pairs([text, none, other], [text, none, other])
    joined = [a | {TARGET: b.get(TARGET)} for a in (text, none, other) for b in (text, none, other)]
    assert of_pairs.ravel() == pytest.approx(beliefs.of(joined))
    assert beliefs.of([other]) == [0.0]
    assert (Beliefs(space=space(), priors=PriorsConfig()).of_pairs([text], [none]) == 0).all()


def arms(*codes: float) -> Points:
    """Return configurations that differ in one choice before the target."""
    nothing = np.zeros((len(codes), 0))
    choices_NA = np.array(codes)[:, None]
    return Points(numbers_NZ=nothing, choices_NA=choices_NA, target_numbers_NW=nothing, target_choices_NB=nothing)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_priors_expect_of_an_untried_arm_counts_as_the_tried_ones_bear_it_out(sign: float) -> None:
    expected_N = np.linspace(-1.5, 1.0, 6)
    scores_N = 80 + sign * np.array([-2.0, -1.3, -0.4, 0.6, 1.1, 2.1])
    model = StageModel(
        arms(0, 1, 2, 3, 4, 5), rungs_N=np.zeros(6), scores_N=scores_N, last_rung=0, expected_N=expected_N
    )

    (best, neutral), _ = model.predict(arms(6, 7), expected_M=np.array([1.5, 0.0]))
    assert sign * (best - neutral) > 1.0
    assert abs(neutral - 80) < 1.0


def test_a_priors_expectation_of_what_runs_is_kept() -> None:
    model = StageModel(
        arms(0, 1), rungs_N=np.zeros(2), scores_N=np.array([1.0, 2.0]), last_rung=0, expected_N=np.array([-1.0, 1.0])
    )
    (before,), _ = model.predict(arms(2), expected_M=np.array([1.5]))
    (after,), _ = model.with_believed(arms(2), expected_M=np.array([1.5])).predict(arms(2), expected_M=np.array([1.5]))
    assert after == pytest.approx(before, abs=1e-3)


def test_expected_improvement_is_that_of_draws() -> None:
    draws = np.random.default_rng(0).normal(0.3, 0.2, size=1_000_000)

    found = expected_improvement(np.array([0.3]), np.array([0.2]), best=0.4)
    assert found[0] == pytest.approx(np.maximum(draws - 0.4, 0).mean(), rel=0.01)


@pytest.mark.parametrize(
    ("schedule", "prunes", "steps"),
    [
        ("linear", False, 10 + 30 + 90),  # rungs at a ninth, a third and all, each trained from its beginning
        ("linear", True, 10 + 30 / 3 + 90 / 9),  # one in three climbs
        ("constant", False, 90),  # each goes on where the one before ended
        ("constant", True, 10 + 20 / 3 + 60 / 9),
    ],
)
def test_steps_are_counted_as_trials_are_expected_to_climb(schedule: str, *, prunes: bool, steps: float) -> None:
    costs = StepCosts(space=space(schedule=schedule), rungs=RungsConfig(num=3, eta=3), prunes=prunes)

    before, target = costs.parts({"family": "text", INTERMEDIATE: 1e-3, TARGET: 1e-3})
    assert (before, target) == (200, pytest.approx(steps))
    assert costs.parts({"family": "none", TARGET: 1e-3}) == (0.0, target)


@pytest.mark.parametrize("last", range(6))
def test_the_last_untried_configuration_of_a_listed_space_is_found(last: int) -> None:
    spec = make_sweep_spec(
        {
            "name": "listed",
            "trials": 6,
            "sampler": {"name": "stage_aware"},
            "trial": {
                "target": {"mixture": {"miniature_nli": 1.0}, "steps": 90},
                "evaluation": {"task": "miniature_nli"},
            },
            "families": {"none": {}},
            "search": {TARGET: {"choice": [1e-4, 1e-3, 1e-2]}, "target.batch_size": {"choice": [16, 32]}},
        }
    )
    grid = list(enumerate_assignments(make_space(spec)))
    untried = grid.pop(last)
    history = [
        PastTrial(number=number, assignment=one, state="finished", score=score(one) + number / 1000)
        for number, one in enumerate(grid)
    ]

    assert make_sampler(spec).propose(len(history), history=history).assignment == untried


def num_beginnings(costs: Callable[[Assignment], tuple[float, float]], *, seed: int) -> int:
    """Return how many intermediate phases a sweep of 24 trials makes."""

    class Costs:
        def parts(self, assignment: Assignment) -> tuple[float, float]:
            return costs(assignment)

    sampler = StageAwareSampler(space=space(), sweep_seed=seed, last_rung=0, costs=Costs())  # type: ignore[arg-type]
    history: list[PastTrial] = []
    for number in range(24):
        proposal = sampler.propose(number, history=history)
        history.append(
            PastTrial(
                number=number,
                assignment=proposal.assignment,
                state="finished",
                score=score(proposal.assignment),
                attributes=proposal.attributes,
            )
        )
    return len({str(one.assignment.get(INTERMEDIATE)) for one in history})


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_the_dearer_an_intermediate_phase_the_fewer_are_made(seed: int) -> None:
    cheap = num_beginnings(lambda _: (1.0, 1000.0), seed=seed)
    dear = num_beginnings(lambda one: (0.0 if one["family"] == "none" else 100_000.0, 100.0), seed=seed)

    assert dear < cheap / 1.5

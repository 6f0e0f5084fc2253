"""Prior densities: the centres in the first trials, how scores contradict them, and that proposals stay pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from search.sampler import PastTrial, make_sampler
from search.sampler.density_draws import depends_on_scores
from search.sampler.prior_trials import FirstTrials
from spaces.space.tree import Assignment
from spaces.space.walk import contains
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec

TARGET, TEXT = "target.learning_rate", "intermediate.text.learning_rate"
RATES = {"log": [1e-6, 1e-2]}
DOCUMENT: dict[str, Any] = {
    "name": "dense",
    "trials": 60,
    "trial": {"target": {"mixture": {"miniature_nli": 1.0}, "steps": 10}, "evaluation": {"task": "miniature_nli"}},
    "families": {
        "none": {},
        "text": {"mixture": {"miniature_qa": 1.0}, "steps": 10, "learning_rate": RATES},
        "multitask": {"mixture": {"miniature_qa": 0.5, "miniature_choice": 0.5}, "steps": 10},
    },
    "search": {TARGET: RATES},
}
DENSITIES = {TARGET: {"centre": 1e-5, "confidence": 0.8}, TEXT: {"centre": 1e-3, "confidence": 0.8}}
MIDDLE = pytest.approx(1e-4)
LEARNING = ["stage_aware", "random"]
SAMPLERS = [*LEARNING, "tpe", "gp", "cmaes", "nsga2"]


def spec(*, name: str = "stage_aware", densities: dict[str, Any] | None = None, **fields: Any) -> SweepSpec:
    priors: dict[str, Any] = {"densities": DENSITIES if densities is None else densities}
    return make_sweep_spec({**DOCUMENT, "sampler": {"name": name}, "priors": priors, **fields})


def sweep(
    wanted: SweepSpec, *, num: int, score: Callable[[Assignment], float], history: list[PastTrial] | None = None
) -> list[PastTrial]:
    trials = list(history or [])
    for number in range(len(trials), num):
        # A sampler from nothing each time, as in a sweep that is resumed after every trial.
        proposal = make_sampler(wanted).propose(number, history=trials)
        trials.append(
            PastTrial(
                number=number,
                assignment=proposal.assignment,
                state="finished",
                score=score(proposal.assignment),
                attributes=proposal.attributes,
            )
        )
    return trials


def decades(assignment: Assignment, path: str, *, best: float) -> float:
    return abs(math.log10(float(str(assignment.get(path, best))) / best))


def as_believed(assignment: Assignment) -> float:
    return 0.8 - 0.1 * decades(assignment, TARGET, best=1e-5) - 0.1 * decades(assignment, TEXT, best=1e-3)


def against_it(assignment: Assignment) -> float:
    return 0.8 - 0.1 * decades(assignment, TARGET, best=1e-2) - 0.1 * decades(assignment, TEXT, best=1e-6)


def rates(trials: list[PastTrial]) -> list[tuple[Any, Any, Any]]:
    return [(one.assignment["family"], one.assignment[TARGET], one.assignment.get(TEXT)) for one in trials]


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_first_trials_have_the_centres_and_one_tests_them_against_the_defaults(name: str) -> None:
    trials = sweep(spec(name=name), num=5, score=as_believed)

    assert rates(trials)[:3] == [("none", 1e-5, None), ("none", MIDDLE, None), ("text", 1e-5, 1e-3)]
    assert rates(trials)[4] == ("multitask", 1e-5, None)


@pytest.mark.parametrize("name", SAMPLERS)
def test_centres_that_a_test_contradicts_are_not_placed_again(name: str) -> None:
    trials = sweep(spec(name=name), num=5, score=against_it)

    assert rates(trials) == [
        ("none", 1e-5, None),
        ("none", MIDDLE, None),
        ("text", MIDDLE, 1e-3),
        ("text", MIDDLE, MIDDLE),  # the trial before it is behind `none`: is it the family, or its learning rate?
        ("multitask", MIDDLE, None),
    ]


def test_a_failed_trial_contradicts_nothing() -> None:
    wanted = spec()
    first = FirstTrials(make_space(wanted), priors=wanted.priors)
    at_centre, at_default = sweep(wanted, num=2, score=against_it)
    failed = PastTrial(number=0, assignment=at_centre.assignment, state="failed")

    found = first.at(2, history=[failed, at_default])

    assert found is not None
    assert found[TARGET] == 1e-5


def test_centres_that_are_the_defaults_need_no_test() -> None:
    wanted = spec(densities={TARGET: {"centre": 1e-4, "confidence": 0.8}}, search={TARGET: {**RATES, "default": 1e-4}})
    first = FirstTrials(make_space(wanted), priors=wanted.priors)

    found = [first.at(number, history=[]) for number in range(4)]

    assert [one and one["family"] for one in found] == ["none", "text", "multitask", None]


def test_arms_with_numbers_keep_their_order_with_the_centres() -> None:
    arms = {"family": {"none": 0.0, "text": 0.5, "multitask": 0.2}}
    wanted = spec(priors={"arms": arms, "densities": DENSITIES})
    first = FirstTrials(make_space(wanted), priors=wanted.priors)

    found = [first.at(number, history=[]) for number in range(4)]

    assert [one and (one["family"], one[TARGET]) for one in found] == [
        ("text", 1e-5),
        ("text", MIDDLE),
        ("none", 1e-5),
        ("multitask", 1e-5),
    ]


@pytest.mark.parametrize("name", LEARNING)
def test_later_proposals_are_near_the_centre_unless_scores_contradict_it(name: str) -> None:
    believed = sweep(spec(name=name), num=40, score=as_believed)[5:]
    contradicted = sweep(spec(name=name), num=40, score=against_it)[5:]

    near = [
        sum(decades(one.assignment, TARGET, best=1e-5) < 0.4 for one in found) for found in (believed, contradicted)
    ]

    assert near[0] >= 16
    assert near[1] <= 11  # a fifth of random draws are near it


@pytest.mark.parametrize("name", LEARNING)
def test_a_resumed_sweep_proposes_the_same(name: str) -> None:
    wanted = spec(name=name)
    whole = sweep(wanted, num=12, score=as_believed)
    again = make_sweep_spec(wanted.model_dump(mode="json"))

    assert sweep(again, num=12, score=as_believed, history=whole[:7]) == whole
    assert all(contains(make_space(wanted), one.assignment) for one in whole)


def test_an_earlier_trial_is_run_again_without_the_centres() -> None:
    trial: dict[str, Any] = {"number": 0, "assignment": {"family": "none", TARGET: 2e-3}, "score": 0.5, "is_same": True}
    wanted = spec(priors={"earlier": {"sweep": "before", "trials": [trial]}, "densities": DENSITIES})
    first = FirstTrials(make_space(wanted), priors=wanted.priors)

    assert first.at(0, history=[]) == {"family": "none", TARGET: 2e-3}


def test_random_proposals_depend_on_scores_where_there_are_densities() -> None:
    assert depends_on_scores(spec(name="random"))
    assert not depends_on_scores(make_sweep_spec({**DOCUMENT, "sampler": {"name": "random"}}))

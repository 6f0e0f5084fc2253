"""Priors: the order of the first trials, how they fade, and that a resumed sweep believes the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from search.sampler import PastTrial, make_sampler
from search.sampler.prior_trials import FirstTrials
from spaces.priors import PriorsConfig
from spaces.space.enumeration import draw, first_assignments
from spaces.space.tree import Assignment
from spaces.space.walk import contains
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec
from trainables.errors import ConfigError

DOCUMENT: dict[str, Any] = {
    "name": "believed",
    "trials": 40,
    "sampler": {"name": "tpe", "num_startup": 4},
    "trial": {"target": {"mixture": {"miniature_nli": 1.0}, "steps": 10}, "evaluation": {"task": "miniature_nli"}},
    "families": {
        "none": {},
        "text": {
            "mixture": {"choice": ["miniature_qa", "miniature_choice", "miniature_nli"]},
            "steps": {"choice": [10, 20]},
        },
        "multitask": {"mixture": {"simplex": ["miniature_qa", "miniature_choice"]}, "steps": 10},
    },
    "search": {"target.learning_rate": {"log": [1e-4, 1e-2]}},
}
TASKS = "intermediate.text.mixture"
ARMS = {TASKS: {"miniature_qa": 0.1, "miniature_choice": 0.8, "miniature_nli": 0.5}, "family": {"none": -0.2}}
SAMPLERS = ["tpe", "random", "gp", "cmaes", "nsga2", "stage_aware"]


def spec(priors: dict[str, Any] | None = None, *, name: str = "tpe", **fields: Any) -> SweepSpec:
    document = {**DOCUMENT, "sampler": {"name": name}, **fields}
    return make_sweep_spec(document if priors is None else {**document, "priors": priors})


def first_trials(priors: dict[str, Any]) -> FirstTrials:
    wanted = spec(priors)
    return FirstTrials(make_space(wanted), priors=wanted.priors)


def arm(assignment: Assignment | None) -> Any:
    """Return the text task, or the family of a trial without one; None where the sampler decides."""
    return None if assignment is None else assignment.get(TASKS, assignment["family"])


def sweep(wanted: SweepSpec, *, num: int, score: Callable[[Assignment], float]) -> list[PastTrial]:
    history: list[PastTrial] = []
    for number in range(num):
        # A sampler from nothing each time, as in a sweep that is resumed after every trial.
        proposal = make_sampler(wanted).propose(number, history=history)
        history.append(
            PastTrial(
                number=number,
                assignment=proposal.assignment,
                state="finished",
                score=score(proposal.assignment),
                attributes=proposal.attributes,
            )
        )
    return history


def flat(assignment: Assignment) -> float:
    return 0.5 - float(str(assignment["target.learning_rate"]))


def as_believed(assignment: Assignment) -> float:
    return {"miniature_choice": 0.8, "miniature_nli": 0.6, "miniature_qa": 0.4, "none": 0.1}.get(arm(assignment), 0.5)


def against_it(assignment: Assignment) -> float:
    return -as_believed(assignment)


def earlier_trials(num: int, *, is_same: bool = True) -> dict[str, Any]:
    import random

    space = make_space(spec())
    generator = random.Random(0)  # noqa: S311  (assignments for a test)
    drawn = [draw(space, generator=generator) for _ in range(num)]
    trials = [
        {"number": place, "assignment": one, "score": place / num, "is_same": is_same}
        for place, one in enumerate(drawn)
    ]
    return {"earlier": {"sweep": "before", "trials": trials}}


def test_without_priors_the_families_come_first_and_then_the_sampler() -> None:
    trials = first_trials({})

    assert [trials.at(number, history=[]) for number in range(3)] == first_assignments(make_space(spec()))
    assert [trials.at(number, history=[]) for number in range(3, 40)] == [None] * 37


def test_the_arm_believed_best_comes_first_then_the_worst_and_every_family_has_its_turn() -> None:
    trials = first_trials({"arms": ARMS})

    told = [arm(trials.at(number, history=[])) for number in range(20)]

    assert told[:4] == ["miniature_choice", "none", "miniature_qa", "miniature_nli"]
    assert told[4:] == ["multitask", *[None] * 15]


def test_the_priors_share_of_trials_fades() -> None:
    arms = {f"m{number}": {"miniature_qa": number / 20, "miniature_choice": 1 - number / 20} for number in range(1, 12)}
    families = {"none": {}, "multitask": {"mixture": {"choice": arms}, "steps": 10}}
    wanted = spec(
        {"arms": {"intermediate.multitask.mixture": {name: float(name[1:]) for name in arms}}}, families=families
    )
    trials = FirstTrials(make_space(wanted), priors=wanted.priors)

    decided = [number for number in range(130) if trials.at(number, history=[])]

    assert decided == [0, 1, 2, 3, 7, 15, 31, 63, 127]


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_prior_that_was_borne_out_goes_on_and_one_that_was_contradicted_ends(name: str) -> None:
    arms = {TASKS: {"miniature_qa": 0.1, "miniature_choice": 0.8, "miniature_nli": 0.5}}
    wanted = spec({"arms": arms}, name=name)
    trials = FirstTrials(make_space(wanted), priors=wanted.priors)

    borne_out = sweep(wanted, num=7, score=as_believed)
    contradicted = sweep(wanted, num=7, score=against_it)

    assert [arm(trial.assignment) for trial in borne_out[:4]] == [
        "miniature_choice",
        "miniature_qa",
        "none",
        "miniature_nli",
    ]
    assert arm(trials.at(3, history=borne_out[:3])) == "miniature_nli"
    assert trials.at(3, history=contradicted[:3]) is None
    families = {trial.assignment["family"] for trial in contradicted[:5]}
    assert families == {"none", "text", "multitask"}


def test_a_pruned_trial_bears_witness_by_the_rung_that_it_reached() -> None:
    wanted = spec({"arms": {TASKS: {"miniature_qa": 0.1, "miniature_choice": 0.8, "miniature_nli": 0.5}}})
    trials = FirstTrials(make_space(wanted), priors=wanted.priors)
    best, worst = trials.at(0, history=[]), trials.at(1, history=[])
    assert best is not None
    assert worst is not None
    higher = PastTrial(number=1, assignment=worst, state="finished", score=0.6, rung=2)

    pruned = PastTrial(number=0, assignment=best, state="pruned", score=0.7, rung=1)
    failed = PastTrial(number=0, assignment=best, state="failed")

    assert trials.at(3, history=[pruned, higher]) is None
    assert arm(trials.at(3, history=[failed, higher])) == "miniature_nli"


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_what_is_proposed_is_in_the_space_and_the_same_in_a_new_process_of_the_sweep(name: str) -> None:
    wanted = spec({"arms": ARMS, **earlier_trials(12)}, name=name)
    space = make_space(wanted)

    history = sweep(wanted, num=18, score=flat)
    again = make_sweep_spec(wanted.model_dump(mode="json"))

    assert all(contains(space, trial.assignment) for trial in history)
    assert again == wanted
    assert sweep(again, num=18, score=flat) == history


def test_the_best_earlier_configuration_is_the_first_trial_then_the_best_of_other_families() -> None:
    priors = earlier_trials(12)
    trials = first_trials(priors)
    known = sorted(priors["earlier"]["trials"], key=lambda one: one["score"], reverse=True)

    decided = [trials.at(number, history=[]) for number in (0, 1)]

    other = next(one for one in known if one["assignment"]["family"] != known[0]["assignment"]["family"])
    assert decided == [known[0]["assignment"], other["assignment"]]


def test_earlier_trials_drop_out_one_by_one_and_stay_spread_over_their_ranks() -> None:
    trials = first_trials(earlier_trials(16))
    own = sweep(spec(), num=16, score=flat)

    left = [trials.earlier(own[:number]) for number in range(17)]

    assert [len(kept) for kept in left] == list(range(16, -1, -1))
    assert [one.score for one in left[12]] == [15 / 16, 7 / 16, 11 / 16, 3 / 16]
    assert all(one.number < 0 for one in left[0])


def test_scores_of_other_conditions_are_put_on_the_sweeps_own_scale_and_those_of_the_same_are_not() -> None:
    own = [
        PastTrial(number=number, assignment=one, state="finished", score=score)
        for number, (one, score) in enumerate(
            zip(first_assignments(make_space(spec())), (80.0, 82.0, 84.0), strict=True)
        )
    ]

    other = first_trials(earlier_trials(16, is_same=False)).earlier(own)
    same = first_trials(earlier_trials(16)).earlier(own)

    assert max(float(one.score or 0) for one in other) == pytest.approx(82 + 2 * 7.5 / 16 / 0.29756, rel=1e-3)
    assert max(float(one.score or 0) for one in same) == 15 / 16


@pytest.mark.parametrize("name", ["tpe", "gp"])
def test_a_sampler_learns_from_earlier_trials_before_it_has_its_own(name: str) -> None:
    without, believing = spec(name=name), spec(earlier_trials(12), name=name)

    history = sweep(without, num=6, score=flat)

    assert make_sampler(believing).propose(6, history=history) != make_sampler(without).propose(6, history=history)


def test_a_sampler_whose_points_are_fixed_refuses_priors() -> None:
    with pytest.raises(ConfigError, match="sampler 'qmc' ignores it") as caught:
        spec({"arms": ARMS}, name="qmc")

    assert caught.value.field == "priors"


def test_a_spec_from_before_priors_is_the_same_spec() -> None:
    written = spec().model_dump(mode="json")
    del written["priors"]

    assert make_sweep_spec(written) == spec()
    assert not PriorsConfig().has_any

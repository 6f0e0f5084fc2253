"""Sweeps of several objectives: what specs may say, what samplers see of the record, which trials none beats."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.query import best, pareto, pareto_goals
from search.record import History, Record
from search.sampler import PastTrial
from search.sampler.window import window
from search.scheduling.scheduler import past_trial
from spaces.objectives import unbeaten, upwards
from spaces.sweep_spec import make_sweep_spec
from tests.search_tests.building import proposal, result
from tests.search_tests.sampler.test_sampler import DOCUMENT
from trainables.errors import ConfigError
from trainables.results import TrialResult

NUMBERS = st.sampled_from([0.0, 1.0, 2.0, 3.0])


def spec_with(objective: object, **changes: object) -> None:
    make_sweep_spec({**DOCUMENT, "objective": objective, **changes})  # type: ignore[dict-item]


@pytest.mark.parametrize("name", ["tpe", "nsga2", "gp", "random", "qmc"])
def test_samplers_that_can_weigh_several_objectives_are_accepted(name: str) -> None:
    spec = make_sweep_spec({**DOCUMENT, "objective": ["worst", "seconds"], "sampler": {"name": name}})

    assert (spec.goals, spec.score) == (("worst", "seconds"), "worst")
    assert make_sweep_spec(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize(
    ("objective", "changes", "words"),
    [
        (["average", "secnds"], {}, "'secnds' is not an objective; did you mean 'seconds'"),
        (["seconds", "average"], {}, "starts with 'seconds'"),
        (["average"], {}, "list of 1"),
        ([], {}, "list of 0"),
        (["average", "average"], {}, "has an objective twice"),
        ("seconds", {}, "'seconds' cannot be the only objective"),
        (7, {}, "'7' is not an objective|7 is not an objective"),
        (["average", "steps"], {"sampler": {"name": "cmaes"}}, "'cmaes' does not fit"),
        (["average", "steps"], {"sampler": {"name": "stage_aware"}}, "'stage_aware' does not fit"),
        (["average", "steps"], {"rungs": {"num": 2}}, "'successive_halving' does not fit several"),
    ],
)
def test_what_does_not_fit_is_refused(objective: object, changes: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        spec_with(objective, **changes)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=12))
def test_the_unbeaten_are_those_of_brute_force(points: list[tuple[float, float, float]]) -> None:
    expected = [
        place
        for place, mine in enumerate(points)
        if not any(its != mine and all(a >= b for a, b in zip(its, mine, strict=True)) for its in points)
    ]
    assert unbeaten(points) == expected


def test_costs_are_turned_round() -> None:
    assert upwards((0.5, 30.0, 7.0), goals=("worst", "seconds", "steps")) == (0.5, -30.0, -7.0)


def finished(average: float, *, key: str, seconds: float, steps: int) -> TrialResult:
    made = result(average, key=key)
    return made.model_copy(update={"stages": (made.stages[0].model_copy(update={"seconds": seconds, "steps": steps}),)})


@pytest.fixture
def several(record: Record) -> Record:
    """Three finished trials and one that runs, in a sweep of average, steps and worst."""
    spec = {"objective": ["average", "steps", "worst"]}
    record.put_sweep("several", spec=spec, objective="average", planned_trials=4)  # type: ignore[arg-type]
    for number, (average, seconds, steps) in enumerate([(0.5, 1.0, 30), (0.6, 9.0, 40), (0.5, 2.0, 20)]):
        record.propose("several", proposal=proposal())
        record.start("several", number=number)
        made = finished(average, key="abc"[number], seconds=seconds, steps=steps)
        record.finish("several", number=number, result=made)
    record.propose("several", proposal=proposal())
    return record


def test_samplers_see_all_objectives_of_finished_trials(several: Record) -> None:
    goals = several.sweep("several").goals
    history = History(several, sweep="several", goals=goals, make=lambda trial: past_trial(trial, goals=goals))

    assert [trial.values for trial in history.trials()] == [
        pytest.approx((0.5, -30, 0.4)),
        pytest.approx((0.6, -40, 0.5)),
        pytest.approx((0.5, -20, 0.4)),
        (),
    ]


def test_the_pareto_set_is_of_the_sweeps_objectives(several: Record) -> None:
    sweep = several.sweep("several")

    assert [answer.trial for answer in pareto(several, sweep="several")] == [1, 2]
    assert [answer.trial for answer in pareto(several, sweep="several", metric="average")] == [1, 0]
    assert pareto_goals(sweep) == ("average", "steps", "worst")
    assert pareto_goals(sweep, metric="de") == ("de", "seconds")
    assert best(several, sweep="several")[0].trial == 1


def test_an_english_objective_in_second_place_needs_english_scored(record: Record) -> None:
    record.put_sweep("strict", spec={"objective": ["average", "english"]}, objective="average", planned_trials=1)
    made = proposal()
    evaluation = made.config.evaluation.model_copy(update={"languages": ("de",)})
    config = made.config.model_copy(update={"evaluation": evaluation})

    with pytest.raises(ConfigError, match="add en"):
        record.propose("strict", proposal=made.model_copy(update={"config": config}))


def test_a_long_history_keeps_the_trials_that_none_beats() -> None:
    cheapest = PastTrial(number=0, assignment={}, state="finished", score=0.0, values=(0.0, -1.0))
    others = [
        PastTrial(number=number, assignment={}, state="finished", score=0.5, values=(0.5, -2.0 - number))
        for number in range(1, 700)
    ]
    seen = window([cheapest, *others], num_startup=4)

    assert len(seen) < 700
    assert cheapest in seen

"""What a sweep takes over from an earlier one of the same record: which trials fit, what stays when it is resumed."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from search.driver.earlier_sweep import with_earlier
from search.errors import InputError, RecordMissingError, UnknownSweepError
from search.home import Home
from search.record import Proposal, open_record
from spaces.space.binder import bind
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec
from tests.search_tests.building import result
from trainables.plan.starting_weights import with_absolute_folders

DOCUMENT: dict[str, Any] = {
    "name": "later",
    "trials": 4,
    "sampler": {"name": "tpe"},
    "trial": {"target": {"mixture": {"mnli": 1.0}, "steps": 10}, "evaluation": {"languages": ["de", "en", "sw"]}},
    "families": {"none": {}, "text": {"mixture": {"choice": ["commonsense_qa", "squad"]}, "steps": 10}},
    "search": {"target.learning_rate": {"log": [1e-5, 1e-3]}},
}
TASK, RATE = "intermediate.text.mixture", "target.learning_rate"
TRIALS = [
    {"family": "none", RATE: 1e-5},
    {"family": "text", TASK: "commonsense_qa", RATE: 1e-4},
    {"family": "text", TASK: "squad", RATE: 1e-3},
]


def spec_of(**fields: Any) -> SweepSpec:
    return make_sweep_spec(copy.deepcopy(DOCUMENT) | fields)


def add_trial(home: Home, spec: SweepSpec, assignment: dict[str, Any], *, score: float) -> None:
    config = with_absolute_folders(bind(make_space(spec), assignment))
    with open_record(home.record) as record:
        proposal = Proposal(family=assignment["family"], assignment=assignment, config=config, seed=0)
        number = record.propose("earlier", proposal=proposal).number
        record.start("earlier", number=number)
        record.finish("earlier", number=number, result=result(score))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(record=str(tmp_path / "record.db"), store=str(tmp_path / "store"), scratch=tmp_path / "scratch")


@pytest.fixture
def known(home: Home) -> Home:
    """Three finished trials, the later the better, and one that waits."""
    spec = spec_of()
    with open_record(home.record) as record:
        record.put_sweep("earlier", spec=spec.model_dump(mode="json"), objective="average", planned_trials=4)
    for number, assignment in enumerate(TRIALS):
        add_trial(home, spec, assignment, score=0.4 + number / 10)
    with open_record(home.record) as record:
        config = with_absolute_folders(bind(make_space(spec), TRIALS[0]))
        record.propose("earlier", proposal=Proposal(family="none", assignment=TRIALS[0], config=config, seed=3))
    return home


def taken(home: Home, spec: SweepSpec, *, wanted: str | None = "earlier") -> list[int]:
    """Return the numbers of the trials that are taken over, in order."""
    earlier = with_earlier(spec, name="later", home=home, wanted=wanted).priors.earlier
    return [] if earlier is None else sorted(trial.number for trial in earlier.trials)


def test_finished_trials_are_taken_over_with_their_scores(known: Home, capsys: pytest.CaptureFixture[str]) -> None:
    earlier = with_earlier(spec_of(), name="later", home=known, wanted="earlier").priors.earlier

    assert earlier is not None
    assert {trial.number: (trial.assignment, trial.score) for trial in earlier.trials} == {
        number: (assignment, pytest.approx(0.4 + number / 10)) for number, assignment in enumerate(TRIALS)
    }
    assert "From sweep earlier: 3 of its 3 finished trials fit this space; 0 of them" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fields", "numbers"),
    [
        ({"search": {RATE: {"log": [5e-5, 1e-3]}}}, [1, 2]),
        ({"families": {"none": {}}}, [0]),
        ({"families": {"none": {}, "text": {"mixture": {"choice": ["squad", "mnli"]}, "steps": 10}}}, [0, 2]),
        ({"search": {RATE: {"log": [1e-5, 1e-3]}, "target.dropout": {"float": [0.0, 0.2]}}}, [0, 1, 2]),
        ({"trial": {"target": {"mixture": {"mnli": 1.0}, "steps": 99}}}, [0, 1, 2]),
        ({"search": {RATE: {"choice": [1e-4, 1e-3]}}}, [1, 2]),
    ],
    ids=["range", "family", "arm", "was fixed", "other steps", "choice of values"],
)
def test_trials_are_matched_by_parameter_and_left_out_where_a_value_is_outside(
    known: Home, fields: dict[str, Any], numbers: list[int]
) -> None:
    assert taken(known, spec_of(**fields)) == numbers


def test_a_spec_can_name_the_earlier_sweep_itself(known: Home) -> None:
    assert taken(known, spec_of(priors={"earlier": {"sweep": "earlier"}}), wanted=None) == [0, 1, 2]


def test_a_resumed_sweep_believes_what_it_did_although_the_earlier_one_has_gone_on(known: Home) -> None:
    started = with_earlier(spec_of(), name="later", home=known, wanted="earlier")
    with open_record(known.record) as record:
        record.put_sweep("later", spec=started.model_dump(mode="json"), objective="average", planned_trials=4)
    add_trial(known, spec_of(), {"family": "none", RATE: 1e-3}, score=0.9)

    again = with_earlier(spec_of(), name="later", home=known, wanted="earlier")
    without_asking = with_earlier(spec_of(), name="later", home=known)
    narrower = spec_of(search={RATE: {"log": [5e-5, 1e-3]}})

    assert again == without_asking == started
    assert taken(known, narrower) == [1, 2]
    assert with_earlier(spec_of(), name="another", home=known, wanted="earlier") != started


def test_tasks_that_open_a_test_split_are_recorded_and_stay(known: Home, capsys: pytest.CaptureFixture[str]) -> None:
    honest = with_earlier(spec_of(), name="later", home=known, wanted="earlier")
    assert "opens_test" not in honest.model_dump(mode="json")["priors"]["earlier"]
    capsys.readouterr()
    opening = {**spec_of().model_dump(mode="json"), "tasks": {"sneaky": {"name": "sneaky", "opens_test": True}}}
    with open_record(known.record) as record:
        record.put_sweep("opened", spec=opening, objective="average", planned_trials=4)
        for number, trial in enumerate(record.trials("earlier", states=("finished",))):
            kept = Proposal(family="none", assignment=trial.assignment, config=trial.trial_config, seed=0)
            record.propose("opened", proposal=kept)
            record.start("opened", number=number)
            record.finish("opened", number=number, result=result(0.4))

    started = with_earlier(spec_of(), name="later", home=known, wanted="opened")
    with open_record(known.record) as record:
        record.put_sweep("later", spec=started.model_dump(mode="json"), objective="average", planned_trials=4)

    assert started.priors.earlier is not None
    assert started.priors.earlier.opens_test == ("sneaky",)
    assert "Sweep opened: task sneaky opens a locked test split" in capsys.readouterr().err
    assert with_earlier(spec_of(), name="later", home=known) == started


def test_an_earlier_sweep_can_be_of_another_record(known: Home, tmp_path: Path) -> None:
    elsewhere = Home(record=str(tmp_path / "new.db"), store=known.store, scratch=known.scratch)

    started = with_earlier(spec_of(), name="earlier", home=elsewhere, wanted=f"{known.record}#earlier")
    with open_record(elsewhere.record) as record:
        record.put_sweep("earlier", spec=started.model_dump(mode="json"), objective="average", planned_trials=4)
    Path(known.record).unlink()
    again = with_earlier(spec_of(), name="earlier", home=elsewhere, wanted=f"{known.record}#earlier")

    assert started.priors.earlier is not None
    assert started.priors.earlier.sweep == "earlier"
    assert len(started.priors.earlier.trials) == 3
    assert again == started


def test_the_best_earlier_trial_is_the_first_to_be_proposed(known: Home) -> None:
    from search.sampler import make_sampler

    started = with_earlier(spec_of(), name="later", home=known, wanted="earlier")

    assert make_sampler(started).propose(0, history=[]).assignment == TRIALS[2]


@pytest.mark.parametrize(
    ("fields", "wanted", "words"),
    [
        ({}, "later", "names the sweep itself"),
        (
            {"search": {RATE: {"log": [1e-7, 1e-6]}}},
            "earlier",
            "no trial of sweep .earlier. fits this space: none of its 3 finished",
        ),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(known: Home, fields: dict[str, Any], wanted: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        with_earlier(spec_of(**fields), name="later", home=known, wanted=wanted)


def test_an_unknown_sweep_and_a_missing_record_are_refused(known: Home, tmp_path: Path) -> None:
    elsewhere = Home(record=str(tmp_path / "none.db"), store=known.store, scratch=known.scratch)

    with pytest.raises(UnknownSweepError, match="earlier"):
        with_earlier(spec_of(), name="later", home=known, wanted="earlyer")
    with pytest.raises(RecordMissingError):
        with_earlier(spec_of(), name="later", home=elsewhere, wanted="earlier")
    assert with_earlier(spec_of(), name="later", home=elsewhere) == spec_of()

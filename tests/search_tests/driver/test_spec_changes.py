"""A sweep whose spec has changed since: what is printed, which trials count or are excluded, and which count again."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from search.driver.spec_changes import Changes, changes_of, differences
from search.errors import SweepDiffersError
from search.query import best, report_trial, sweep_status
from search.record import Proposal, Record, open_record
from search.record.integrity.audit import audit
from search.scheduling.disk_pause import DiskPause
from search.scheduling.scheduler import Finished, Start, TrialScheduler
from spaces.key_order import KEY_ORDER
from spaces.space.binder import bind
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec, recorded
from tests.search_tests.building import result
from tests.search_tests.scheduling.test_scheduler import Table
from trainables.plan.starting_weights import with_absolute_folders

DOCUMENT: dict[str, Any] = {
    "name": "demo",
    "trials": 4,
    "sampler": {"name": "random"},
    "trial": {"target": {"mixture": {"mnli": 1.0}, "steps": 10}, "evaluation": {"languages": ["de", "en", "sw"]}},
    "families": {"none": {}, "text": {"mixture": {"commonsense_qa": 1.0}, "steps": 10}},
    "search": {"target.learning_rate": {"choice": [1e-5, 1e-4, 1e-3]}},
}
RATES = (1e-5, 1e-4, 1e-3, 1e-3)


def spec_of(**fields: Any) -> SweepSpec:
    return make_sweep_spec(copy.deepcopy(DOCUMENT) | fields)


def rates(*values: float) -> dict[str, Any]:
    return {"target.learning_rate": {"choice": list(values)}}


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    """Three finished trials, the third the best, and one that waits."""
    spec = spec_of()
    with open_record(tmp_path / "record.db") as opened:
        opened.put_sweep("demo", spec=spec.model_dump(mode="json"), objective="average", planned_trials=4)
        for number, rate in enumerate(RATES):
            family = "none" if number == 0 else "text"
            assignment = {"family": family, "target.learning_rate": rate}
            config = with_absolute_folders(bind(make_space(spec), assignment))
            proposal = Proposal(family=family, assignment=assignment, config=config, seed=number)
            opened.propose("demo", proposal=proposal)
            if number < 3:
                opened.start("demo", number=number)
                opened.finish("demo", number=number, result=result(0.4 + number / 10))
        yield opened


def revise(record: Record, spec: SweepSpec) -> Changes:
    changes = changes_of(record, "demo", spec=spec)
    assert changes.revision is not None
    record.revise("demo", revision=changes.revision)
    return changes


def scheduler(record: Record, spec: SweepSpec) -> TrialScheduler:
    pause = DiskPause(free=lambda: 1 << 30, make_room=lambda: 0, works=lambda: True, note=lambda _: None)
    return TrialScheduler(record, name="demo", spec=spec, concurrency=1, plans=Table(), pause=pause)


def run_to_the_end(record: Record, spec: SweepSpec) -> list[int]:
    """Run what is left of the sweep; returns the numbers of what ran."""
    sweep, ran = scheduler(record, spec), list[int]()
    while not isinstance(start := sweep.next(), Finished):
        assert isinstance(start, Start)
        number = start.trial.number
        record.start("demo", number=number)
        record.finish("demo", number=number, result=result(0.3))
        sweep.ended(number)
        ran.append(number)
    return ran


def test_the_difference_and_what_follows_are_said(record: Record) -> None:
    changes = changes_of(record, "demo", spec=spec_of(search=rates(1e-5, 1e-4)))

    assert changes.lines() == [
        "The spec has changed:",
        "  search.target.learning_rate.choice: [1e-05,0.0001,0.001] -> [1e-05,0.0001]",
        "Trials that count: 2 measured, 0 waiting to run.",
        "Excluded trials: 2 (2 by this change).",
        "  trials 2, 3: target.learning_rate is 0.001, and the space has one of 1e-05,",
        "    0.0001",
        "To have the sweep as it was, run it with the earlier values again; trials",
        "that are excluded count again then. For a sweep beside it, give --name.",
    ]


def test_nothing_is_said_when_only_the_extent_changes(record: Record) -> None:
    changes = changes_of(record, "demo", spec=spec_of(trials=50, concurrency=3, description="longer"))

    assert (changes.revision, changes.lines()) == (None, [])


def test_what_does_not_fit_is_kept_out_of_all_that_counts(record: Record) -> None:
    revise(record, spec_of(search=rates(1e-5, 1e-4)))

    status = sweep_status(record, sweep="demo")
    assert (status.states, status.num_set_aside, status.best_trial) == ({"finished": 2}, 2, 1)
    assert [(one.trial, one.set_aside is not None) for one in best(record, sweep="demo")] == [
        (1, False),
        (0, False),
        (2, True),
    ]
    assert "target.learning_rate is 0.001" in str(report_trial(record, sweep="demo", number=3).set_aside)
    assert [curve.number for curve in record.curves("demo", last_rung=0)] == [0, 1]


def test_the_sweep_goes_on_until_enough_trials_count(record: Record) -> None:
    spec = spec_of(search=rates(1e-5, 1e-4))
    revise(record, spec)

    assert run_to_the_end(record, spec) == [4, 5]
    assert record.trial("demo", number=3).state == "proposed"


def test_a_grid_proposes_each_point_of_the_new_space_once(record: Record) -> None:
    spec = spec_of(search=rates(1e-5, 1e-4), sampler={"name": "grid"})
    revise(record, spec)

    run_to_the_end(record, spec)

    counting = [trial for trial in record.trials("demo") if trial.set_aside is None]
    points = {(trial.family, trial.assignment["target.learning_rate"]) for trial in counting}
    assert points == {("none", 1e-5), ("none", 1e-4), ("text", 1e-5), ("text", 1e-4)}
    assert len(counting) == 4


def test_an_excluded_trial_counts_again_when_it_fits_again(record: Record) -> None:
    revise(record, spec_of(search=rates(1e-5, 1e-4)))

    changes = revise(record, spec_of())

    assert changes.back == (2, 3)
    assert sweep_status(record, sweep="demo").best_trial == 2
    assert run_to_the_end(record, spec_of()) == [3]


def test_a_searched_field_that_was_fixed_joins_the_assignment(record: Record) -> None:
    trial = {"target": {"mixture": {"mnli": 1.0}}, "evaluation": DOCUMENT["trial"]["evaluation"]}
    search = DOCUMENT["search"] | {"target.steps": {"int": [5, 20]}}
    revise(record, spec_of(trial=trial, search=search))

    assert [one.assignment["target.steps"] for one in record.trials("demo")] == [10, 10, 10, 10]


def test_the_order_of_a_specs_keys_is_no_change(record: Record) -> None:
    other = spec_of(families=dict(reversed(DOCUMENT["families"].items())))
    written = recorded(other)

    assert KEY_ORDER in written
    assert differences(record.sweep("demo").spec, written) == ()
    assert record.put_sweep("demo", spec=written, objective="average", planned_trials=4).planned_trials == 4


def test_a_new_constraint_excludes_trials_and_its_end_brings_them_back(record: Record) -> None:
    bound = spec_of(search=rates(1e-3, 1e-5, 1e-4), constraints=["target.learning_rate > 1e-4 or family == 'none'"])
    changes = changes_of(record, "demo", spec=bound)

    assert "constraints" in [change.field for change in changes.fields]
    assert list(changes.set_aside) == [1]
    assert "the constraint" in changes.set_aside[1]
    assert changes.revision is not None
    record.revise("demo", revision=changes.revision)
    assert best(record, sweep="demo", top=1)[0].trial == 2
    assert changes_of(record, "demo", spec=spec_of()).back == (1,)


def test_another_objective_or_other_rungs_are_refused_with_the_next_step(record: Record) -> None:
    with pytest.raises(SweepDiffersError, match=r"objective.*--name"):
        changes_of(record, "demo", spec=spec_of(objective="worst"))


def test_the_changed_record_agrees_with_its_events(record: Record, tmp_path: Path) -> None:
    trial = {"target": {"mixture": {"mnli": 1.0}}, "evaluation": DOCUMENT["trial"]["evaluation"]}
    revise(record, spec_of(trial=trial, search=rates(1e-5) | {"target.steps": {"int": [5, 20]}}))

    assert audit(tmp_path / "record.db").event > 0


def test_a_changed_sweep_reads_the_same_after_it_was_opened_again(record: Record, tmp_path: Path) -> None:
    spec = spec_of(search=rates(1e-5, 1e-4))
    revise(record, spec)

    with open_record(tmp_path / "record.db") as opened:
        assert changes_of(opened, "demo", spec=spec).revision is None


def test_a_long_value_is_cut_where_a_change_is_told(record: Record) -> None:
    assignment = {"family": "none", "target.learning_rate": 1e-5}
    trials = [{"number": number, "assignment": assignment, "score": 0.5, "is_same": True} for number in range(300)]
    spec = spec_of(sampler={"name": "tpe"}, priors={"earlier": {"sweep": "before", "trials": trials}})

    lines = changes_of(record, "demo", spec=spec).lines()

    assert any(line.startswith('  priors.earlier: nothing -> {"sweep":"before"') for line in lines)
    assert max(map(len, lines)) < 220

"""A sweep that prunes keeps trials of every family, and its comparison says something of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from search.compare.comparison import Question, compare
from search.errors import InputError
from search.pruner import make_pruner
from search.query import sweep_status
from search.record import Curve, Record, open_record
from search.report.contents import read_contents
from search.scheduling.disk_pause import DiskPause
from search.scheduling.scheduler import Finished, Start, TrialScheduler
from spaces.sweep_spec import SweepSpec, make_sweep_spec, recorded
from tests.search_tests.building import result
from tests.search_tests.scheduling.test_scheduler import Table
from trainables.errors import ConfigError
from trainables.results import TrialResult

STRENGTH = {"none": 0.5, "text": 0.4, "multimodal": 0.8, "multitask": 0.3}
"""Family -> score at every rung: one is best at rung 0."""


def spec_of(**pruner: Any) -> SweepSpec:
    text: dict[str, Any] = {"mixture": {"commonsense_qa": 1.0}, "steps": 10}
    images = {"mixture": {"nlvr": 1.0}, "vision": {"tower": "small"}, "steps": 10}
    both = text | {"mixture": {"commonsense_qa": 0.5, "hellaswag": 0.5}}
    return make_sweep_spec(
        {
            "name": "demo",
            "trials": 16,
            "sampler": {"name": "random"},
            "rungs": {"num": 2, "eta": 2},
            "pruner": pruner,
            "trial": {"target": {"mixture": {"mnli": 1.0}, "steps": 10}, "evaluation": {"languages": ["de", "en"]}},
            "families": {"multimodal": images, "none": {}, "text": text, "multitask": both},
            "search": {"target.learning_rate": {"log": [1e-5, 1e-3]}},
        }
    )


def run(record: Record, spec: SweepSpec) -> None:
    """Run a sweep one trial at a time; scores are those of the family, lower for later trials."""
    record.put_sweep("demo", spec=recorded(spec), objective="average", planned_trials=spec.trials)
    pause = DiskPause(free=lambda: 1 << 30, make_room=lambda: 0, works=lambda: True, note=lambda _: None)
    sweep = TrialScheduler(record, name="demo", spec=spec, concurrency=1, plans=Table(), pause=pause)
    while not isinstance(start := sweep.next(), Finished):
        assert isinstance(start, Start)
        trial, number = start.trial, start.trial.number
        score = STRENGTH[trial.family] - number / 1000
        record.start("demo", number=number)
        record.measure("demo", number=number, rung=0, result=short(score))
        if sweep.is_promoted(number, rung=0):
            record.finish("demo", number=number, result=result(score), rung=1)
        sweep.ended(number)


def short(score: float) -> TrialResult:
    """Return a result of rung 0, whose target phase has half of its steps."""
    (stage,) = result(score).stages
    return result(score).model_copy(update={"stages": (stage.model_copy(update={"key": "b" * 64, "steps": 5}),)})


@pytest.fixture
def record(tmp_path: Path) -> Any:
    with open_record(tmp_path / "record.db") as opened:
        yield opened


def finished(record: Record) -> dict[str, int]:
    """Return family -> number of finished trials."""
    found = dict.fromkeys(STRENGTH, 0)
    for trial in record.trials("demo", states=("finished",)):
        found[trial.family] += 1
    return found


def test_every_family_has_a_finished_trial_and_an_effect(record: Record) -> None:
    run(record, spec_of(keep_per_family=1))

    assert min(finished(record).values()) >= 1
    found = compare(record, Question(sweep="demo"))
    assert {group.group for group in found.groups} == set(STRENGTH)
    assert all(group.effect is not None for group in found.groups if group.group != "none")
    (shown, *_) = read_contents(record, sweep="demo").comparisons
    assert shown.comparison is not None
    assert {group.group for group in shown.comparison.groups} == set(STRENGTH)
    assert sum("at rung 0 of 0 to 1" in note for note in found.notes) == 3


def test_without_keeping_the_best_family_prunes_the_others(record: Record) -> None:
    run(record, spec_of())

    assert {family for family, num in finished(record).items() if num} == {"multimodal"}
    with pytest.raises(InputError, match="no finished trial of baseline 'none'"):
        compare(record, Question(sweep="demo"))


def test_a_status_counts_what_the_pruned_trials_would_have_cost(record: Record) -> None:
    run(record, spec_of(keep_per_family=1))

    status = sweep_status(record, sweep="demo")
    assert status.steps_to_end == 16 * 10
    assert status.steps_if_alone < status.steps_to_end


def curve(number: int, *scores: float, family: str = "text", has_failed: bool = False) -> Curve:
    return Curve(number=number, scores=dict(enumerate(scores)), family=family, has_failed=has_failed)


OTHERS = [curve(number, 0.9, 0.9, family="multimodal") for number in range(4)]


def is_pruned(trial: Curve, *others: Curve, keep: int = 1, **fields: Any) -> bool:
    spec = spec_of(keep_per_family=keep).model_copy(update=fields)
    pruner = make_pruner(spec)
    assert pruner is not None
    return pruner.is_pruned(trial, others=[*OTHERS, *others])


def test_until_a_family_has_one_beyond_a_rung_its_trials_are_compared_with_each_other() -> None:
    assert not is_pruned(curve(9, 0.1))
    assert not is_pruned(curve(9, 0.3), curve(8, 0.2))
    assert is_pruned(curve(9, 0.1), curve(8, 0.2))
    assert is_pruned(curve(9, 0.3), curve(8, 0.2, 0.2))


def test_a_failed_trial_is_none_that_a_family_keeps() -> None:
    assert not is_pruned(curve(9, 0.1), curve(8, 0.2, 0.2, has_failed=True))


def test_more_can_be_kept() -> None:
    assert not is_pruned(curve(9, 0.1), curve(8, 0.2, 0.2), keep=2)
    assert is_pruned(curve(9, 0.1), curve(7, 0.3, 0.3), curve(8, 0.2), keep=2)


def test_in_fixed_order_the_first_of_a_family_are_kept_however_far_they_are() -> None:
    assert not is_pruned(curve(9, 0.1), order="fixed")
    for earlier in (curve(8, 0.05), curve(8, 0.05, 0.05)):
        assert is_pruned(curve(9, 0.1), earlier, order="fixed")


def test_keeping_is_refused_where_nothing_is_pruned() -> None:
    with pytest.raises(ConfigError, match="keep_per_family has no effect on pruner 'none'"):
        spec_of(name="none", keep_per_family=1)

"""A sweep ends by itself: when its families have verdicts, or when nothing is expected to gain much."""

# ruff: noqa: S311  random draws for tests are no secrets
from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from search.compare.sequential import planned_look_alpha
from search.record import open_record
from search.sampler import PastTrial, make_sampler
from search.sampler.deciding import LOOKS
from search.scheduling.disk_pause import DiskPause
from search.scheduling.scheduler import Finished, Start, TrialScheduler
from spaces.space.tree import FAMILY_PATH
from spaces.sweep_spec import SweepSpec, make_sweep_spec, recorded
from tests.search_tests.building import result
from tests.search_tests.scheduling.test_scheduler import Table
from trainables.errors import ConfigError

SEED = {"int": [0, 2**31 - 1]}


def spec_of(**fields: Any) -> SweepSpec:
    document: dict[str, Any] = {
        "name": "demo",
        "trials": 120,
        "stop": {"decided": "families"},
        "trial": {"target": {"mixture": {"mnli": 1.0}, "steps": 100}},
        "families": {
            "none": {},
            "text": {"mixture": {"commonsense_qa": 1.0}, "steps": 200, "seed": SEED},
            "multitask": {"mixture": {"commonsense_qa": 0.5, "hellaswag": 0.5}, "steps": 200, "seed": SEED},
        },
        "search": {"target.seed": SEED},
    }
    return make_sweep_spec(document | fields)


def played(spec: SweepSpec, *, effects: dict[str, float], sd: float = 0.5, points: float = 70.0) -> list[PastTrial]:
    """Return the trials of a sweep, in points of effect and luck, until it stops or has all of its trials."""
    sampler, chance, history = make_sampler(spec), random.Random(spec.seed), list[PastTrial]()
    for number in range(spec.trials):
        proposal = sampler.propose(number, history=history)
        if proposal.reason_to_stop:
            break
        effect = effects[str(proposal.assignment[FAMILY_PATH])]
        score = (points + effect + chance.gauss(0.0, sd)) / 100
        history.append(PastTrial(number=number, assignment=proposal.assignment, state="finished", score=score))
    return history


def test_a_sweep_stops_when_every_family_has_a_verdict_and_says_which() -> None:
    spec = spec_of()
    history = played(spec, effects={"none": 0.0, "text": 3.0, "multitask": 0.0})

    assert 9 <= len(history) < spec.trials
    reason = make_sampler(spec).propose(len(history), history=history).reason_to_stop
    assert reason.startswith("every family has a verdict (text better, multitask equivalent")


def test_what_has_a_verdict_gets_no_further_seeds() -> None:
    history = played(spec_of(), effects={"none": 0.0, "text": 5.0, "multitask": 0.25})
    num = Counter(str(trial.assignment[FAMILY_PATH]) for trial in history)

    assert num["text"] < num["multitask"] < num["none"]
    assert len({trial.assignment["target.seed"] for trial in history}) == len(history)


def test_a_proposal_depends_on_the_trials_alone() -> None:
    spec = spec_of()
    history = played(spec, effects={"none": 0.0, "text": 0.4, "multitask": 0.4})
    again = make_sampler(spec)

    for trial in history[::7]:
        shuffled = random.Random(trial.number).sample(history[: trial.number], trial.number)
        assert again.propose(trial.number, history=shuffled).assignment == trial.assignment


def test_a_running_trial_holds_back_the_look_that_needs_it() -> None:
    spec = spec_of()
    history = played(spec, effects={"none": 0.0, "text": 5.0, "multitask": 5.0})
    running = [
        PastTrial(number=trial.number, assignment=trial.assignment, state="running") if trial.number == 2 else trial
        for trial in history
    ]

    assert make_sampler(spec).propose(len(history), history=history).reason_to_stop
    assert not make_sampler(spec).propose(len(history), history=running).reason_to_stop


def test_a_sweep_stops_when_its_sampler_expects_too_little() -> None:
    spec = spec_of(
        stop={"expected_gain": 0.5},
        sampler={"name": "stage_aware"},
        search={"target.learning_rate": {"log": [1e-5, 1e-3]}},
        families={"none": {}},
        trials=60,
    )
    sampler, history = make_sampler(spec), list[PastTrial]()
    for number in range(spec.trials):
        proposal = sampler.propose(number, history=history)
        if proposal.reason_to_stop:
            break
        score = 0.7 - 20 * abs(float(str(proposal.assignment["target.learning_rate"])) - 2e-4)
        history.append(PastTrial(number=number, assignment=proposal.assignment, state="finished", score=score))

    assert 10 <= len(history) < spec.trials
    assert "less than stop.expected_gain 0.5" in sampler.propose(len(history), history=history).reason_to_stop


def test_the_scheduler_ends_a_sweep_that_needs_no_trial_and_a_resumed_one_ends_at_once(tmp_path: Path) -> None:
    spec = spec_of()
    effects = {"none": 0.0, "text": 0.05, "multitask": -0.05}
    with open_record(tmp_path / "record.db") as record:
        record.put_sweep("demo", spec=recorded(spec), objective="average", planned_trials=spec.trials)
        pause = DiskPause(free=lambda: 1 << 30, make_room=lambda: 0, works=lambda: True, note=lambda _: None)

        def scheduler() -> TrialScheduler:
            return TrialScheduler(record, name="demo", spec=spec, concurrency=2, plans=Table(), pause=pause)

        sweep = scheduler()
        while not isinstance(start := sweep.next(), Finished):
            assert isinstance(start, Start)
            number = start.trial.number
            record.start("demo", number=number)
            score = 0.5 + effects[start.trial.family] + (number % 5) / 2000
            record.finish("demo", number=number, result=result(score))
            sweep.ended(number)

        assert len(record.trials("demo")) < spec.trials
        assert "text better, multitask worse" in sweep.reason_to_stop
        assert isinstance(scheduler().next(), Finished)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"search": {}}, "add `target.seed: {int: .*` under `search`"),
        ({"families": {"none": {}, "text": {"mixture": {"hellaswag": 1.0}, "steps": 9}}}, "under `families.text`"),
        ({"families": {"none": {}}}, "add `none: {}` and another family"),
        ({"sampler": {"name": "random"}}, "has no effect: with stop.decided"),
        ({"rungs": {"num": 2}}, "do not fit stop.decided"),
        ({"objective": ["average", "steps"]}, "needs one objective"),
        ({"stop": {"expected_gain": 0.2}}, "'tpe' does not compute the gain"),
        ({"stop": {"decided": "families", "expected_gain": 0.2}}, "exclude each other"),
        ({"stop": {"margin": 1.0}}, "margin has no effect without decided"),
    ],
)
def test_a_stop_that_cannot_work_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        spec_of(**fields)


def test_a_spec_without_a_stop_is_written_as_before() -> None:
    assert "stop" not in recorded(spec_of(stop={}))
    assert make_sweep_spec(recorded(spec_of())) == spec_of()


def test_a_planned_look_spends_more_than_its_bonferroni_part_and_less_than_alpha() -> None:
    def planned(*sizes: int) -> float:
        return planned_look_alpha(alpha=0.05, num_groups=1, sizes=sizes)

    assert planned(6) == pytest.approx(0.05)
    assert 0.05 / len(LOOKS) < planned(*LOOKS) < 0.05
    assert planned(1, 2) == pytest.approx(0.0294, abs=1e-4)  # Pocock 1977, table 1: looks after equal parts
    assert planned(1, 2, 3, 4, 5) == pytest.approx(0.0158, abs=1e-4)

"""A phase that is too short for the lowest rung is refused before the start, whichever phase of a trial it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spaces.checks.rung_checks import check_rungs_of_all_phases
from spaces.fast_defaults import with_fast_defaults
from spaces.sweep_spec import SweepSpec, make_space, read_sweep_spec
from trainables.config.literature import GROUPS
from trainables.errors import ConfigError

RUNGS = {"num": 3, "eta": 3}
PHASE: dict[str, Any] = {"steps": 90, "schedule": {"warmup_steps": 2}}


def spec_of(**fields: Any) -> SweepSpec:
    """Return a spec whose trials are scored on all of XTREME-R, and whose phases have steps enough."""
    trial = {"target": {"mixture": "mnli", **PHASE}, "further": "xtreme_r"}
    document: dict[str, Any] = {
        "name": "whole",
        "trials": 4,
        "objective": "xtreme_r",
        "sampler": {"name": "random"},
        "rungs": RUNGS,
        "trial": trial,
        "families": {"none": {}, "text": {"mixture": "hellaswag", "steps": 90}},
    }
    return read_sweep_spec(document | fields, folder=Path())


def further(**changes: Any) -> dict[str, Any]:
    """Return the further targets, with changes of the phase that TyDiQA trains."""
    names = [name for name in GROUPS["xtreme_r"] if name != "xnli"]
    return {name: {"target": changes} if name == "tydiqa" else {} for name in names}


def check_new(spec: SweepSpec) -> None:
    """Check a spec as that of a new sweep."""
    check_rungs_of_all_phases(spec.rungs, space=make_space(spec))


def complaint(**trial: Any) -> str:
    """Return why a new sweep is refused; one on record may have such a spec, and continues."""
    spec = spec_of(trial={"target": {"mixture": "mnli", **PHASE}, "further": "xtreme_r"} | trial)
    with pytest.raises(ConfigError) as raised:
        check_new(spec)
    return str(raised.value)


def test_phases_with_steps_enough_are_accepted() -> None:
    spec = spec_of(trial={"target": {"mixture": "mnli", **PHASE}, "further": further(**PHASE)})

    check_new(spec)
    assert spec.rungs.further


def test_a_further_target_with_too_few_steps_is_refused() -> None:
    said = complaint(further=further(steps=8))

    assert said.startswith("trial.further.tydiqa.target.steps: 8 steps are too few")
    assert "needs at least 9; raise it, or use fewer rungs" in said


def test_a_warm_up_that_the_lowest_rung_of_a_further_target_has_no_room_for_is_refused() -> None:
    said = complaint(further=further(steps=90, schedule={"warmup_steps": 11}))

    assert said.startswith(
        "trial.further.tydiqa.target.schedule.warmup_steps: 11 is too long: rung 0 has 10 of 90 steps"
    )


def test_further_targets_that_lower_rungs_leave_out_can_be_short() -> None:
    trial = {"target": {"mixture": "mnli", **PHASE}, "further": further(steps=1)}

    spec = spec_of(objective="average", trial=trial)

    check_new(spec)
    assert not spec.rungs.further


def test_a_part_of_a_merge_with_too_few_steps_is_refused() -> None:
    merge = {"parts": {"squad": {"steps": 5}}}
    merged = {"mixture": {"hellaswag": 0.5, "squad": 0.5}, "steps": 90, "merge": merge}

    spec = spec_of(rungs=RUNGS | {"grow": ["intermediate"]}, families={"none": {}, "merged": merged})

    with pytest.raises(ConfigError, match=r"merge.parts.squad.steps: 5 steps are too few"):
        check_new(spec)


def test_an_average_with_more_checkpoints_than_the_lowest_rung_has_steps_is_refused() -> None:
    target = {"mixture": "mnli", **PHASE, "average": {"last": 20, "every": 0.02}}

    said = complaint(target=target)

    assert said.startswith(
        "trial.target.average.last: 20 checkpoints are too many for the lowest rung: rung 0 has 10 of 90"
    )
    check_new(spec_of(trial={"target": target, "further": "xtreme_r"}, rungs={"num": 1}))


@pytest.mark.parametrize(("steps", "num"), [(180, 3), (60, 2), (6, 1)])
def test_a_short_further_target_gets_fewer_rungs_where_it_grows(steps: int, num: int) -> None:
    trial = {"target": {"mixture": "mnli", "steps": 900}, "further": further(steps=steps)}

    completed = with_fast_defaults(spec_of(trial=trial, rungs={}, sampler={}), named=frozenset(), known=None)

    assert completed.spec.rungs.num == num


@pytest.mark.parametrize(
    ("target", "num"),
    [
        ({"steps": 900, "average": {"last": 5, "every": 0.005}}, 2),
        ({"steps": 900, "average": {"last": 5, "every": 0.002}}, 1),
        ({"steps": 900, "schedule": {"warmup_steps": 150}}, 2),
    ],
)
def test_a_phase_that_no_lowest_rung_has_room_for_gets_fewer_rungs(target: dict[str, Any], num: int) -> None:
    spec = spec_of(objective="average", trial={"target": {"mixture": "mnli", **target}}, rungs={}, sampler={})

    assert with_fast_defaults(spec, named=frozenset(), known=None).spec.rungs.num == num

"""The name of a benchmark under `further` is recorded as its tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spaces.further_groups import EARLIER_GROUPS
from spaces.overrides import with_settings
from spaces.space.binder import bind
from spaces.space.enumeration import first_assignments
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec, read_sweep_spec, recorded
from trainables.config.literature import GROUPS


def document(**trial: Any) -> dict[str, Any]:
    return {
        "name": "grouped",
        "trials": 1,
        "trial": {"target": {"mixture": {"mnli": 1.0}, "steps": 3}, **trial},
        "families": {"none": {}},
    }


def tasks_of(spec: SweepSpec) -> list[str]:
    space = make_space(spec)
    return list(bind(space, first_assignments(space)[0]).further)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(
    ("trial", "main"),
    [
        ({}, "xnli"),
        ({"evaluation": {"task": "udpos"}}, "udpos"),
        ({"evaluation.task": "udpos"}, "udpos"),
    ],
)
def test_a_new_sweep_records_todays_tasks(group: str, trial: dict[str, Any], main: str) -> None:
    target = {"target": {"mixture": {"udpos": 1.0}, "steps": 3}} if main == "udpos" else {}
    spec = read_sweep_spec(document(further=group, **trial, **target), folder=Path())
    wanted = [name for name in GROUPS[group] if name != main]

    assert tasks_of(spec) == wanted
    assert recorded(spec)["trial"]["further"] == wanted  # type: ignore[index, call-overload]
    assert make_sweep_spec(recorded(spec)) == spec


@pytest.mark.parametrize("group", GROUPS)
def test_a_setting_means_todays_tasks(group: str) -> None:
    spec = with_settings(read_sweep_spec(document(), folder=Path()), [f"trial.further={group}"])

    assert tasks_of(spec) == [name for name in GROUPS[group] if name != "xnli"]


@pytest.mark.parametrize("group", GROUPS)
def test_a_record_of_an_earlier_version_keeps_the_tasks_that_could_be_read_then(group: str) -> None:
    assert tasks_of(make_sweep_spec(document(further=group))) == list(EARLIER_GROUPS[group][1:])

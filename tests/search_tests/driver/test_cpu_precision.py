"""A new sweep on this machine's CPU computes in bfloat16 where the processor has units for it; its record says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from search.driver import device_plan
from search.driver.cluster_hosts import ClusterHosts, host_of
from search.driver.completed_spec import complete_spec, lines_of
from search.driver.device_plan import plan_local_devices
from search.driver.sizes.chosen_fields import chosen_fields
from search.home import find_home
from search.record import open_record
from spaces.space.binder import bind
from spaces.space.enumeration import first_assignments
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec, recorded
from trainables.config import EngineConfig
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import plan_stages
from trainables.ranks import precision

HERE = ClusterHosts(there=(host_of({"CPU": 2.0, "memory": 8e9}),))


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def with_units(patch: pytest.MonkeyPatch, *, has_units: bool) -> None:
    patch.setattr(precision, "multiplies_bfloat16", lambda: has_units)
    patch.setattr(device_plan, "multiplies_bfloat16", lambda: has_units)


def spec_of(**engine: Any) -> SweepSpec:
    target = {"mixture": {"miniature_nli": 1.0}, "steps": 9}
    evaluation = {"task": "miniature_nli", "num_items": 20}
    trial: dict[str, Any] = {"encoder": {"name": "miniature"}, "target": target, "evaluation": evaluation}
    trial["engine"] = {"device": "cpu", **engine}
    return make_sweep_spec({"name": "small", "trials": 2, "trial": trial, "families": {"none": {}}})


def settled(spec: SweepSpec, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Return the settled types of a sweep's arithmetic, and what the user is told of them."""
    home = find_home(record=str(folder / "record.db"), store=str(folder / "store"))
    found = complete_spec(spec, source="", written=spec, settings=(), name="small", home=home)
    engine = found.spec.trial["engine"]
    assert isinstance(engine, dict)
    lines = [line for line in lines_of(found) if "precision" in line]
    return {name: value for name, value in engine.items() if "precision" in name}, lines


def test_a_processor_with_units_gets_bfloat16_for_training_and_scoring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_units(monkeypatch, has_units=True)

    found, lines = settled(spec_of(), tmp_path)

    assert found == {"precision": "bfloat16", "evaluation_precision": "bfloat16"}
    assert lines == [
        "  trial.engine.precision: bfloat16 (this processor multiplies it in hardware)",
        "  trial.engine.evaluation_precision: bfloat16",
    ]


def test_phases_that_the_store_has_in_float32_are_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    with_units(monkeypatch, has_units=True)
    space = make_space(spec_of())
    config = bind(space, first_assignments(space)[0])
    target, evaluation = (stage.key for stage in plan_stages(config, provenance=read_provenance(config)))

    begun = chosen_fields(spec_of(), has_stage=lambda key: key == target)
    scored = chosen_fields(spec_of(), has_stage=lambda key: key == evaluation)
    named = chosen_fields(spec_of(precision="bfloat16"), has_stage=lambda key: key == target)

    assert begun.values == {"precision": "float32", "evaluation_precision": "float32"}
    assert begun.reasons["precision"].startswith("the store has phases of this spec in float32")
    assert scored.values == named.values == {"precision": "bfloat16", "evaluation_precision": "bfloat16"}


def test_what_the_user_names_is_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_units(monkeypatch, has_units=True)

    exact, _ = settled(spec_of(precision="float32"), tmp_path / "exact")
    scored, _ = settled(spec_of(evaluation_precision="float32"), tmp_path / "scored")

    assert exact == {"precision": "float32"}
    assert scored == {"precision": "bfloat16", "evaluation_precision": "float32"}


def test_without_units_and_on_a_cluster_nothing_is_settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_units(monkeypatch, has_units=False)
    assert settled(spec_of(), tmp_path / "plain") == ({}, [])

    with_units(monkeypatch, has_units=True)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")  # the processors of its hosts are not known
    assert settled(spec_of(), tmp_path / "cluster") == ({}, [])


def test_a_sweep_on_record_keeps_its_arithmetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_units(monkeypatch, has_units=True)
    home = find_home(record=str(tmp_path / "record.db"), store=str(tmp_path / "store"))
    with open_record(home.record) as record:
        record.put_sweep("small", spec=recorded(spec_of()), objective="average", planned_trials=2)

    assert settled(spec_of(), tmp_path) == ({}, [])


@pytest.mark.parametrize(
    ("engine", "has_units", "warns"),
    [
        ({"precision": "bfloat16"}, False, True),
        ({"evaluation_precision": "bfloat16"}, False, True),
        ({"precision": "bfloat16"}, True, False),
        ({}, False, False),
    ],
)
def test_a_sweep_that_moves_to_a_processor_without_units_warns(
    engine: dict[str, Any], *, has_units: bool, warns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_units(monkeypatch, has_units=has_units)

    place = plan_local_devices(spec_of(), EngineConfig(device="cpu", **engine), hosts=HERE)

    assert (place.warning is not None) == warns
    assert not warns or "start a new sweep (--name)" in str(place.warning)

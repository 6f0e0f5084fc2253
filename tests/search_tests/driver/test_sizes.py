"""A new sweep gets the ZeRO stage that its GPUs need; the GPUs are counted and not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from search.driver import cluster_hosts
from search.driver.cluster_hosts import ClusterHosts, host_of
from search.driver.completed_spec import complete_spec, lines_of
from search.driver.sizes.chosen_fields import _largest_model
from search.home import Home, find_home
from search.record import open_record
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec, recorded
from trainables.config import EngineConfig
from trainables.ranks.devices import REHEARSAL

XL = {"model_type": "xlm-roberta-xl", "pad_token_id": 1}


@pytest.fixture
def xl(tmp_path: Path) -> Path:
    """The folder of an XL with nothing but its configuration: the rule needs no more."""
    folder = tmp_path / "xl"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(XL))
    return folder


@pytest.fixture(autouse=True)
def eight_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = {"CPU": 64.0, "GPU": 8.0, "accelerator_type:A10G": 1.0, "memory": 256e9}
    monkeypatch.setenv(REHEARSAL, "1")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(cluster_hosts, "this_machine", lambda: ClusterHosts(there=(host_of(counted),)))


def spec_of(*encoders: str, **engine: Any) -> SweepSpec:
    return make_sweep_spec(
        {
            "name": "large",
            "trials": 2,
            "trial": {"target": {"mixture": {"mnli": 1.0}, "steps": 900}, "engine": engine},
            "families": {"none": {}},
            "search": {"encoder": {"choice": list(encoders)}},
        }
    )


def home_in(folder: Path) -> Home:
    folder.mkdir(exist_ok=True)
    return find_home(record=str(folder / "record.db"), store=str(folder / "store"))


def completed(spec: SweepSpec, home: Path) -> tuple[SweepSpec, list[str]]:
    found = complete_spec(spec, source="", written=spec, settings=(), name="large", home=home_in(home))
    return found.spec, lines_of(found)


def engine_of(spec: SweepSpec) -> dict[str, Any]:
    engine = spec.trial["engine"]
    assert isinstance(engine, dict)
    return engine


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        ({"num_workers": 8}, {"zero_stage": 3}),
        ({"num_workers": 2}, {"zero_stage": 3, "offload": "all"}),
        ({"num_workers": 8, "zero_stage": 2}, {"zero_stage": 2}),
    ],
)
def test_xl_gets_the_stage_that_fits_eight_gpus_of_24_gb(
    engine: dict[str, Any], expected: dict[str, Any], xl: Path, tmp_path: Path
) -> None:
    spec, lines = completed(spec_of(str(xl), **engine), tmp_path)

    found = {name: value for name, value in engine_of(spec).items() if name in {"zero_stage", "offload"}}
    assert found == expected
    if "zero_stage" not in engine:
        assert any(line.startswith("  trial.engine.zero_stage: 3 (a rank needs ") for line in lines)
    assert any(line.startswith("  trial.engine.tokens_per_micro_batch: ") for line in lines)
    assert engine_of(spec)["gradient_checkpointing"] is True


def test_the_largest_encoder_of_a_choice_decides(xl: Path, tmp_path: Path) -> None:
    small, _ = completed(spec_of("miniature", num_workers=8), tmp_path)
    both, _ = completed(spec_of("miniature", str(xl), num_workers=8), tmp_path)

    assert (engine_of(small)["zero_stage"], engine_of(both)["zero_stage"]) == (0, 3)


def test_a_sweep_on_record_keeps_its_stage_and_one_of_an_earlier_version_keeps_0(xl: Path, tmp_path: Path) -> None:
    written = spec_of(str(xl), num_workers=8)
    homes = {"new": tmp_path / "new", "old": tmp_path / "old"}
    first, _ = completed(written, homes["new"])
    for name, spec in (("new", first), ("old", written)):
        with open_record(home_in(homes[name]).record) as record:
            record.put_sweep("large", spec=recorded(spec), objective="average", planned_trials=2)

    assert engine_of(completed(written, homes["new"])[0])["zero_stage"] == 3
    assert "zero_stage" not in engine_of(completed(written, homes["old"])[0])


@pytest.mark.parametrize(
    ("search", "varies"),
    [
        ({}, False),
        ({"target.adapter.rank": {"choice": [4, 8]}}, True),
        ({"target.adapter": {"choice": {"none": None, "some": {"rank": 4}}}}, True),
    ],
)
def test_an_adapter_in_all_trials_takes_the_memory_of_an_adapter(
    search: dict[str, Any],
    varies: bool,  # noqa: FBT001
    xl: Path,
) -> None:
    target = {"mixture": {"mnli": 1.0}, "steps": 900}
    fixed = {} if "target.adapter" in search else {"adapter": {"targets": "attention"}}
    trial = {"encoder": {"name": str(xl)}, "target": target | fixed}
    spec = make_sweep_spec({"name": "adapted", "trials": 2, "trial": trial, "families": {"none": {}}, "search": search})

    found = _largest_model(make_space(spec), engine=EngineConfig(precision="bfloat16"))

    assert found is not None
    assert (found.num_trained == found.size.num_parameters) == varies
    assert varies or found.num_trained == 36 * 4 * 8 * (2560 + 2560)

"""A dry run answers, however large the sweep is, and says what it leaves out and how far it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.cli.main import exit_code
from search.forecast import forecaster as forecasting

pytestmark = pytest.mark.timeout(120)

SPEC: dict[str, Any] = {
    "name": "large",
    "trials": 4,
    "sampler": {"name": "random"},
    "trial": {
        "encoder": {"name": "miniature"},
        "target": {"mixture": {"miniature_nli": 1.0}, "steps": 10, "num_dev_items": 0},
        "evaluation": {"task": "miniature_nli", "num_items": 10},
        "engine": {"device": "cpu"},
    },
    "families": {"none": {}, "text": {"mixture": {"miniature_qa": 1.0}, "steps": 10}},
    "search": {"target.learning_rate": {"log": [1e-4, 1e-2]}},
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XSTILTS_HOME", raising=False)


def forecast(capsys: pytest.CaptureFixture[str], **fields: Any) -> dict[str, Any]:
    """Return the forecast of a dry run for a sweep with other fields."""
    Path("spec.yaml").write_text(yaml.safe_dump(SPEC | fields, sort_keys=False))
    assert exit_code(["search", "spec.yaml", "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [path.name for path in Path().iterdir()] == ["spec.yaml"]
    return found["forecast"]


SEEDS = {"target.seed": {"int": [0, 2**31 - 1]}}


@pytest.mark.parametrize(
    "fields",
    [
        {"trials": 2**31 - 1},
        {"trials": 2**31 - 1, "sampler": {"name": "grid"}, "search": SEEDS},
        {"trials": 2**31 - 1, "sampler": {"name": "qmc"}},
        {"trials": 10**6, "budget": {"steps": 10**18}},
    ],
    ids=["random", "grid", "qmc", "budget"],
)
def test_of_endless_trials_the_first_are_foretold(
    fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(forecasting, "MAX_TRIALS", 50)

    found = forecast(capsys, **fields)

    assert (found["trials"], found["left_out"]) == (50, fields["trials"] - 50)


def test_of_a_long_sweep_that_depends_on_scores_fewer_courses_are_simulated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(forecasting, "MAX_PROPOSALS", 60)

    short = forecast(capsys, trials=8, sampler={"name": "tpe", "num_startup": 4})
    long = forecast(capsys, trials=10**6, sampler={"name": "tpe", "num_startup": 4})

    assert (short["trials"], short["left_out"]) == (8, 0)
    assert (long["trials"], long["left_out"]) == (20, 10**6 - 20)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["grid", "tpe"])
def test_a_choice_of_20000_values_is_checked_and_foretold(sampler: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = forecast(
        capsys, trials=3, sampler={"name": sampler}, search={"target.seed": {"choice": list(range(20_000))}}
    )

    assert found["trials"] == 3


def test_the_smallest_of_very_many_values_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    values = [*range(1, 2_777), 0, *range(2_778, 5_000)]
    Path("spec.yaml").write_text(yaml.safe_dump(SPEC | {"search": {"target.batch_size": {"choice": values}}}))

    assert exit_code(["search", "spec.yaml", "--dry-run"]) == 2
    assert "search.target.batch_size: 0: " in capsys.readouterr().err


def test_a_long_simulation_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("search.cli.commands.search._SECONDS_BETWEEN_MESSAGES", 0.0)
    Path("spec.yaml").write_text(yaml.safe_dump(SPEC))

    assert exit_code(["search", "spec.yaml", "--dry-run"]) == 0

    said = capsys.readouterr()
    assert said.err.splitlines()[-1] == "Simulating the sweep: 4 of 4 proposals, about 0 s left"
    assert "Forecast for 4 trials" in said.out

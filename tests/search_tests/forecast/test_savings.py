"""A dry run says what sharing and pruning save, which defaults a new sweep has, and is quick."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.cli.main import exit_code
from trainables.models.families.frozen_weights import frozen_share
from trainables.models.pretrained.encoder_folder import encoder_config
from trainables.plan.starting_weights import encoder_folder
from trainables.ranks import precision

SPEC: dict[str, Any] = {
    "name": "plain",
    "trials": 8,
    "trial": {
        "encoder": {"name": "miniature"},
        "target": {"mixture": {"miniature_nli": 1.0}, "steps": 200},
        "evaluation": {"task": "miniature_nli", "num_items": 20},
        "engine": {"device": "cpu"},
    },
    "families": {"none": {}, "text": {"mixture": {"miniature_qa": 1.0}, "steps": 100}},
    "search": {"target.learning_rate": {"log": [1e-4, 1e-2]}},
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XSTILTS_HOME", raising=False)
    Path("spec.yaml").write_text(yaml.safe_dump(SPEC, sort_keys=False))


def forecast(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert exit_code(["search", *words, "--dry-run", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_the_demo_saves_most_of_its_steps_within_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    started = time.process_time()

    found = forecast(capsys, "demo")["forecast"]

    assert found["trials"] == 12
    assert found["steps_paid"]["expected"] <= 0.4 * found["steps_to_end"]["expected"]
    assert time.process_time() - started < 10


def test_three_figures_and_the_defaults_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["search", "spec.yaml", "--dry-run"]) == 0

    printed = capsys.readouterr()
    for line in ("sampler: {name: stage_aware}", "rungs: {num: 3, eta: 3, num_items: 250}", "keep_per_family: 1"):
        assert line in printed.out
    assert "steps, had nothing been shared" in printed.out
    assert "steps, had every trial been run alone to its end" in printed.out


def test_without_pruning_and_sharing_the_figures_agree(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: False)  # the processor decides nothing
    words = ["sampler.name=random", "families={none: {}}", "trials=3"]
    settings = [word for setting in words for word in ("--set", setting)]

    found = forecast(capsys, "spec.yaml", *settings)

    assert found["defaults"] == []
    steps = {found["forecast"][name]["expected"] for name in ("steps_paid", "steps_if_alone", "steps_to_end")}
    assert steps == {600}


def test_without_sharing_the_rungs_of_a_linear_schedule_are_paid_too(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sampler.name=random", "families={none: {}}", "trials=3", "rungs={num: 2}", "pruner.name=none"]
    words += ["trial.target.schedule.kind=linear", "trial.target.steps=300"]
    settings = [word for setting in words for word in ("--set", setting)]

    found = forecast(capsys, "spec.yaml", *settings)["forecast"]

    steps = [found[name]["expected"] for name in ("steps_paid", "steps_if_alone", "steps_to_end")]
    assert steps == [3 * (100 + 300), 3 * (100 + 300), 3 * 300]


def test_an_average_of_checkpoints_is_one_run_and_an_average_of_seeds_several(
    capsys: pytest.CaptureFixture[str],
) -> None:
    one_trial = ["spec.yaml", "--set", "sampler.name=random", "--set", "trials=1", "--set", "families={none: {}}"]

    alone = forecast(capsys, *one_trial)["forecast"]
    checkpoints = forecast(capsys, *one_trial, "--set", "trial.target.average.last=5")["forecast"]
    runs = forecast(capsys, *one_trial, "--set", "trial.target.average.seeds=5")["forecast"]

    steps, stages = (
        [one[name]["expected"] for one in (alone, checkpoints, runs)] for name in ("steps_paid", "stages_made")
    )
    assert steps == [200, 200, 1000]
    assert stages == [2, 7, 7]
    # Each of the four checkpoints before the end is a training state with its model.
    weights = alone["peak_bytes"]["expected"]
    assert [one["peak_bytes"]["expected"] / weights for one in (checkpoints, runs)] == [4 * 4 + 2, 6]


def test_what_trials_freeze_is_in_the_store_once(capsys: pytest.CaptureFixture[str]) -> None:
    three = ["spec.yaml", "--set", "sampler.name=random", "--set", "trials=3", "--set", "families={none: {}}"]
    frozen = ["--set", "trial.target.freeze_embeddings=true"]

    trained = forecast(capsys, *three)["forecast"]["peak_bytes"]["expected"]
    shared = forecast(capsys, *three, *frozen)["forecast"]["peak_bytes"]["expected"]

    folder = encoder_folder("miniature", revision=None)
    num_bytes = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    once = num_bytes * frozen_share(encoder_config(folder), num_layers=0)
    assert trained - shared == pytest.approx(2 * once, abs=2)

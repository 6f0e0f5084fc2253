"""A task made up on the spot, German questions in a csv, through `tasks check`, `run` and `search`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.cli.main import exit_code
from search.home import find_home
from search.record import open_record
from tests.own_task import NUM_ROWS, write_own_task

pytestmark = pytest.mark.slow

PHASE = {"batch_size": 4, "max_length": 48, "num_dev_items": 0}


@pytest.fixture
def place(tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, offline and without a mirror; beside it a trial and a sweep spec that name the task file."""
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("XSTILTS_MIRROR", raising=False)
    monkeypatch.chdir(tmp_path)
    write_own_task(tmp_path / "tasks")
    trial: dict[str, Any] = {
        "encoder": {"name": str(tiny_encoder)},
        "target": {"mixture": {"miniature_nli": 1.0}, "steps": 2, "num_examples": 40, **PHASE},
        "evaluation": {"task": "miniature_nli", "languages": ["en", "de"], "num_items": 12, "max_length": 48},
        "engine": {"threads_per_rank": 1, "device": "cpu"},
    }
    own = {"tasks": ["tasks/farben.task.yaml"]}
    intermediate = {"mixture": {"farben": 1.0}, "steps": 3, **PHASE, "num_dev_items": 12}
    (tmp_path / "trial.yaml").write_text(yaml.safe_dump({**own, **trial, "intermediate": intermediate}))
    families = {"text": intermediate}
    spec = {**own, "name": "own", "trials": 1, "concurrency": 1, "trial": trial, "families": families}
    search = {"target.learning_rate": {"log": [1e-4, 1e-3]}}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({**spec, "search": search}))
    return tmp_path


def ran(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    """Return the JSON that a command prints."""
    code = exit_code([*arguments, "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return json.loads(captured.out)


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the message that refuses a command."""
    code = exit_code(arguments)
    captured = capsys.readouterr()
    assert (code, captured.out, "Traceback" in captured.err) == (2, "", False), captured.err
    return captured.err


@pytest.mark.usefixtures("place")
def test_a_csv_in_another_kind_and_language_is_checked_run_and_searched(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (place / "tasks" / "train.csv").open("a") as file:
        file.write("Wie?;rot;blau;gelb;-\nWie </s>?;rot;blau;gelb;A\n")
    report = ran(["tasks", "check", "tasks/farben.task.yaml", "--encoder", "miniature"], capsys)
    assert [split["num_rows"] for split in report["splits"]] == [NUM_ROWS["train"] + 2, NUM_ROWS["dev"]]
    assert any("1 of 42 rows (2.4%) are left out" in warning for warning in report["warnings"])
    assert any("1 of 42 rows spell </s>" in warning for warning in report["warnings"])

    run = ran(["run", "trial.yaml"], capsys)
    searched = ran(["search", "own.yaml"], capsys)
    shown = ran(["show", "own", "0"], capsys)

    assert set(run["task_scores"]) >= {"farben"}
    assert searched["states"] == {"finished": 1}
    # The trial and the sweep share the intermediate stage: its key holds no path and nothing of the target.
    keys = [[stage["key"] for stage in one["stages"] if stage["phase"] == "intermediate"] for one in (run, shown)]
    assert keys[0] == keys[1]
    assert shown["stages"][0]["reused"]
    assert shown["own_tasks"]["farben"]["languages"] == ["de"]
    # What was left out is in the result of both, and on record.
    (left,) = run["split_rows"]
    assert (left["split"], left["num_rows"], left["num_left_out"], left["num_spelling"]) == ("train", 42, 1, 1)
    assert shown["rungs"][-1]["split_rows"] == [left]
    with open_record(find_home().record, read_only=True) as record:
        noted = [event.payload["warning"] for event in record.events("own") if event.kind == "left_out"]
    assert [("1 of 42 rows (2.4%) are left out" in warning) for warning in noted] == [True, False]

    # What `show` prints is a trial of its own: it runs from anywhere, without the task file.
    (place / "tasks" / "farben.task.yaml").unlink()
    (place / "elsewhere").mkdir()
    (place / "elsewhere" / "shown.yaml").write_text(yaml.safe_dump({**shown["config"], "tasks": shown["own_tasks"]}))
    again = ran(["run", "elsewhere/shown.yaml"], capsys)
    assert all(stage["reused"] for stage in again["stages"])

    # And a sweep goes on by name only while its rows are the same.
    with (place / "tasks" / "train.csv").open("a") as file:
        file.write("Neu?;rot;blau;gelb;A\n")
    assert re.search(r"'farben' in \S+ have changed", refused(["resume", "own", "--trials", "2"], capsys))
    assert re.search(r"'farben' in \S+ have changed", refused(["run", "elsewhere/shown.yaml"], capsys))
    with open_record(find_home().record, read_only=True) as record:
        assert len(record.trials("own")) == 1


@pytest.mark.parametrize("command", [["run", "trial.yaml"], ["search", "own.yaml"], ["tasks", "check"]], ids=" ".join)
@pytest.mark.usefixtures("place")
def test_a_wrong_cell_is_refused_before_anything_starts(
    place: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    with (place / "tasks" / "train.csv").open("a") as file:
        file.write("Neu?;rot;blau;gelb;D\n")
    path = ["tasks/farben.task.yaml"] if command[0] == "tasks" else []
    message = refused([*command, *path], capsys)

    assert f"train.csv, line {NUM_ROWS['train'] + 2}: column 'antwort' (columns.label) holds 'D'" in message
    assert not (place / "home").exists()


@pytest.mark.usefixtures("place")
def test_a_wrong_field_is_refused_at_its_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = place / "tasks" / "farben.task.yaml"
    path.write_text(path.read_text().replace("multiple_choice", "multiple_choise"))

    assert "tasks/farben.task.yaml: kind: 'multiple_choise'" in refused(["run", "trial.yaml"], capsys)


@pytest.mark.usefixtures("place")
def test_a_name_of_the_catalogue_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_own_task(place / "tasks", name="mnli")
    trial = yaml.safe_load((place / "trial.yaml").read_text()) | {"tasks": ["tasks/mnli.task.yaml"]}
    (place / "trial.yaml").write_text(yaml.safe_dump(trial))

    assert "tasks.mnli: name: 'mnli' is already a task of the catalogue" in refused(["run", "trial.yaml"], capsys)
    assert "name: 'mnli' is already a task of the catalogue" in refused(
        ["tasks", "check", "tasks/mnli.task.yaml"], capsys
    )


def test_three_examples_are_shown_at_80_columns(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["tasks", "check", str(place / "tasks" / "farben.task.yaml")]) == 0
    lines = capsys.readouterr().out.splitlines()

    assert [line for line in lines if line.startswith("Example")] == ["Example 1:", "Example 2:", "Example 3:"]
    assert any(line.startswith("  label ") for line in lines)
    assert any(line.startswith("  read as ") for line in lines)
    next_step = next(number for number, line in enumerate(lines) if line.startswith("Next:"))  # it holds a long path
    assert max(map(len, lines[:next_step])) <= 80

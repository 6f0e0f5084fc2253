"""What a dry run foretells, and what the sweep then does, on a real local Ray."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.end_to_end.drivers import SECONDS, XSTILTS, environment

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_world")]

NUM_TRIALS = 6


@pytest.fixture(scope="module")
def home(tiny_world: None, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001
    """XSTILTS_HOME with the spec of a grid: two families, three learning rates."""
    phase = {"batch_size": 8, "max_length": 48, "dropout": 0.0, "num_dev_items": 0}
    spec = {
        "name": "grid",
        "trials": NUM_TRIALS,
        "concurrency": 2,
        "sampler": {"name": "grid"},
        "trial": {
            "encoder": {"name": str(tiny_encoder)},
            "intermediate": phase,
            "target": {"mixture": {"mnli": 1.0}, "steps": 12, **phase},
            "evaluation": {"languages": ["en", "de"], "max_length": 48},
            "engine": {"threads_per_rank": 1, "device": "cpu"},
        },
        "families": {"none": {}, "text": {"mixture": {"commonsense_qa": 1.0}, "steps": 20}},
        "search": {"target.learning_rate": {"choice": [1e-4, 1e-3, 1e-2]}},
    }
    folder = tmp_path_factory.mktemp("home")
    (folder / "grid.yaml").write_text(yaml.safe_dump(spec))
    return folder


def answer(home: Path, *words: str) -> Any:
    command = [XSTILTS, *words, "--json"]
    ended = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=False, timeout=SECONDS)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_what_is_foretold_of_a_grid_comes_true(home: Path) -> None:
    foretold = answer(home, "search", str(home / "grid.yaml"), "--dry-run")["forecast"]
    assert sorted(path.name for path in home.iterdir()) == ["grid.yaml"]  # and nothing was changed

    answer(home, "search", str(home / "grid.yaml"))

    done = answer(home, "status", "grid")
    assert foretold["is_exact"]
    assert foretold["device_hours"] is None  # nothing was timed yet
    for told, counted in (
        ("stages_made", "num_stages_made"),
        ("steps_paid", "steps_paid"),
        ("steps_if_alone", "steps_if_alone"),
    ):
        assert foretold[told] == dict.fromkeys(("expected", "low", "high"), done[counted])

    after = answer(home, "search", str(home / "grid.yaml"), "--dry-run", "--name", "again")["forecast"]
    assert (after["trials"], after["stages_made"]["expected"], after["device_hours"]["expected"]) == (NUM_TRIALS, 0, 0)
    assert after["device_hours_if_alone"]["expected"] > 0


def test_a_sweep_stops_at_its_budget_and_goes_on_when_it_is_raised(home: Path) -> None:
    spec = yaml.safe_load((home / "grid.yaml").read_text()) | {"name": "bounded", "concurrency": 1, "seed": 1}
    spec["trial"]["target"]["seed"] = 1  # other stages than the grid's
    path = home / "bounded.yaml"
    path.write_text(yaml.safe_dump(spec | {"budget": {"steps": 24}}))
    command = [XSTILTS, "search", str(path)]
    stopped = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=False)

    assert stopped.returncode == 0, stopped.stderr
    assert "Stopped at budget.steps (" in stopped.stderr
    held = answer(home, "status", "bounded")
    assert 24 <= held["steps_paid"] < 60
    assert held["states"].get("finished", 0) < NUM_TRIALS

    path.write_text(yaml.safe_dump(spec | {"budget": {"steps": 10_000}}))
    answer(home, "search", str(path))
    assert answer(home, "status", "bounded")["states"] == {"finished": NUM_TRIALS}

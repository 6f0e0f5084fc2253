"""A sweep of two objectives, score and seconds, on a real local Ray: its Pareto set is the record's."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.end_to_end.drivers import SECONDS, XSTILTS, environment

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_world")]

NUM_TRIALS = 6


@pytest.fixture(scope="module")
def home(tiny_world: None, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001
    """XSTILTS_HOME with a finished sweep."""
    phase = {"batch_size": 8, "max_length": 48, "dropout": 0.0, "num_dev_items": 0}
    spec = {
        "name": "tiny",
        "trials": NUM_TRIALS,
        "concurrency": 1,
        "order": "fixed",
        "objective": ["average", "seconds"],
        "sampler": {"name": "nsga2", "num_startup": 2},
        "trial": {
            "encoder": {"name": str(tiny_encoder)},
            "intermediate": phase,
            "target": {"mixture": {"mnli": 1.0}, **phase},
            "evaluation": {"languages": ["en", "de"], "max_length": 48},
            "engine": {"threads_per_rank": 1, "device": "cpu"},
        },
        "families": {"none": {}, "text": {"mixture": {"commonsense_qa": 1.0}, "steps": 10}},
        "search": {"target.learning_rate": {"log": [1e-4, 1e-2]}, "target.steps": {"choice": [10, 40, 120]}},
    }
    folder = tmp_path_factory.mktemp("home")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(spec))
    run(folder, "search", str(folder / "tiny.yaml"))
    return folder


def run(home: Path, *arguments: str) -> str:
    done = subprocess.run(
        [XSTILTS, *arguments], env=environment(home), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_pareto_set_is_that_of_the_figures_that_sql_gives(home: Path) -> None:
    told = run(home, "sql", "tiny", "SELECT number, score, cost_if_alone_seconds FROM trials", "--json")
    figures = {row["number"]: (row["score"], -row["cost_if_alone_seconds"]) for row in json.loads(told)}
    assert len(figures) == NUM_TRIALS
    expected = {
        number
        for number, mine in figures.items()
        if not any(its[0] >= mine[0] and its[1] >= mine[1] and its != mine for its in figures.values())
    }

    answers = json.loads(run(home, "best", "tiny", "--pareto", "--json"))

    assert {answer["trial"] for answer in answers} == expected
    assert [answer["score"] for answer in answers] == sorted((figures[n][0] for n in expected), reverse=True)


def test_people_are_told_what_the_set_is_of_and_what_best_goes_by(home: Path) -> None:
    assert "Pareto front of tiny in average, seconds" in run(home, "best", "tiny", "--pareto")
    assert "by average, the first objective" in run(home, "best", "tiny")


@pytest.mark.parametrize("command", [["status", "tiny"], ["show", "tiny", "0"], ["report", "tiny"]])
def test_other_commands_answer(home: Path, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    assert run(home, *command)

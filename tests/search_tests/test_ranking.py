"""`tasks rank`: source tasks ranked from frozen features, and what it prints as a prior is one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.cli.main import exit_code
from spaces.sweep_spec import make_sweep_spec

pytestmark = pytest.mark.usefixtures("tiny_world")
TASKS = "intermediate.text.mixture"


@pytest.fixture
def document(tiny_encoder: Path) -> dict[str, Any]:
    return {
        "name": "ranked",
        "trials": 4,
        "trial": {
            "encoder": {"name": str(tiny_encoder)},
            "target": {"mixture": {"mnli": 1.0}, "steps": 10},
            "evaluation": {"languages": ["en", "de"]},
        },
        "families": {
            "none": {},
            "text": {"mixture": {"choice": ["squad", "commonsense_qa"]}, "steps": 10},
            "multimodal": {"mixture": {"nlvr": 1.0}, "vision": {"tower": "small"}, "steps": 10},
            "multitask": {
                "choice": {
                    "even": {"mixture": {"squad": 0.5, "commonsense_qa": 0.5}, "steps": 10},
                    "weighted": {"mixture": {"simplex": ["squad", "commonsense_qa"]}, "steps": 10},
                }
            },
            "control": {"mixture": "mnli@equal_compute", "steps": 10},
        },
    }


def rank(document: dict[str, Any], folder: Path, *options: str) -> int:
    (folder / "ranked.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return exit_code(["tasks", "rank", str(folder / "ranked.yaml"), "--items", "60", "--max-length", "48", *options])


def test_what_is_printed_last_is_a_prior_of_the_same_spec(
    document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rank(document, tmp_path) == 0

    printed = capsys.readouterr().out
    written = yaml.safe_load(printed[printed.index("priors:") :])
    believed = make_sweep_spec({**document, **written}).priors.arms
    assert set(believed) == {"family", TASKS, "intermediate.multitask"}
    assert set(believed["family"]) == {"multimodal"}
    assert set(believed[TASKS]) == {"squad", "commonsense_qa"}
    assert believed["intermediate.multitask"]["even"] == pytest.approx(sum(believed[TASKS].values()) / 2, abs=1e-3)
    assert "These estimates are weak" in printed
    assert "Not ranked: mnli@equal_compute" in printed
    assert max(map(len, printed.splitlines()[1:])) <= 80


def test_every_task_is_told_and_logme_only_where_there_are_classes(
    document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rank(document, tmp_path, "--json") == 0
    assert rank(document, tmp_path, "--json") == 0

    first, second = _documents(capsys.readouterr().out)
    assert first == second
    assert {one["task"]: one["logme"] is None for one in first["tasks"]} == {
        "squad": True,
        "commonsense_qa": True,
        "nlvr": False,
    }
    assert all(-1 <= one["similarity"] <= 1 for one in first["tasks"])
    assert [one["expected"] for one in first["tasks"]] == sorted(
        (one["expected"] for one in first["tasks"]), reverse=True
    )


def _documents(printed: str) -> list[Any]:
    first, length = json.JSONDecoder().raw_decode(printed)
    return [first, json.loads(printed[length:])]


def test_a_space_without_source_tasks_is_refused(
    document: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rank({**document, "families": {"none": {}}}, tmp_path) == 2

    assert "families" in capsys.readouterr().err

"""A sweep of the miniature with merges, through the command line, whose driver is killed while a merge runs."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.record import Record, open_record
from tests.end_to_end.drivers import SECONDS, XSTILTS, Driver, environment

pytestmark = pytest.mark.slow

STEPS, TARGET_STEPS, NUM_TRIALS = 6, 5, 5
IMAGES = {"vision": {"tower": "miniature", "freeze": True}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """XSTILTS_HOME with the spec of a grid: one trial of each family, and two of the merged one."""
    phase = {"batch_size": 8, "max_length": 64, "dropout": 0.0, "num_dev_items": 0}
    trained = {"steps": STEPS, "learning_rate": 1e-3}
    both = ["miniature_qa", "miniature_entailment"]
    of_images = {"miniature_entailment": {"learning_rate": 3e-3}}
    merge = {"merge": both, "method": {"choice": ["linear", "ties"]}, "parts": of_images}
    spec = {
        "name": "tiny",
        "trials": NUM_TRIALS,
        "concurrency": 1,
        "sampler": {"name": "grid"},
        "trial": {
            "encoder": {"name": "miniature"},
            "intermediate": phase,
            "target": {"mixture": "miniature_nli", "steps": TARGET_STEPS, "learning_rate": 3e-3, **phase},
            "evaluation": {"task": "miniature_nli", "num_items": 20, "max_length": 64},
            "engine": {"threads_per_rank": 1, "device": "cpu"},
        },
        "families": {
            "text": {"mixture": "miniature_qa", **trained},
            "multimodal": {"mixture": "miniature_entailment", **IMAGES, **trained, "learning_rate": 3e-3},
            "multitask": {"mixture": dict.fromkeys(both, 0.5), **IMAGES, **trained},
            "merged": {"mixture": merge, **IMAGES, **trained},
        },
    }
    folder = tmp_path_factory.mktemp("home")
    (folder / "tiny.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    return folder


def answer(home: Path, *words: str) -> Any:
    command = [XSTILTS, *words, "--json"]
    ended = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=False, timeout=SECONDS)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def a_merge_runs(record: Record) -> bool:
    return bool(record.sweeps()) and any(one.family == "merged" for one in record.trials("tiny", states=("running",)))


def test_merges_compete_in_a_sweep_that_is_killed_and_resumed(home: Path) -> None:
    forecast = answer(home, "search", str(home / "tiny.yaml"), "--dry-run")["forecast"]
    driver = Driver(home, "search", str(home / "tiny.yaml"))
    driver.wait_until(a_merge_runs)
    driver.end(signal.SIGKILL)

    answer(home, "resume", "tiny")

    with open_record(home / "record.db") as record:
        trials = {one.number: one for one in record.trials("tiny")}
        stages = {number: record.stages("tiny", number=number) for number in trials}
    merged = [number for number, one in trials.items() if one.family == "merged"]
    assert {one.state for one in trials.values()} == {"finished"}
    assert len(merged) == 2
    for number in merged:
        own = [one for one in stages[number] if one.phase == "intermediate" and not one.is_trunk]
        assert [one.steps for one in own] == [0]  # no intermediate step: its parts are those of the other families
        assert (trials[number].steps_paid, trials[number].steps_if_alone) == (TARGET_STEPS, 2 * STEPS + TARGET_STEPS)
    status = answer(home, "status", "tiny")
    assert status["num_combined"] == 2
    assert status["steps_paid"] == forecast["steps_paid"]["expected"] == 3 * STEPS + NUM_TRIALS * TARGET_STEPS
    assert status["steps_if_alone"] == forecast["steps_if_alone"]["expected"]
    compared = answer(home, "compare", "tiny", "--baseline", "text")
    assert {group["group"] for group in compared["groups"]} == {"text", "multimodal", "multitask", "merged"}
    assert all(group["effect"] is not None for group in compared["groups"] if group["group"] != "text")
    assert answer(home, "stages", "verify")["damaged"] == []

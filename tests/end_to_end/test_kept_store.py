"""A real sweep with `keep:`, killed and resumed: its store stays small, and its scores are those of one without."""

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
from trainables.stage_store import StageStore

pytestmark = pytest.mark.slow

NUM_TRIALS, BEST = 12, 2
WEIGHTS = 1_400_000
"""Bytes of a stage of the miniature encoder, rounded up."""
LIMIT = 9 * WEIGHTS
PHASE = {"batch_size": 8, "max_length": 64, "dropout": 0.0, "num_dev_items": 0}
SPEC: dict[str, Any] = {
    "name": "tiny",
    "trials": NUM_TRIALS,
    "concurrency": 1,
    "sampler": {"name": "grid"},
    "trial": {
        "encoder": {"name": "miniature"},
        "intermediate": PHASE,
        "target": {"mixture": "miniature_nli", "steps": 2, **PHASE},
        "evaluation": {"task": "miniature_nli", "num_items": 20, "max_length": 64},
        "engine": {"threads_per_rank": 1, "device": "cpu"},
    },
    "families": {
        "none": {},
        "text": {"mixture": {"choice": ["miniature_qa", "miniature_choice"]}, "steps": 3},
    },
    "search": {"target.learning_rate": {"choice": [1e-3, 2e-3, 3e-3, 4e-3]}},
}
"""Three encoders, each with four trials: without `keep:` two intermediate and twelve target stages."""


def answer(home: Path, *words: str) -> Any:
    command = [XSTILTS, *words, "--json"]
    ended = subprocess.run(command, env=environment(home), capture_output=True, text=True, check=False, timeout=SECONDS)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def scores(home: Path) -> dict[int, tuple[Any, float | None]]:
    with open_record(home / "record.db", read_only=True) as record:
        return {one.number: (one.assignment, one.score) for one in record.trials("tiny", states=("finished",))}


def half_is_done(record: Record) -> bool:
    return bool(record.sweeps()) and len(record.trials("tiny", states=("finished",))) >= NUM_TRIALS // 2


def test_a_killed_sweep_with_a_limit_ends_with_the_same_scores(tmp_path: Path) -> None:
    homes = {name: tmp_path / name for name in ("all", "kept")}
    for name, home in homes.items():
        home.mkdir()
        keep = {"keep": {"best": BEST, "bytes": LIMIT, "phases": []}} if name == "kept" else {}
        (home / "tiny.yaml").write_text(yaml.safe_dump(SPEC | keep, sort_keys=False))
    kept = homes["kept"]
    forecast = answer(kept, "search", str(kept / "tiny.yaml"), "--dry-run")["forecast"]
    answer(homes["all"], "search", str(homes["all"] / "tiny.yaml"))
    driver = Driver(kept, "search", str(kept / "tiny.yaml"))
    driver.wait_until(half_is_done)
    driver.end(signal.SIGKILL)

    answer(kept, "resume", "tiny")

    assert len(scores(kept)) == NUM_TRIALS
    assert scores(kept) == scores(homes["all"])
    stages = StageStore(kept / "store", read_only=True).space.stages()
    phases = [one.facts.phase for one in stages.values() if one.facts is not None]
    assert (phases.count("target"), phases.count("evaluation")) == (BEST, NUM_TRIALS)
    assert sum(one.num_bytes for one in stages.values()) <= LIMIT
    assert forecast["peak_bytes"]["expected"] <= LIMIT
    status = answer(kept, "status", "tiny")
    assert status["num_removed"] >= NUM_TRIALS - BEST - 1  # the kill can have come before one was noted
    assert status["removed_bytes"] > (NUM_TRIALS - BEST - 1) * 1_000_000
    assert answer(kept, "stages", "verify")["damaged"] == []
    best = max(scores(kept).items(), key=lambda one: (one[1][1] or 0.0, -one[0]))[0]
    answer(kept, "export", "tiny", str(best), str(tmp_path / "model"))

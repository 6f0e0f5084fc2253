"""A sweep that an earlier version ran and kept: the present code reads its record and reuses all of its stages.

`tests/golden/kept_sweep` was made by the version before modules and classes were renamed. It holds the spec, the
encoder (a random XLM-R of one layer, in a mirror), the record with its witness, and the stages of two trials that share
an intermediate stage. When a test here fails, users' own sweeps are trained again, or are not read.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from search.record import open_record
from spaces.space.adoption import adopt
from spaces.sweep_spec import make_space, read_sweep_spec
from tests.end_to_end.drivers import SECONDS, XSTILTS

pytestmark = pytest.mark.slow

KEPT = Path(__file__).parents[1] / "golden/kept_sweep"
NUM_STAGES = 5


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A copy of the kept sweep that a test may write."""
    return shutil.copytree(KEPT, tmp_path / "kept")


def xstilts(kept: Path, *words: str) -> str:
    """Run a command in the kept home; returns what it prints."""
    places = {"XSTILTS_HOME": str(kept / "home"), "XSTILTS_MIRROR": str(kept / "mirror"), "HF_HUB_OFFLINE": "1"}
    variables = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | places
    done = subprocess.run(
        [XSTILTS, *words], env=variables, cwd=kept, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def differences(now: Any, before: Any, *, at: str = "") -> list[str]:
    """Return the places where a JSON value lacks or changes what it had before; further fields may stand beside."""
    if isinstance(before, dict) and isinstance(now, dict):
        missing = [f"{at}.{name} is missing" for name in before if name not in now]
        return missing + [
            line for name in before if name in now for line in differences(now[name], before[name], at=f"{at}.{name}")
        ]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [line for place, one in enumerate(before) for line in differences(now[place], one, at=f"{at}[{place}]")]
    return [] if now == before else [f"{at} was {before!r} and is {now!r}"]


def stage_files(kept: Path) -> set[str]:
    return {path.name for path in kept.glob("home/store/stages/*/*")}


def test_best_gives_the_kept_numbers(kept: Path) -> None:
    now = json.loads(xstilts(kept, "best", "kept", "--json"))

    assert differences(now, json.loads((KEPT / "best.json").read_text())) == []


def test_every_kept_stage_is_whole(kept: Path) -> None:
    assert f"{NUM_STAGES} stages verified, 0 damaged" in xstilts(kept, "stages", "verify")


def test_the_same_spec_would_make_no_stage_anew(kept: Path) -> None:
    plan = json.loads(xstilts(kept, "search", "sweep.yaml", "--name", "again", "--dry-run", "--json"))

    assert plan["num_to_propose"] == 2
    assert plan["forecast"]["stages_made"] == {"expected": 0, "low": 0, "high": 0}


def test_the_same_spec_reuses_every_stage(kept: Path) -> None:
    before = stage_files(kept)

    xstilts(kept, "search", "sweep.yaml", "--name", "again")

    with open_record(kept / "home/record.db", read_only=True) as record:
        again, old = record.trials("again"), record.trials("kept")
    assert [trial.score for trial in again] == [trial.score for trial in old]
    assert [trial.steps_paid for trial in again] == [0, 0]
    assert len(before) == NUM_STAGES
    assert stage_files(kept) == before


def test_resuming_the_kept_sweep_makes_nothing(kept: Path) -> None:
    before = stage_files(kept)

    assert "2 of 2 trials done, 0 failed" in xstilts(kept, "resume", "kept")

    assert stage_files(kept) == before


def test_a_further_value_keeps_the_trials(kept: Path) -> None:
    spec = yaml.safe_load((kept / "sweep.yaml").read_text())
    spec["search"]["target.learning_rate"]["choice"].append(5.0e-3)
    space = make_space(read_sweep_spec(spec, folder=kept))

    with open_record(kept / "home/record.db") as record:
        trials = list(record.trials("kept"))

    assert len(trials) == 2
    for trial in trials:
        assert adopt(space, trial.trial_config, known=trial.assignment) == trial.assignment

"""The plan of a large sweep takes the times of a record where there is one, and says which times it took."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from search.record import Proposal, open_record
from tests.search_tests.forecast.test_measured_times import ENCODER, OF_TOKEN, TWO, result

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
WORDS = ("--trials", "16", "--gpus", "4", "--encoder", ENCODER)


def planned(*words: str) -> str:
    command = [sys.executable, "benchmarks/plan_at_scale.py", *WORDS, *words]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def gpu_hours(printed: str) -> float:
    """Return the hours of the stage tree whose trials are all promoted."""
    found = re.search(r"^stage tree +([\d,]+)", printed, re.MULTILINE)
    assert found is not None
    return float(found[1].replace(",", ""))


def write_record(place: Path) -> None:
    with open_record(place) as record:
        record.put_sweep("known", spec={}, objective="average", planned_trials=len(TWO))
        for number, config in TWO.items():
            proposal = Proposal(family="text", assignment={"family": "text"}, config=config, seed=number)
            record.propose("known", proposal=proposal)
            record.start("known", number=number)
            record.finish("known", number=number, result=result(config, number=number))


def test_a_plan_takes_the_times_of_a_record_and_says_so(tmp_path: Path) -> None:
    write_record(tmp_path / "record.db")

    assumed, measured = planned(), planned("--record", str(tmp_path / "record.db"))
    shared = planned("--record", str(tmp_path / "record.db"), "--gpus-per-trial", "2")

    assert "TFLOP/s at 40%; every text as long as max_length" in assumed
    assert f"5 timed stages with this encoder, by tokens, in {tmp_path / 'record.db'}" in measured
    assert "not timed, so as long as the mean of the others: nlvr2, snli\n" in measured
    assert "TFLOP/s" not in measured
    steps = float(re.search(r"^stage tree +.*", measured, re.MULTILINE)[0].split()[7]) * 1e6  # type: ignore[index]
    assert gpu_hours(measured) > steps * 32 * 40 * OF_TOKEN / 3600
    assert gpu_hours(shared) >= 0.99 * gpu_hours(measured)


def test_a_record_without_the_encoder_leaves_the_cost_model(tmp_path: Path) -> None:
    with open_record(tmp_path / "record.db"):
        pass

    printed = planned("--record", str(tmp_path / "record.db"))

    assert "has no stage of 'miniature' whose tokens were counted: the cost model is used" in printed
    assert gpu_hours(printed) == gpu_hours(planned())

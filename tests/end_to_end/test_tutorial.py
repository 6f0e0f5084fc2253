"""The tutorial's ten commands, read from the document itself, and its numbers computed again by another library.

The sweep is the demo with shorter phases on fewer examples: its commands are the same, its scores are not.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy import stats

from tests.end_to_end.drivers import XSTILTS, environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DOCUMENT = Path(__file__).parents[2] / "docs" / "tutorial.md"
SHORTER = {
    "trial.target.steps": "40",
    "trial.target.schedule.warmup_steps": "1",
    "trial.target.num_examples": "600",
    "trial.intermediate.num_examples": "300",
    "trial.intermediate.num_dev_items": "30",
    "families.multimodal.steps": "20",
    "families.text.steps": "20",
    "families.multitask.steps": "20",
    "trial.evaluation.num_items": "50",
    "trial.evaluation.languages": "[en, de, sw]",  # confirm scores 600 items of each
}


def commands() -> list[list[str]]:
    """Return the words of each command of the document."""
    return [shlex.split(line) for line in re.findall(r"^\$ xstilts (.*)$", DOCUMENT.read_text(), re.MULTILINE)]


def xstilts(home: Path, *words: str) -> str:
    ended = subprocess.run(
        [XSTILTS, *words], env=environment(home), cwd=home, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, f"{words}: {ended.stderr}"
    return ended.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tutorial")


@pytest.fixture(scope="module")
def said(home: Path) -> list[str]:
    """What each command of the document printed, in order."""
    shorter = [word for field, value in SHORTER.items() for word in ("--set", f"{field}={value}")]
    return [xstilts(home, *words, *(shorter if words[0] == "search" else ())) for words in commands()]


def answer(home: Path, *words: str) -> Any:
    return json.loads(xstilts(home, *words, "--json"))


def test_ten_commands_lead_to_an_answer(said: list[str], home: Path) -> None:
    assert len(said) == 10
    assert "stages made" in said[0]
    assert "12 of 12 trials done, 0 failed" in said[1]
    assert re.search(r"better|worse|equivalent|undecided", said[7])
    assert (home / "demo.html").stat().st_size < 5_000_000


def test_every_family_has_what_a_reader_asks_for(said: list[str], home: Path) -> None:  # noqa: ARG001
    groups = answer(home, "compare", "demo", "--by", "family")["groups"]

    assert {group["group"] for group in groups} == {"none", "text", "multimodal", "multitask"}
    for group in groups:
        assert group["num_trials"] >= 1
        assert {"mean", "effect", "low", "high", "adjusted_p", "verdict", "num_intermediate_seeds"} <= group.keys()


def test_the_comparison_agrees_with_another_library_on_what_sql_gives(said: list[str], home: Path) -> None:  # noqa: ARG001
    scores = pd.DataFrame(
        answer(
            home,
            "sql",
            "demo.confirmed",
            "SELECT number, score, json_extract(config, '$.intermediate') IS NOT NULL AS is_trained "
            "FROM trials WHERE state = 'finished' AND set_aside IS NULL",
        )
    )
    groups = answer(home, "compare", "demo.confirmed")["groups"]
    baseline = next(group for group in groups if group["verdict"] == "baseline")
    (arm,) = [group for group in groups if group is not baseline]

    with_it, without = (scores.loc[scores["is_trained"] == is_trained, "score"] * 100 for is_trained in (1, 0))
    expected = stats.ttest_ind(with_it, without, equal_var=False)
    assert (arm["num_trials"], baseline["num_trials"]) == (len(with_it), len(without))
    assert arm["mean"] * 100 == pytest.approx(with_it.mean())
    assert arm["effect"] == pytest.approx(with_it.mean() - without.mean())
    assert arm["seed_error"] == pytest.approx((with_it.mean() - without.mean()) / expected.statistic)

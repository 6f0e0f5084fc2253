"""An own NLI test in three languages is the objective of a sweep, by following the page."""

from __future__ import annotations

import contextlib
import io
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import pytest

from search.cli.main import exit_code
from tests.pages import conversations, steps

PAGE = Path(__file__).parents[2] / "docs/how-to/own-test.md"


def run(command: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = exit_code(shlex.split(command)[1:])
    assert code == 0, f"$ {command}\n{out.getvalue()}\n{err.getvalue()}"
    return out.getvalue()


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[list[str], str]]]:
    """Follows the page in an empty folder; returns command -> the lines that the page shows, and what it printed."""
    folder = tmp_path_factory.mktemp("own-test")
    found: dict[str, tuple[list[str], str]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XSTILTS_HOME", str(folder / "home"))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.delenv("XSTILTS_MIRROR", raising=False)
        for step in steps(PAGE):
            if step.file is not None:
                (folder / step.file).write_text(step.body, encoding="utf-8")
            for command, shown in conversations(step.body) if step.language == "console" else ():
                found[command] = (shown, run(command))
        found["json"] = ([], run("xstilts best reisen --json"))
        yield found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_own_pairs_are_the_objective(printed: dict[str, tuple[list[str], str]]) -> None:
    trials = json.loads(printed["json"][1])

    assert len(trials) == 2
    for trial in trials:
        assert (trial["metric"], trial["num_items"]) == ("average", 3)
        assert set(trial["languages"]) == {"en", "de", "sw"}
        assert trial["score"] == pytest.approx(fmean(trial["languages"].values()))
        assert set(trial["evaluations"]) == {"reisen"}
    assert {trial["family"] for trial in trials} == {"none", "text"}
    assert "zero-shot dev accuracy on reisen" in printed["xstilts best reisen"][1]
    assert all(line in said for shown, said in printed.values() for line in shown)

"""The first hour of a new user, from the pages: an own task of every kind, an own sweep, its interruption and results.

`test_tutorial.py` runs the tutorial, which comes before it. Commands run in this process where no signal is needed.
"""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import shlex
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from search.cli.main import exit_code
from spaces.sweep_spec import load_sweep_spec
from tests.end_to_end.drivers import Driver, Ended
from tests.pages import conversations, steps
from trainables.tasks.formats import FORMATS, ID

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DOCS = Path(__file__).parents[2] / "docs"
OWN_TASK, KINDS = DOCS / "how-to/own-task.md", DOCS / "how-to/own-task-kinds.md"
NAMED = "farben"
NUM_TRIALS = 4
"""Trials of the page's sweep."""


@dataclass(kw_only=True)
class Walk:
    """A folder, what each command printed in it, and the driver that was interrupted."""

    folder: Path
    printed: dict[str, str] = field(default_factory=dict[str, str])
    shown: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Command of a page -> the lines that the page shows below it."""
    interrupted: Ended | None = None

    def run(self, command: str) -> str:
        program, *words = shlex.split(command)
        if program == "python":
            runpy.run_path(str(self.folder / words[0]))
            return ""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = exit_code(words)
        assert code == 0, f"$ {command}\n{out.getvalue()}\n{err.getvalue()}"
        self.printed[command] = out.getvalue()
        return out.getvalue()

    def interrupt(self, *words: str) -> None:
        """Start a sweep, and press Ctrl-C when one trial is finished and another one runs."""
        driver = Driver(self.folder / "home", *words, sweep=NAMED)
        driver.wait_until(lambda record: {"finished", "running"} <= record.count_states(NAMED).keys())
        self.interrupted = driver.end(signal.SIGINT)

    def apply(self, page: Path) -> None:
        """Write the files of a page and run its commands; its sweep is interrupted."""
        for step in steps(page):
            if step.file is not None:
                (self.folder / step.file).write_text(step.body, encoding="utf-8")
            for command, shown in conversations(step.body) if step.language == "console" else ():
                self.shown[command] = shown
                words = shlex.split(command)[1:]
                if words[0] == "search":
                    self.interrupt("search", str(self.folder / words[1]))
                    continue
                self.run(command)


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    walk = Walk(folder=tmp_path_factory.mktemp("hour"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(walk.folder)
        patch.setenv("XSTILTS_HOME", str(walk.folder / "home"))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.delenv("XSTILTS_MIRROR", raising=False)
        (walk.folder / "home").mkdir()
        walk.apply(OWN_TASK)
        walk.apply(KINDS)
        for file in sorted(walk.folder.glob("*.task.yaml")):
            walk.run(f"xstilts tasks check {file.name} --encoder miniature")
        go_on(walk)
        yield walk


def go_on(walk: Walk) -> None:
    """Look at the interrupted sweep, continue it, change it, and read its results."""
    walk.run(f"xstilts status {NAMED}")
    walk.run(f"xstilts resume {NAMED}")
    spec = walk.folder / "farben.yaml"
    changed = spec.read_text().replace("choice: [5, 10]", "choice: [5, 10, 15]").replace("trials: 4", "trials: 5")
    spec.write_text(changed)
    walk.run("xstilts search farben.yaml")
    walk.run(f"xstilts compare {NAMED}")
    walk.run(f"xstilts report {NAMED} --out farben.html")
    shown = walk.run(f"xstilts show {NAMED} 1")
    (walk.folder / "shown.yaml").write_text(shown.split("reads it from a file):\n")[1].split("\nNext:")[0])
    walk.run("xstilts run shown.yaml")
    walk.run(f"xstilts export {NAMED} 1 model")


def test_every_command_prints_what_its_page_shows(walk: Walk) -> None:
    missing = {
        command: [line for line in lines if line not in walk.printed[command]]
        for command, lines in walk.shown.items()
        if command in walk.printed
    }

    assert len(walk.shown) >= 5
    assert not any(missing.values()), missing


def test_the_table_has_the_columns_of_every_kind_and_an_example_of_each(walk: Walk) -> None:
    rows = re.findall(r"^\| \[`(\w+)`\]\([^)]*\) \| ([^|]*) \|", KINDS.read_text(), re.MULTILINE)
    columns = {kind: set(re.findall(r"`(\w+)`", cell)) for kind, cell in rows}
    examples = {yaml.safe_load(file.read_text())["kind"] for file in walk.folder.glob("*.task.yaml")}

    assert columns == {kind: set(form.columns) - {ID} for kind, form in FORMATS.items()}
    assert examples == set(FORMATS)


def test_every_example_is_correct_and_says_so(walk: Walk) -> None:
    checks = [said for command, said in walk.printed.items() if "tasks check" in command]

    assert len(checks) > len(FORMATS)
    assert all(re.match(r"\w+ is correct: ", said) for said in checks)


def test_ctrl_c_leads_to_resume_and_the_parts_add_up(walk: Walk) -> None:
    assert walk.interrupted is not None
    assert walk.interrupted.exit_code == 3
    assert f"continue with: xstilts resume {NAMED}" in walk.interrupted.stderr
    status = walk.printed[f"xstilts status {NAMED}"]
    parts = re.findall(r"(\d+) (?:finished|interrupted|proposed|not)", status)
    assert sum(map(int, parts)) == NUM_TRIALS
    assert f"Next: xstilts resume {NAMED} " in status


def test_the_sweep_is_continued_and_then_changed(walk: Walk) -> None:
    assert f"{NUM_TRIALS} of {NUM_TRIALS} trials done, 0 failed" in walk.printed[f"xstilts resume {NAMED}"]
    assert f"{NUM_TRIALS + 1} of {NUM_TRIALS + 1} trials done, 0 failed" in walk.printed["xstilts search farben.yaml"]


def test_what_show_prints_is_run_and_searched(walk: Walk) -> None:
    score = re.search(r"average (\S+) %", walk.printed[f"xstilts show {NAMED} 1"])
    assert score is not None
    assert f"average {score[1]}\n" in walk.printed["xstilts run shown.yaml"]
    assert "Cost: 0 s" in walk.printed["xstilts run shown.yaml"]  # every stage is in the store

    trial = yaml.safe_load((walk.folder / "shown.yaml").read_text())
    spec = {"name": "again", "trials": 1, "trial": trial, "families": {"text": {}}}
    (walk.folder / "again.yaml").write_text(yaml.safe_dump(spec))
    assert load_sweep_spec(walk.folder / "again.yaml").tasks == trial["tasks"]


def test_the_results_are_written(walk: Walk) -> None:
    assert "undecided" in walk.printed[f"xstilts compare {NAMED}"]
    assert "Wrote farben.html" in walk.printed[f"xstilts report {NAMED} --out farben.html"]
    assert (walk.folder / "model/model.safetensors").is_file()


def test_every_line_fits_80_columns(walk: Walk) -> None:
    long = [line for said in walk.printed.values() for line in said.splitlines() if len(line) > 80]

    assert [line for line in long if str(walk.folder) not in line and not line.startswith("Next: ")] == []

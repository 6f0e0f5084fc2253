"""Sweeps from Python: the examples of the page, a script that is killed and continues, and the notebook of docs/."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import nbformat
import pytest

from search.errors import InputError
from search.record import open_record
from tests.end_to_end.drivers import SECONDS, environment
from tests.loopback import without_network
from tests.pages import steps

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DOCS = Path(__file__).parents[2] / "docs"
PAGE, NOTEBOOK = DOCS / "how-to/python.md", DOCS / "notebook.ipynb"
SCRIPT, DETACHED, SPECS, TRIAL = [step for step in steps(PAGE) if step.language == "python"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the script of the page; its sweep is killed after its first trial, and then continued."""
    folder = tmp_path_factory.mktemp("python")
    (folder / "sweep.py").write_text(SCRIPT.body)
    process = subprocess.Popen(
        [sys.executable, "sweep.py"], cwd=folder, env=environment(folder), stderr=subprocess.DEVNULL
    )
    wait_for_a_trial(folder, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return folder


def wait_for_a_trial(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Return when a trial of the sweep is finished."""
    end = time.monotonic() + SECONDS
    while num_finished(folder) == 0:
        assert process.poll() is None, "the script ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.2)


def num_finished(folder: Path) -> int:
    with contextlib.suppress(InputError), open_record(folder / "record.db", read_only=True) as record:
        return len(record.trials("demo", states=("finished",)))
    return 0  # the record is not made yet


def run(folder: Path, code: str) -> str:
    """Run a script in the folder; returns what it prints."""
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment(folder), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_script_of_15_lines_is_killed_continues_and_draws(folder: Path) -> None:
    assert len(SCRIPT.body.splitlines()) <= 15
    kept = num_finished(folder)
    assert 1 <= kept < 4
    printed = run(folder, SCRIPT.body)

    assert re.match(r"trial \d: \w+, \d\d\.\d %\n", printed)
    assert "demo by family, average dev score, against none" in printed
    assert (folder / "history.svg").read_text().startswith("<svg")
    assert (folder / "languages.png").read_bytes().startswith(b"\x89PNG")
    with open_record(folder / "record.db", read_only=True) as record:
        finished = [event.trial for event in record.events("demo") if event.kind == "finished"]
    assert sorted(finished) == [0, 1, 2, 3], "no trial runs again once it is finished"


def test_a_detached_sweep_goes_on_without_the_process_that_launched_it(folder: Path) -> None:
    first, _ = DETACHED.body.split("print", maxsplit=1)
    run(folder, f"import search\n{first}")  # this process has ended; the sweep has not
    with open_record(folder / "record.db", read_only=True) as record:
        assert record.sweep("demo").planned_trials == 5

    printed = run(folder, "import search\nsweep = search.open_sweep('demo')\nprint(sweep.wait(), sweep)")
    assert printed.startswith("True Sweep('demo': 5 of 5 trials done")


def test_a_detached_sweep_that_cannot_start_says_why(folder: Path) -> None:
    code = """
import search
try:
    search.launch("demo", name="other", detach=True, settings={"trial.encoder.name": "nobody/nothing"})
except search.InputError as error:
    print("refused:", error)
"""
    assert "refused: " in (printed := run(folder, code))
    assert "nobody/nothing" in printed


def test_the_examples_of_specs_and_trials_run(folder: Path) -> None:
    printed = run(folder, f"import search\n{SPECS.body}\n{TRIAL.body}")

    assert printed.startswith("12 ['none', 'text', 'multimodal', 'multitask']\nname: demo")
    assert re.search(r"^0\.\d+ \{'de': 0\.\d+, 'en': 0\.\d+\}$", printed, re.MULTILINE)


EXECUTE = """
import sys, nbclient, nbformat
notebook, out, folder, seconds = sys.argv[1:]
cells = nbformat.read(notebook, as_version=4)
resources = {"metadata": {"path": folder}}
nbclient.NotebookClient(cells, timeout=int(seconds), kernel_name="python3", resources=resources).execute()
nbformat.write(cells, out)
"""


def test_the_notebook_runs_without_a_network_and_shows_what_is_kept(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "executed.ipynb"
    words = [sys.executable, "-c", EXECUTE, str(NOTEBOOK), str(out), str(folder), str(SECONDS)]
    command = without_network(*words)
    if command is None:
        warnings.warn("the notebook runs with a network: this machine allows no new namespaces", stacklevel=1)
    variables = environment(folder) | {"JUPYTER_PLATFORM_DIRS": "1"}
    ended = subprocess.run(command or words, env=variables, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    kept, made = (nbformat.read(path, as_version=4) for path in (NOTEBOOK, out))
    shown = [kinds(cell) for cell in kept.cells if cell.cell_type == "code"]

    assert [kinds(cell) for cell in made.cells if cell.cell_type == "code"] == shown
    assert all(shown[1:]), "each cell but the import shows something"


def kinds(cell: nbformat.NotebookNode) -> set[str]:
    """Return the kinds of output of a cell: pictures, tables, printed text; progress does not count."""
    found: set[str] = set()
    for output in cell.outputs:
        if output.output_type == "stream" and output.name == "stdout":
            found.add("text")
        html = output.get("data", {}).get("text/html", "")
        found |= {kind for kind, mark in {"picture": "<img", "table": "<table"}.items() if mark in html}
        assert output.output_type != "error", output
    return found


def test_the_kept_notebook_names_no_place_of_a_machine() -> None:
    text = json.dumps(json.loads(NOTEBOOK.read_text()))

    assert os.sep + "tmp" not in text
    assert "/home/" not in text

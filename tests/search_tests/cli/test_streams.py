"""How commands end whose output nobody reads, or that cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from search.record import open_record
from tests.search_tests.building import proposal, result

BIG = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000) SELECT n FROM c"
COMMANDS = {
    "a small answer": ["show", "demo", "0"],
    "one document": ["show", "demo", "0", "--json"],
    "more than a pipe holds": ["sql", "demo", BIG, "--limit", "20000"],
    "help": ["--help"],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose record has a finished trial."""
    home = tmp_path_factory.mktemp("home")
    with open_record(home / "record.db") as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=1)
        record.propose("demo", proposal=proposal())
        record.start("demo", number=0)
        record.finish("demo", number=0, result=result())
    return home


def run(command: list[str], *, home: Path, redirected: str) -> tuple[int, str, str]:
    """Return exit code, output and errors of a command under bash, with something behind it; `$?` is the command's."""
    line = f'"$@" {redirected}; exit ${{PIPESTATUS[0]}}'
    ended = subprocess.run(
        ["bash", "-c", line, "bash", sys.executable, "-c", "from search.cli import main; main()", *command],
        env=os.environ | {"XSTILTS_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_reader_that_has_enough_ends_a_command_well(command: list[str], home: Path) -> None:
    assert run(command, home=home, redirected="| true") == (0, "", "")


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_full_output_is_one_line_and_a_failure(command: list[str], home: Path) -> None:
    code, _, errors = run(command, home=home, redirected="> /dev/full")

    assert (code, errors.count("\n")) == (1, 1)
    assert "cannot be written to standard output (No space left on device)" in errors


@pytest.mark.parametrize("command", [COMMANDS["a small answer"], COMMANDS["one document"]], ids=["text", "json"])
def test_a_closed_output_is_one_line_and_a_failure(command: list[str], home: Path) -> None:
    code, _, errors = run(command, home=home, redirected=">&-")

    assert (code, errors.count("\n")) == (1, 1)
    assert "(it is closed)" in errors


@pytest.mark.parametrize(
    ("redirected", "trial", "code"),
    [(">&- 2>&-", "0", 1), ("2>&-", "0", 0), ("2> /dev/full", "9", 2), ("2>&1 | true", "9", 2)],
)
def test_errors_that_nobody_can_read_change_no_exit_code(redirected: str, trial: str, code: int, home: Path) -> None:
    assert run(["show", "demo", trial], home=home, redirected=redirected)[0] == code


def test_a_file_that_is_opened_does_not_take_the_place_of_a_closed_output(home: Path) -> None:
    before = (home / "record.db").read_bytes()

    run(["best", "demo"], home=home, redirected="<&- >&- 2>&-")

    assert (home / "record.db").read_bytes() == before


def test_a_letter_that_the_encoding_lacks_is_spelt_out(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")

    as_json = run(["sql", "demo", "SELECT '\U0001f600…' AS text", "--json"], home=home, redirected="")
    as_text = run(["sql", "demo", "SELECT '…' AS text"], home=home, redirected="")

    assert as_json == (0, '[\n  {\n    "text": "\\ud83d\\ude00\\u2026"\n  }\n]\n', "")
    assert as_text == (0, "text\n\\u2026\n", "")

"""What drivers that are gone leave on the machine: found, told, cleared; what lives is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from search.home import Home, find_home
from search.leftovers import Session, find_leftovers, left_sessions, noted_session
from trainables.processes import identity

HOLDER = "import sys, time; file = open(sys.argv[1], 'w'); print('open', flush=True); time.sleep(600)"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    return find_home()


@pytest.fixture
def session(tmp_path: Path) -> Path:
    folder = tmp_path / "session_of_a_test"
    (folder / "logs").mkdir(parents=True)
    return folder


def identity_of_a_dead_process() -> str:
    code = "from trainables.processes import identity; print(identity())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_a_session_of_a_dead_driver_goes_with_its_processes(home: Home, session: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "tune"
    scratch.mkdir()
    note = noted_session(home, folder=session, scratch=scratch)
    known = Session.model_validate_json(note.read_text())
    note.write_text(known.model_copy(update={"process": identity_of_a_dead_process()}).model_dump_json())
    command = [sys.executable, "-c", HOLDER, str(session / "logs" / "agent.log")]
    agent = psutil.Popen(command, stdout=subprocess.PIPE)
    agent.stdout.readline()

    (leftover,) = find_leftovers(home)
    said = leftover.said
    leftover.clear()

    assert "session_of_a_test of a driver that ended without a word, 1 processes" in said
    assert agent.wait(timeout=30) != 0
    assert not session.exists()
    assert not scratch.exists()
    assert find_leftovers(home) == []


def test_a_session_of_a_living_driver_is_left_alone(home: Home, session: Path) -> None:
    note = noted_session(home, folder=session, scratch=session)

    assert Session.model_validate_json(note.read_text()).process == identity()
    assert list(left_sessions(home)) == []
    assert find_leftovers(home) == []


def test_files_that_nobody_has_written_for_a_while_go(home: Home) -> None:
    old, new = home.progress_path("demo", number=1), home.progress_path("demo", number=2)
    old.parent.mkdir(parents=True)
    for path in (old, new):
        path.write_text("{}")
    os.utime(old, (time.time() - 3600, time.time() - 3600))

    found = find_leftovers(home)
    for leftover in found:
        leftover.clear()

    assert [leftover.said for leftover in found] == [f"progress of {old}"]
    assert (old.exists(), new.exists()) == (False, True)

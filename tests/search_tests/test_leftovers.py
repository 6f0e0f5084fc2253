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
from search.leftovers import Session, find_dead_sessions, find_leftovers, note_session
from trainables.processes import identity

HOLDER = "import sys, time; file = open(sys.argv[1], 'w'); print('open', flush=True); time.sleep(600)"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    return find_home()


@pytest.fixture
def session(tmp_path: Path) -> Path:
    folder = tmp_path / f"session_2026-01-01_00-00-00_000000_{os.getpid()}"
    (folder / "logs").mkdir(parents=True)
    return folder


def identity_of_a_dead_process() -> str:
    code = "from trainables.processes import identity; print(identity())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_a_session_of_a_dead_driver_goes_with_its_processes(home: Home, session: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "xstilts-tune-1"
    scratch.mkdir()
    note = note_session(home, folder=session, scratch=scratch)
    known = Session.model_validate_json(note.read_text())
    note.write_text(known.model_copy(update={"process": identity_of_a_dead_process()}).model_dump_json())
    command = [sys.executable, "-c", HOLDER, str(session / "logs" / "agent.log")]
    agent = psutil.Popen(command, stdout=subprocess.PIPE)
    agent.stdout.readline()

    (leftover,) = find_leftovers(home)
    said = leftover.description
    leftover.clear()

    assert f"{session.name} of a driver that was killed, 1 processes" in said
    assert agent.wait(timeout=30) != 0
    assert not session.exists()
    assert not scratch.exists()
    assert find_leftovers(home) == []


@pytest.mark.parametrize("name", ["session_", "session_2026", "session_latest", "session_of_a_test"])
def test_a_note_that_names_more_than_one_session_is_ignored(home: Home, tmp_path: Path, name: str) -> None:
    note = note_session(home, folder=tmp_path / name, scratch=tmp_path / "xstilts-tune-1")
    known = Session.model_validate_json(note.read_text())
    note.write_text(known.model_copy(update={"process": identity_of_a_dead_process()}).model_dump_json())

    assert list(find_dead_sessions(home)) == []


def test_a_session_of_a_living_driver_is_left_alone(home: Home, session: Path) -> None:
    note = note_session(home, folder=session, scratch=session)

    assert Session.model_validate_json(note.read_text()).process == identity()
    assert list(find_dead_sessions(home)) == []
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

    assert [leftover.description for leftover in found] == [f"progress of {old}"]
    assert (old.exists(), new.exists()) == (False, True)

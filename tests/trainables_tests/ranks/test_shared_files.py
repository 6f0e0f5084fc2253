"""Files of rank 0's host on another host: a mount namespace of its own, in which the folder is empty."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trainables.ranks.local_group import free_port

ROOT = Path(__file__).parents[3]
PROGRAM = [sys.executable, "-m", "tests.trainables_tests.sharing_rank"]
ELSEWHERE = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs "$0" && exec "$@"']


def outputs(commands: list[list[str]]) -> list[list[str]]:
    """Return the lines that two ranks printed."""
    started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for command in commands]
    texts = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    return [text.splitlines() for text in texts]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    work = tmp_path / "shared" / "work" / "below"
    work.mkdir(parents=True)
    (work / "weights").write_bytes(b"weights" * 10_000_000)  # more than is sent at a time
    (work / "empty").touch()
    (work.parent / "manifest.json").write_text("{}")
    return tmp_path / "shared"


ALL = ["empty b''", "manifest.json b'{}'", "weights b'weightswe'"]


@pytest.mark.slow
def test_another_host_gets_what_it_lacks_and_keeps_nothing(folder: Path) -> None:
    if subprocess.run([*ELSEWHERE, str(folder), "true"], check=False, capture_output=True).returncode:
        pytest.skip("a mount namespace needs root")
    words = [[*PROGRAM, str(rank), port, str(folder)] for port in [str(free_port())] for rank in range(2)]

    first, other = outputs([words[0], [*ELSEWHERE, str(folder), *words[1]]])

    assert first == [str(ALL), "['empty', 'manifest.json', 'weights']"]
    assert other == [str(ALL), "[]"]


@pytest.mark.slow
def test_a_disk_that_both_hosts_see_stays_as_it_is(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    words = [[*PROGRAM, str(rank), port, str(folder)] for port in [str(free_port())] for rank in range(2)]

    first, other = outputs(words)

    assert first == other == [str(ALL), "['empty', 'manifest.json', 'weights']"]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before

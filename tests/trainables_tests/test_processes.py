"""A process counts as dead only where that is known: not where `/proc` hides it, and not where its name is odd."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainables import processes
from trainables.processes import identity, is_known_dead

# As another user, with /proc mounted with hidepid where this user may do that; elsewhere nothing of others is read.
ANOTHER_USER = """
import ctypes, os, sys
source, names = sys.argv[1], sys.argv[2:]
module = {"__name__": "processes"}
exec(compile(source, "processes.py", "exec"), module)
libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, MS_REC, MS_PRIVATE, PR_SET_DUMPABLE = 0x20000, 16384, 1 << 18, 4
is_hidden = (
    libc.unshare(CLONE_NEWNS) == 0
    and libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) == 0
    and libc.mount(b"proc", b"/proc", b"proc", 0, b"hidepid=2") == 0
)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
if not is_hidden:
    read = module["_started"]
    module["_started"] = lambda number: read(number) if number == os.getpid() else None
print(module["_realm"]())
for name in names:
    print(module["_started"](int(name.split(":")[2])), module["is_known_dead"](name))
"""


def realm() -> str:
    return ":".join(identity().split(":")[:2])


def identity_of(number: int) -> str:
    return f"{realm()}:{number}:{processes._started(number)}"


def ended() -> tuple[subprocess.Popen[bytes], str]:
    """Return a process that has ended and is not waited for, and its identity while it lived."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = identity_of(child.pid)
    assert not is_known_dead(name)
    child.kill()
    deadline = time.monotonic() + 30
    while processes._started(child.pid) != "ended":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return child, name


def seen_by_another_user(*names: str) -> list[str]:
    """Return what another user, from whom /proc hides them, knows of processes: started or None, and whether dead."""
    source = Path(processes.__file__).read_text()
    command = [sys.executable, "-c", ANOTHER_USER, source, *names]
    first, *lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert first == realm()  # else the answer would be "not known" for another reason
    return lines


def test_a_hidden_process_is_alive_while_it_is_there() -> None:
    assert seen_by_another_user(identity(), identity_of(1)) == ["None False", "None False"]


def test_a_hidden_process_that_has_gone_is_dead() -> None:
    child, name = ended()
    child.wait()
    assert seen_by_another_user(name) == ["None True"]


def test_a_hidden_number_that_another_process_has_now_is_not_known() -> None:
    """Whose process it is cannot be told: absence of evidence is no evidence."""
    assert seen_by_another_user(f"{realm()}:{os.getpid()}:1") == ["None False"]


def test_a_zombie_is_dead() -> None:
    child, name = ended()
    assert is_known_dead(name)
    child.wait()
    assert is_known_dead(name)


@pytest.mark.parametrize("started", ["0", "1", "99999999999"])
def test_a_reused_number_is_another_process(started: str) -> None:
    assert is_known_dead(f"{realm()}:{os.getpid()}:{started}")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ":::",
        "::1:1",
        "-:-:1:1",
        "{realm}:²:1",
        "{realm}:-1:1",
        "{realm}:0:",
        "{realm}:99999999999999999999:1",
        "{realm}:" + "9" * 5000 + ":1",
        "{realm}:1\0:1",
        "other:4026531836:1:1",
    ],
)
def test_what_is_no_name_of_a_process_here_is_not_known(name: str) -> None:
    assert not is_known_dead(name.replace("{realm}", realm()))


def test_without_proc_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_BOOT_ID", Path("/nowhere"))
    assert not is_known_dead("-:-:1:1")
    assert not is_known_dead(identity())

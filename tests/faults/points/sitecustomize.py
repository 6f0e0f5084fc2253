"""Loaded by every Python process of a sweep under test: ends the process at a named point of its work.

The sweep's code knows nothing of this. What it calls to make something durable is wrapped here: renames, links, syncs
of files, commits of the record. The harness (`tests/faults/killing.py`) arms one point at a time by a file; the first
process of the right role that comes to it renames that file, which only one can, and kills itself, has the call fail,
or is held there until the harness has done something to another process.

It also notes which stages are begun and published, for the harness to see whether a finished one was made again; and
with XSTILTS_CLOCK_JUMPS the clock jumps, with XSTILTS_CLOCK_OFFSET it is wrong by so many seconds.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import math
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from typing import Any

_FOLDER = os.environ.get("XSTILTS_FAULTS", "")
_ARMED, _FIRED, _RELEASED, _STAGES = (
    f"{_FOLDER}/{name}" for name in ("armed.json", "fired.json", "released", "stages.log")
)
SECONDS_HELD = 20.0
"""Longest time at a point; a rank that is silent for longer could be taken for dead."""


def _role() -> str:
    if sys.argv[:1] and sys.argv[0].endswith("/xstilts"):
        return "driver"
    if "trainables.ranks.job_runner" in sys.modules:
        return "rank"
    return "actor" if "search.driver.trial_actor" in sys.modules else "other"


class _Points:
    """Counts the calls of this process since a point was armed."""

    def __init__(self) -> None:
        self._serial, self._num = -1, 0

    def passes(self, call: str, when: str, place: str = "") -> bool:
        """Return whether this process has claimed the armed point: what is to happen there is for the caller.

        Args:
            call: What is called.
            when: What happens at the point.
            place: What is called with a path: only points whose path is a part of it count.
        """
        try:
            with _open(_ARMED) as file:
                point = json.load(file)
        except (OSError, ValueError):
            return False
        if point["call"] != call or point["when"] != when or point["role"] not in {_role(), "any"}:
            return False
        if point.get("path", "") not in place:
            return False
        if point["serial"] != self._serial:
            self._serial, self._num = point["serial"], 0
        self._num += 1
        if self._num < point["nth"]:
            return False
        try:
            _rename(_ARMED, _FIRED)
        except OSError:
            return False
        return True


_points = _Points()
_open, _rename, _fsync = open, os.rename, os.fsync


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hold() -> None:
    """Wait until the harness has done what it wants to do at this point."""
    deadline = time.monotonic() + SECONDS_HELD
    while not os.path.exists(_RELEASED) and time.monotonic() < deadline:  # noqa: PTH110  (no pathlib this early)
        time.sleep(0.02)


def _note(line: str) -> None:
    descriptor = os.open(_STAGES, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def _wrapped(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if _points.passes(name, "before"):
            _end()
        if _points.passes(name, "held", str(args[-1])):
            _hold()
        if _points.passes(name, "failing", str(args[-1])):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        result = call(*args, **kwargs)
        if name == "rename" and "/stages/" in (to := os.fspath(args[1])):
            _note(f"published {to.rpartition('/')[2]}")
        if _points.passes(name, "after"):
            _end()
        return result

    return wrapper


def _torn_fsync(descriptor: Any) -> None:
    """Sync; at its point, leave half of the file and end: what a crash of the machine leaves of a write."""
    if _points.passes("fsync", "torn"):
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
        _end()
    _fsync(descriptor)


def _noting_mkdir(path: Any, *args: Any, **kwargs: Any) -> None:
    _mkdir(path, *args, **kwargs)
    folder, _, name = str(path).rpartition("/")
    if folder.endswith("/work") and not name.endswith("-checkpoints"):
        if _points.passes("mkdir", "held", str(path)):
            _hold()
        _note(f"begun {name.partition('-')[0]}")


class _Connection(sqlite3.Connection):
    def commit(self) -> None:
        if _points.passes("commit", "before"):
            _end()
        super().commit()
        if _points.passes("commit", "after"):
            _end()


def _jumping_time() -> float:
    """Return a time that is up to a day off, another offset every two seconds; processes differ, as hosts may."""
    now = _time()
    return now + 86_400 * math.sin(1e3 * (now // 2 + os.getpid()))


def _wrong_time() -> float:
    return _time() + float(os.environ["XSTILTS_CLOCK_OFFSET"])


_time = time.time
if os.environ.get("XSTILTS_CLOCK_OFFSET"):
    time.time = _wrong_time
    time.time_ns = lambda: int(_wrong_time() * 1e9)
if os.environ.get("XSTILTS_CLOCK_JUMPS"):
    time.time = _jumping_time
if _FOLDER:
    _mkdir = os.mkdir
    os.mkdir = _noting_mkdir
    os.rename = _wrapped("rename", os.rename)
    os.replace = _wrapped("rename", os.replace)
    os.link = _wrapped("link", os.link)
    os.fsync = _wrapped("fsync", _torn_fsync)
    sqlite3.connect = functools.partial(sqlite3.connect, factory=_Connection)

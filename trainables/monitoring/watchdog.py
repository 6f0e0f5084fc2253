"""Detects ranks that make no progress: ranks send heartbeats, and the trial's process watches them.

Each heartbeat re-arms a timer of the Python interpreter. If no heartbeat re-arms it in time, it writes the stacks of
all threads to a file. The timer needs no lock of Python, so it works while a rank waits in a collective or in a
library. Rank 0 also writes a file with each heartbeat; the trial's process reads the file and measures the time on its
own monotonic clock. It is enough to watch rank 0: a rank that hangs stops the others at their next collective.
"""

from __future__ import annotations

import contextlib
import faulthandler
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO

from pydantic import Field

from trainables.config.frozen import FrozenModel
from trainables.errors import HangError

SECONDS_BETWEEN_HEARTBEATS = 1.0
"""Shortest time between two heartbeats; half of `Watch.seconds` if that is shorter."""

START_SECONDS = 300.0
"""Longest wait for a group's first heartbeat: processes start, and import torch on a machine that can be busy."""

GRACE_SECONDS = 2.0
"""The trial's process waits this much longer than the ranks, so that they can write their stacks."""

_HEARTBEAT_FILE = "beat"


class Watch(FrozenModel):
    """How a group of ranks is watched. Crosses processes."""

    folder: Path = Field(strict=False)
    """Folder for rank 0's heartbeats and the stacks; on a disk that all ranks see."""
    seconds: float = Field(gt=0)
    """Time without progress that counts as a hang."""

    def stacks(self) -> str:
        """Return the stacks that the ranks have written, in the order of ranks."""
        files = sorted(self.folder.glob("stacks-*"), key=lambda path: int(path.name.partition("-")[2]))
        texts = [(path.name.partition("-")[2], path.read_text(errors="replace").strip()) for path in files]
        return "\n".join(f"rank {rank}:\n{text or 'no stack: the process did not run'}" for rank, text in texts)


class _HeartbeatSender:
    """Sends a rank's heartbeats."""

    def __init__(self, watch: Watch, *, rank: int) -> None:
        self._watch = watch
        self._pause = min(SECONDS_BETWEEN_HEARTBEATS, watch.seconds / 2)
        self._heartbeat_file = watch.folder / _HEARTBEAT_FILE if rank == 0 else None
        watch.folder.mkdir(parents=True, exist_ok=True)  # on rank 0's host it exists
        self._file: IO[bytes] = (watch.folder / f"stacks-{rank}").open("wb")
        self._last = float("-inf")

    def send(self) -> None:
        now = time.monotonic()
        if now - self._last < self._pause:
            return
        self._last = now
        faulthandler.dump_traceback_later(self._watch.seconds, file=self._file)
        if self._heartbeat_file is not None:
            with contextlib.suppress(OSError):  # a full disk must not end training
                self._heartbeat_file.write_text(str(time.monotonic_ns()))

    def end(self) -> None:
        faulthandler.cancel_dump_traceback_later()
        self._file.close()


_senders: list[_HeartbeatSender] = []
"""Senders of the present job; a process does one job at a time."""


@contextlib.contextmanager
def sending_heartbeats(watch: Watch | None, *, rank: int) -> Generator[None]:
    """Send heartbeats while a rank does a job: at the start, and at each call of `send_heartbeat`.

    Args:
        watch: How the group is watched; None watches nothing.
        rank: This rank's number.
    """
    if watch is None:
        yield
        return
    sender = _HeartbeatSender(watch, rank=rank)
    _senders.append(sender)
    sender.send()
    try:
        yield
    finally:
        _senders.remove(sender)
        sender.end()


_listeners: list[Callable[[], None]] = []
"""Functions that `send_heartbeat` also calls; see `listening`."""


@contextlib.contextmanager
def listening(listener: Callable[[], None]) -> Generator[None]:
    """Inside the block, call a listener at each `send_heartbeat` too."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def send_heartbeat() -> None:
    """Note that this rank made progress. It is cheap, and has no effect without a watch."""
    for sender in _senders:
        sender.send()
    for listener in _listeners:
        listener()


class Watcher:
    """Watches a group from the trial's process, and raises when it has made no progress for too long.

    Args:
        watch: How the group is watched; None never raises.
    """

    def __init__(self, watch: Watch | None) -> None:
        self._watch = watch
        self._seen: str | None = None
        self._since = time.monotonic()

    @property
    def seconds_between_checks(self) -> float | None:
        """Time between two calls of `check`; None if no call is needed."""
        return None if self._watch is None else max(0.05, min(5.0, self._watch.seconds / 4))

    def check(self) -> None:
        """Return while the group makes progress.

        Raises:
            HangError: It makes none; the caller ends the ranks.
        """
        if self._watch is None:
            return
        try:
            seen = (self._watch.folder / _HEARTBEAT_FILE).read_text()
        except OSError:
            seen = self._seen
        if seen != self._seen:
            self._seen, self._since = seen, time.monotonic()
            return
        seconds = self._watch.seconds if seen is not None else max(self._watch.seconds, START_SECONDS)
        if time.monotonic() - self._since > seconds + GRACE_SECONDS:
            raise HangError(self._watch.seconds, self._watch.stacks())

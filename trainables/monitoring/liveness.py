"""Ranks that make no progress: each shows that it goes on, and where it stands when it does not.

A rank keeps a timer of the interpreter's own armed, which writes the stacks of all its threads to a file when nothing
has re-armed it for too long; that needs no lock of Python's, so it works while a rank waits in a collective or in a
library. Rank 0 also touches a file, by which the trial's process sees that the group goes on, by its own monotonic
clock; a rank that hangs stops the others at their next collective.
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

SECONDS_BETWEEN_SIGNS = 1.0
"""Least time between two signs of life; a shorter limit halves it."""

START_SECONDS = 300.0
"""Longest wait for a group's first sign of life: processes start, and import torch on a machine that may be busy."""

GRACE_SECONDS = 2.0
"""How much longer the trial's process waits than the ranks, so that their stacks are written."""

_BEAT = "beat"


class Watch(FrozenModel):
    """How a group of ranks is watched. Crosses processes."""

    folder: Path = Field(strict=False)
    """Takes rank 0's beat and the stacks; on a disk that all ranks see."""
    seconds: float = Field(gt=0)
    """Time without progress that counts as a hang."""

    def stacks(self) -> str:
        """Return the stacks that the ranks have written, rank after rank."""
        files = sorted(self.folder.glob("stacks-*"), key=lambda path: int(path.name.partition("-")[2]))
        texts = [(path.name.partition("-")[2], path.read_text(errors="replace").strip()) for path in files]
        return "\n".join(f"rank {rank}:\n{text or 'no stack: the process did not run'}" for rank, text in texts)


class _Signs:
    """A rank's signs of life."""

    def __init__(self, watch: Watch, *, rank: int) -> None:
        self._watch = watch
        self._pause = min(SECONDS_BETWEEN_SIGNS, watch.seconds / 2)
        self._beat = watch.folder / _BEAT if rank == 0 else None
        watch.folder.mkdir(parents=True, exist_ok=True)  # it was made on rank 0's host
        self._file: IO[bytes] = (watch.folder / f"stacks-{rank}").open("wb")
        self._last = float("-inf")

    def give(self) -> None:
        now = time.monotonic()
        if now - self._last < self._pause:
            return
        self._last = now
        faulthandler.dump_traceback_later(self._watch.seconds, file=self._file)
        if self._beat is not None:
            with contextlib.suppress(OSError):  # a full disk must not end training
                self._beat.write_text(str(time.monotonic_ns()))

    def end(self) -> None:
        faulthandler.cancel_dump_traceback_later()
        self._file.close()


_signs: list[_Signs] = []
"""Those of the job that this process does; a process does one at a time."""


@contextlib.contextmanager
def showing_life(watch: Watch | None, *, rank: int) -> Generator[None]:
    """Give signs of life while a rank does a job, at its start and wherever `goes_on` is called.

    Args:
        watch: How the group is watched; None watches nothing.
        rank: This rank's number.
    """
    if watch is None:
        yield
        return
    signs = _Signs(watch, rank=rank)
    _signs.append(signs)
    signs.give()
    try:
        yield
    finally:
        _signs.remove(signs)
        signs.end()


_listeners: list[Callable[[], None]] = []
"""Told beside them, by `telling`."""


@contextlib.contextmanager
def telling(listener: Callable[[], None]) -> Generator[None]:
    """Call a listener too, wherever `goes_on` is called meanwhile."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def goes_on() -> None:
    """Tell that this rank has got further; costs nothing to speak of, and does nothing where nobody watches."""
    for signs in _signs:
        signs.give()
    for listener in _listeners:
        listener()


class Watcher:
    """The other side: raises when a group has made no progress for too long.

    Args:
        watch: How it is watched; None never raises.
    """

    def __init__(self, watch: Watch | None) -> None:
        self._watch = watch
        self._seen: str | None = None
        self._since = time.monotonic()

    @property
    def seconds_between_looks(self) -> float | None:
        """How often `check` is to be called; None when it need not be."""
        return None if self._watch is None else max(0.05, min(5.0, self._watch.seconds / 4))

    def check(self) -> None:
        """Return while the group goes on.

        Raises:
            HangError: It does not; the ranks are to be ended.
        """
        if self._watch is None:
            return
        try:
            seen = (self._watch.folder / _BEAT).read_text()
        except OSError:
            seen = self._seen
        if seen != self._seen:
            self._seen, self._since = seen, time.monotonic()
            return
        seconds = self._watch.seconds if seen is not None else max(self._watch.seconds, START_SECONDS)
        if time.monotonic() - self._since > seconds + GRACE_SECONDS:
            raise HangError(self._watch.seconds, self._watch.stacks())

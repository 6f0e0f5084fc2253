"""What a sweep does while a disk is full or cannot be used.

It frees what nobody needs, waits until the disk can be written again, and gives up in the end. Nothing is started
during a pause; what was being written is not there, and what was there before is whole.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

log = logging.getLogger(__name__)

Disk = Literal["full", "unusable"]
"""Why nothing can be written: no space is left, or the disk fell back to read-only, failed, or is gone."""

SECONDS_TO_WAIT = 120.0
"""How long a sweep waits for space before it stops."""

SECONDS_BETWEEN_LOOKS = 1.0

GROWTH_BYTES = 1 << 20
"""How much more must be free than when the disk was full, before work is tried again."""

MAX_IN_VAIN = 5
"""Pauses, one after the other without a trial that got anywhere, after which the sweep stops."""


class DiskPause:
    """The pauses of one sweep.

    Args:
        free: Returns the bytes that are free on the fullest of its disks.
        make_room: Removes what nobody needs, and returns the bytes that this freed.
        works: Returns whether its disks can be written.
        note: Told why a pause begins.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        *,
        free: Callable[[], int],
        make_room: Callable[[], int],
        works: Callable[[], bool],
        note: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._free, self._make_room, self._works = free, make_room, works
        self._note, self._clock = note, clock
        self._since: float | None = None
        self._free_then: int | None = None
        self._looked = float("-inf")
        self._in_vain = 0
        self.has_given_up = False
        """Whether the sweep is to stop."""

    def begin(self, reason: str, *, disk: Disk) -> None:
        """Pause, because something could not be written; nothing new while it pauses already."""
        if self._since is not None:
            return
        self._since, self._in_vain = self._clock(), self._in_vain + 1
        self._free_then = self._free() if disk == "full" else None
        self._note(reason)
        log.warning("Paused: %s", reason)
        if self._free_then is not None:
            freed = self._make_room()
            sizes = (self._free_then >> 20, freed >> 20)
            log.warning("Paused: %d MB were free; what no trial needs was removed, %d MB. Free some space.", *sizes)
        log.warning("Paused: the sweep goes on by itself when it can, or stops after %d s.", SECONDS_TO_WAIT)

    def holds(self) -> bool:
        """Return whether nothing may be started now."""
        if self._since is None or self.has_given_up:
            return self._since is not None
        now = self._clock()
        if now - self._looked >= SECONDS_BETWEEN_LOOKS:
            self._looked = now
            if self._in_vain > MAX_IN_VAIN or now - self._since > SECONDS_TO_WAIT:
                self.has_given_up = True
            elif self._is_over():
                log.warning("The disk can be written again: the sweep goes on.")
                self._since = None
        return self._since is not None

    def _is_over(self) -> bool:
        if self._free_then is not None and self._free() < self._free_then + GROWTH_BYTES:
            return False
        return self._works()

    def progressed(self) -> None:
        """Take note that a trial got somewhere: pauses were not in vain."""
        self._in_vain = 0


def can_write(places: Iterable[Path]) -> bool:
    """Return whether a file can be written in each of some folders, the missing ones left out."""
    try:
        for place in places:
            if place.exists():
                with tempfile.TemporaryFile(dir=place) as file:
                    file.write(bytes(4096))
                    file.flush()
                    os.fsync(file.fileno())
    except OSError:
        return False
    return True


def free_bytes(places: Iterable[Path]) -> int:
    """Return the bytes that are free on the fullest disk of some folders, the missing ones left out."""
    return min((shutil.disk_usage(place).free for place in places if place.exists()), default=1 << 62)

"""Pauses a sweep while a disk is full or cannot be used.

During a pause the sweep removes what no trial needs, waits until the disk can be written again, and stops if this takes
too long. No trial starts during a pause. What was being written is lost; everything that was complete before is intact.
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
"""Why the disk cannot be written: no space is left, or the disk became read-only, failed, or is gone."""

SECONDS_TO_WAIT = 120.0
"""How long a sweep waits for the disk before it stops."""

SECONDS_BETWEEN_LOOKS = 1.0

GROWTH_BYTES = 1 << 20
"""The sweep continues when this many more bytes are free than at the start of the pause."""

MAX_WITHOUT_PROGRESS = 5
"""Number of pauses without any trial's progress in between, after which the sweep stops."""


class DiskPause:
    """The pauses of one sweep.

    Args:
        free: Returns the free bytes of the fullest of its disks.
        make_room: Removes what no trial needs, and returns the bytes that this freed.
        works: Returns whether its disks can be written.
        note: Called with the reason of a pause when it begins.
        clock: Returns a monotonic time in seconds.
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
        self._free_at_start: int | None = None
        self._looked = float("-inf")
        self._num_without_progress = 0
        self.has_given_up = False
        """Whether the sweep has to stop."""

    def begin(self, reason: str, *, disk: Disk) -> None:
        """Start a pause because something could not be written. Does nothing during a pause."""
        if self._since is not None:
            return
        self._since, self._num_without_progress = self._clock(), self._num_without_progress + 1
        self._free_at_start = self._free() if disk == "full" else None
        self._note(reason)
        log.warning("Paused: %s", reason)
        if self._free_at_start is not None:
            freed = self._make_room()
            sizes = (self._free_at_start >> 20, freed >> 20)
            log.warning("Paused: %d MB were free; removed %d MB that no trial needs. Free some space.", *sizes)
        log.warning(
            "Paused: the sweep continues as soon as the disk can be written, or stops after %d s.", SECONDS_TO_WAIT
        )

    def is_paused(self) -> bool:
        """Return whether the sweep pauses, so that no trial can start now."""
        if self._since is None or self.has_given_up:
            return self._since is not None
        now = self._clock()
        if now - self._looked >= SECONDS_BETWEEN_LOOKS:
            self._looked = now
            if self._num_without_progress > MAX_WITHOUT_PROGRESS or now - self._since > SECONDS_TO_WAIT:
                self.has_given_up = True
            elif self._is_over():
                log.warning("The disk can be written again: the sweep continues.")
                self._since = None
        return self._since is not None

    def waits(self) -> bool:
        """Return whether the sweep pauses and has not given up."""
        return self.is_paused() and not self.has_given_up

    def _is_over(self) -> bool:
        if self._free_at_start is not None and self._free() < self._free_at_start + GROWTH_BYTES:
            return False
        return self._works()

    def note_progress(self) -> None:
        """Note that a trial made progress."""
        self._num_without_progress = 0


def can_write(places: Iterable[Path]) -> bool:
    """Return whether a file can be written in each of some folders; missing folders are skipped."""
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
    """Return the free bytes of the fullest disk of some folders; missing folders are skipped."""
    return min((shutil.disk_usage(place).free for place in places if place.exists()), default=1 << 62)

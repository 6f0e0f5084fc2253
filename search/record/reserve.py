"""Reserves disk space for the record while a sweep runs, so that the sweep can record a full disk and stop cleanly.

The reserve is a file beside an SQLite record, as large as a few thousand transactions. A writer that finds the disk
full deletes it and writes again; the sweep's owner creates it again when the disk has enough space. Nothing reads the
file.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from search.errors import RecordFullError

RESERVE_BYTES = 2 << 20
_PLENTY = 4
"""The reserve is created only if this many times its size is free: it must not use space that was freed for trials."""


class Reserve:
    """The reserve of one record.

    Args:
        record: Path of the record's file; None for a record on a server, which has no reserve.
    """

    def __init__(self, record: Path | None) -> None:
        self.path = record.with_name(f"{record.name}.reserve") if record is not None else None
        """The file; None for a record on a server."""

    def keep(self) -> None:
        """Create the reserve if it is missing and the disk has enough space."""
        if self.path is None or self.path.exists():
            return
        with contextlib.suppress(OSError):  # without it, a full disk may not be recorded; the record stays intact
            if shutil.disk_usage(self.path.parent).free < _PLENTY * RESERVE_BYTES:
                return
            descriptor = os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o644)
            try:
                os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            finally:
                os.close(descriptor)

    def release(self) -> None:
        """Delete the reserve."""
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)


class HasReserve(Protocol):
    """A record with a reserve."""

    @property
    def reserve(self) -> Reserve:
        """The reserve."""
        ...


P = ParamSpec("P")
T = TypeVar("T")
RecordT = TypeVar("RecordT", bound=HasReserve)


def with_reserve(write: Callable[Concatenate[RecordT, P], T]) -> Callable[Concatenate[RecordT, P], T]:
    """Return a method of a record that deletes the reserve and writes again if the disk is full."""

    @functools.wraps(write)
    def written(record: RecordT, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return write(record, *args, **kwargs)
        except RecordFullError:
            record.reserve.release()
            return write(record, *args, **kwargs)

    return written

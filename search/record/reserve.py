"""Space kept for the record while a sweep runs: what a full disk leaves to say so, and to stop in order.

A file beside an SQLite record, as large as a few thousand transactions. Whoever cannot write any more removes it and
writes again; the sweep's owner makes it anew when the disk has plenty. Nothing reads it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from search.errors import RecordFullError

if TYPE_CHECKING:
    from search.record.record import Record

RESERVE_BYTES = 2 << 20
_PLENTY = 4
"""It is made only where this many times its size is free: it must not take what was freed for something else."""

P = ParamSpec("P")
T = TypeVar("T")


class Reserve:
    """The reserve of one record.

    Args:
        record: Path of the record's file; None for one on a server, which has none.
    """

    def __init__(self, record: Path | None) -> None:
        self.path = record.with_name(f"{record.name}.reserve") if record is not None else None
        """The file; None for a record on a server."""

    def keep(self) -> None:
        """Make the reserve where it is missing and there is plenty of space."""
        if self.path is None or self.path.exists():
            return
        if shutil.disk_usage(self.path.parent).free < _PLENTY * RESERVE_BYTES:
            return
        with contextlib.suppress(OSError):  # without it the record is as safe, and says less
            descriptor = os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o644)
            try:
                os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
            finally:
                os.close(descriptor)

    def release(self) -> None:
        """Give the space free."""
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)


def with_reserve(write: Callable[Concatenate[Record, P], T]) -> Callable[Concatenate[Record, P], T]:
    """Return a method of a record that releases the reserve, and writes again, when the disk is full."""

    @functools.wraps(write)
    def written(record: Record, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return write(record, *args, **kwargs)
        except RecordFullError:
            record.reserve.release()
            return write(record, *args, **kwargs)

    return written

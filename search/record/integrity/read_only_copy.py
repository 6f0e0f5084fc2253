"""Reads a record's file in a folder that cannot be written: for lack of permission, or on a read-only disk.

SQLite reads a write-ahead log through a file of shared memory beside it, which it creates if it is missing. If it
cannot create this file, a record without a log is opened as immutable, and a record with a log of a killed writer is
read from a copy.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Generator
from pathlib import Path

from search.errors import RecordUnusableError

LOGS = ("-wal", "-journal")
"""Endings of SQLite's logs beside a file: they exist while it is written, or after its writer was killed."""


def uri_to_read(path: Path) -> str:
    """Return the URI with which SQLite can read a file, whether or not its folder can be written."""
    return path.as_uri() + ("?mode=ro&immutable=1" if _is_immutable(path) else "?mode=ro")


def needs_copy(path: Path) -> bool:
    """Return whether a file can only be read from a copy of it and its log."""
    return not _may_write_beside(path) and has_bytes(path, "-wal") and not _beside(path, "-shm").exists()


def check_writable(path: Path) -> None:
    """Check that a record's file can be written or created.

    Raises:
        RecordUnusableError: It cannot.
    """
    for place in (path, path.parent):
        if place.exists() and not os.access(place, os.W_OK):
            raise RecordUnusableError(
                f"record {path} cannot be written: this user has no permission to write {str(place)!r}; its file and "
                "folder must be writable: change their permissions, or choose another path with --record or "
                "XSTILTS_HOME"
            )


@contextlib.contextmanager
def copied(path: Path, *, also: tuple[str, ...] = ()) -> Generator[Path]:
    """Yield a temporary copy of a file and its logs.

    Args:
        path: The file.
        also: Endings of further files beside it that are copied.
    """
    with tempfile.TemporaryDirectory(prefix="xstilts-record-") as folder:
        place = Path(folder) / path.name
        place.write_bytes(_contents(path))
        for suffix in (*LOGS, *also):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(_beside(path, suffix), _beside(place, suffix))
        with contextlib.closing(sqlite3.connect(place)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # applies the logs
        yield place


def _contents(path: Path) -> bytes:
    """Return the bytes of a database's file, without its logs.

    SQLite reads the file, because this process may have it open: reading it in another way would release its locks.
    """
    with contextlib.closing(sqlite3.connect(path.as_uri() + "?mode=ro&immutable=1", uri=True)) as connection:
        return connection.serialize()


def has_bytes(path: Path, suffix: str) -> bool:
    """Return whether there is a file with this ending beside a file, and it is not empty."""
    beside = _beside(path, suffix)
    return beside.exists() and beside.stat().st_size > 0


def _is_immutable(path: Path) -> bool:
    if _may_write_beside(path) or has_bytes(path, "-wal"):
        return False
    return not (_beside(path, "-wal").exists() and _beside(path, "-shm").exists())  # else a writer has just begun


def _may_write_beside(path: Path) -> bool:
    return os.access(path.parent, os.W_OK)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)

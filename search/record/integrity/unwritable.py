"""How a record's file is read where nothing may be made beside it: a folder without the right to, a read-only disk.

SQLite reads a write-ahead log through a file of shared memory beside it, which it makes where it is missing. Where it
cannot, a record without a log is opened as one that nobody changes, and one with a log that a killed writer left is
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
"""What SQLite keeps beside a file while it is written, or until it is next opened after its writer was killed."""


def uri_to_read(path: Path) -> str:
    """Return the URI by which SQLite reads a file, whether or not its folder may be written."""
    return path.as_uri() + ("?mode=ro&immutable=1" if _is_still(path) else "?mode=ro")


def needs_copy(path: Path) -> bool:
    """Return whether a file can only be read from a copy of it and its log."""
    return not _may_write_beside(path) and has_bytes(path, "-wal") and not _beside(path, "-shm").exists()


def check_writable(path: Path) -> None:
    """Return when a record's file could be written or made.

    Raises:
        RecordUnusableError: It could not.
    """
    for place in (path, path.parent):
        if place.exists() and not os.access(place, os.W_OK):
            raise RecordUnusableError(
                f"record {path} cannot be written: this user may not write {str(place)!r}; its file and folder must be "
                "writable: change their rights, or choose another place with --record or XSTILTS_HOME"
            )


@contextlib.contextmanager
def copied(path: Path, *, also: tuple[str, ...] = ()) -> Generator[Path]:
    """Give a copy of a file with its logs, for as long as it is needed.

    Args:
        path: The file.
        also: Further endings of files beside it.
    """
    with tempfile.TemporaryDirectory(prefix="xstilts-record-") as folder:
        place = Path(folder) / path.name
        place.write_bytes(_contents(path))
        for suffix in (*LOGS, *also):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(_beside(path, suffix), _beside(place, suffix))
        with contextlib.closing(sqlite3.connect(place)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # takes the logs in
        yield place


def _contents(path: Path) -> bytes:
    """Return a database's file as it is, its logs aside.

    Through SQLite, for this process may have the file open: reading it in another way would end its locks.
    """
    with contextlib.closing(sqlite3.connect(path.as_uri() + "?mode=ro&immutable=1", uri=True)) as connection:
        return connection.serialize()


def has_bytes(path: Path, suffix: str) -> bool:
    """Return whether a file of this ending lies beside a file, and is not empty."""
    beside = _beside(path, suffix)
    return beside.exists() and beside.stat().st_size > 0


def _is_still(path: Path) -> bool:
    if _may_write_beside(path) or has_bytes(path, "-wal"):
        return False
    return not (_beside(path, "-wal").exists() and _beside(path, "-shm").exists())  # else a writer has just begun


def _may_write_beside(path: Path) -> bool:
    return os.access(path.parent, os.W_OK)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)

"""Whose database a file is: told without changing it, and without leaving anything beside it.

A record is marked by SQLite's `application_id`. Records from before the mark are known by their tables, and are marked
when they are next opened for writing. Whatever else holds tables or views, or another mark, is another program's.

SQLite alone opens the file: this process may have it open already, and a process that closes any descriptor of a file
lets go of all locks that it holds on it (https://www.sqlite.org/howtocorrupt.html, 2.2).
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import stat
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from search.errors import RecordDamagedError, RecordForeignError, RecordNewerError, RecordUnusableError
from search.record.integrity.snapshots import list_snapshots
from search.record.integrity.unwritable import LOGS, copied, has_bytes
from search.record.integrity.witness import WitnessFile
from search.record.schema import SCHEMA_VERSION

APPLICATION_ID = 0x7873746C
"""Marks a record's file: "xstl"."""

OUR_TABLES = frozenset({"meta", "sweeps", "trials", "measurements", "events"})
"""Tables that records of every version have."""

_MOST_SHOWN = 5
"""Tables that a refusal names."""


def check_file(path: Path) -> None:
    """Return when a path is free, or holds a record of ours, or an empty file or database.

    Nothing is written: whoever goes on from here may have to leave the file as it is.

    Raises:
        RecordForeignError: It is another program's database.
        RecordNewerError: It is a record of a newer schema.
        RecordDamagedError: It is no database, and no record of ours ever was there.
        RecordUnusableError: It is no file, or may not be read.
    """
    if not _has_contents(path):
        return
    try:
        _check_contents(path)
    except sqlite3.DatabaseError as error:
        if WitnessFile.place(path).exists() or list_snapshots(path):
            return  # a record that was damaged: its guard says so, and restores it
        raise RecordDamagedError(
            f"record {path} is damaged, or was never one: {error}; restore a copy, or choose another place with "
            "--record (finished stages in the store are reused)"
        ) from error


def is_ours(names: Collection[str]) -> bool:
    """Return whether tables of these names are a record's."""
    return OUR_TABLES.issubset(names)


def _has_contents(path: Path) -> bool:
    """Return whether there is a file, with something in it, that may be read."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return False
    except NotADirectoryError as error:
        place = next(one for one in path.parents if one.exists())
        msg = f"record {path} cannot be made: {str(place)!r} is a file; choose another with --record or XSTILTS_HOME"
        raise RecordUnusableError(msg) from error
    except OSError as error:
        raise _unreadable(path, error.strerror) from error
    if not stat.S_ISREG(facts.st_mode):
        kind = "a folder" if stat.S_ISDIR(facts.st_mode) else "no regular file"
        msg = f"record {path} is {kind}; a record is one file: name it, for example {path / 'record.db'}"
        raise RecordUnusableError(msg)
    if not os.access(path, os.R_OK):
        raise _unreadable(path, os.strerror(errno.EACCES))
    return facts.st_size > 0


def _unreadable(path: Path, why: str | None) -> RecordUnusableError:
    return RecordUnusableError(
        f"record {path} cannot be read ({why}); this user must be allowed to read it and to enter its "
        "folder: change its rights, or choose another place with --record or XSTILTS_HOME"
    )


def _check_contents(path: Path) -> None:
    found = _look(path)
    if not found.names and any(has_bytes(path, suffix) for suffix in LOGS):
        with copied(path) as copy:  # all that it holds may be in a log that has not been written back yet
            found = _look(copy)
    if found.mark not in {0, APPLICATION_ID}:
        raise RecordForeignError(str(path), holds=f"its application_id is {found.mark:#x}")
    if found.names and not (found.mark == APPLICATION_ID or (is_ours(found.names) and found.version is not None)):
        raise RecordForeignError(str(path), holds=told(found.names))
    if found.version is not None and found.version > SCHEMA_VERSION:
        raise RecordNewerError(str(path), version=found.version, known=SCHEMA_VERSION)


def told(names: Collection[str]) -> str:
    """Return what another program's database holds, in words."""
    shown = sorted(names)
    more = f" and {len(shown) - _MOST_SHOWN} more" if len(shown) > _MOST_SHOWN else ""
    return f"it holds {', '.join(shown[:_MOST_SHOWN])}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What a database holds."""

    mark: int
    names: frozenset[str]
    """Of its tables and views."""
    version: int | None
    """The schema version that a record says it has."""


def _look(path: Path) -> _Found:
    """Return what a database's file holds, its logs aside."""
    # `immutable` makes no -wal and -shm beside the file, and leaves those that are there alone.
    with contextlib.closing(sqlite3.connect(path.as_uri() + "?mode=ro&immutable=1", uri=True)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
        names = frozenset(str(name) for (name,) in found if not str(name).startswith("sqlite_"))
        (mark,) = connection.execute("PRAGMA application_id").fetchone()
        return _Found(mark=mark % (1 << 32), names=names, version=_version(connection) if is_ours(names) else None)


def _version(connection: sqlite3.Connection) -> int | None:
    try:
        row = connection.execute("SELECT schema_version FROM meta").fetchone()
    except sqlite3.OperationalError:  # another program's table of this name
        return None
    return row[0] if row and isinstance(row[0], int) else None

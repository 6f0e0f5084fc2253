"""Finds out whether a database file is a record, without changing the file or creating others beside it.

A record is marked by SQLite's `application_id`. Older records without the mark are recognised by their tables, and are
marked when they are next opened for writing. A file with other tables or views, or another mark, belongs to another
program.

Only SQLite opens the file: this process may have it open already, and a process that closes any descriptor of a file
releases all locks that it holds on the file (https://www.sqlite.org/howtocorrupt.html, 2.2).
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
from search.record.integrity.read_only_copy import LOGS, copied, has_bytes
from search.record.integrity.snapshots import list_snapshots
from search.record.integrity.witness import WitnessFile
from search.record.schema import SCHEMA_VERSION

APPLICATION_ID = 0x7873746C
"""Marks a record's file: "xstl"."""

OUR_TABLES = frozenset({"meta", "sweeps", "trials", "measurements", "events"})
"""Tables of records of every version."""

_MOST_SHOWN = 5
"""Largest number of tables that an error message lists."""


def check_file(path: Path) -> None:
    """Check that a path is free, or holds a record, an empty file or an empty database. Nothing is written.

    Raises:
        RecordForeignError: It is the database of another program.
        RecordNewerError: It is a record of a newer schema.
        RecordDamagedError: It is not a database, and there was no record at this path before.
        RecordUnusableError: It is not a file, or this user has no permission to read it.
    """
    if not _has_contents(path):
        return
    try:
        _check_contents(path)
    except sqlite3.DatabaseError as error:
        if WitnessFile.place(path).exists() or list_snapshots(path):
            return  # a damaged record: its guard reports and restores it
        raise RecordDamagedError(
            f"record {path} is damaged, or was never one: {error}; restore a backup, or choose another path with "
            "--record (finished stages in the store are reused)"
        ) from error


def is_ours(names: Collection[str]) -> bool:
    """Return whether tables of these names belong to a record."""
    return OUR_TABLES.issubset(names)


def _has_contents(path: Path) -> bool:
    """Return whether there is a file that is not empty.

    Raises:
        RecordUnusableError: It is not a regular file, or this user has no permission to read it.
    """
    try:
        facts = path.stat()
    except FileNotFoundError:
        return False
    except NotADirectoryError as error:
        parent = next(folder for folder in path.parents if folder.exists())
        msg = (
            f"record {path} cannot be created: {str(parent)!r} is a file, and must be a folder; choose another path "
            "with --record or XSTILTS_HOME"
        )
        raise RecordUnusableError(msg) from error
    except OSError as error:
        raise _unreadable(path, error.strerror) from error
    if not stat.S_ISREG(facts.st_mode):
        kind = "a folder" if stat.S_ISDIR(facts.st_mode) else "no regular file"
        msg = f"record {path} is {kind}; a record is a file: give its path, for example {path / 'record.db'}"
        raise RecordUnusableError(msg)
    if not os.access(path, os.R_OK):
        raise _unreadable(path, os.strerror(errno.EACCES))
    return facts.st_size > 0


def _unreadable(path: Path, why: str | None) -> RecordUnusableError:
    return RecordUnusableError(
        f"record {path} cannot be read ({why}); this user needs the right to read the file and to enter its folder: "
        "change the file's permissions, or choose another path with --record or XSTILTS_HOME"
    )


def _check_contents(path: Path) -> None:
    found = _look(path)
    if not found.names and any(has_bytes(path, suffix) for suffix in LOGS):
        with copied(path) as copy:  # all of its data may still be in a log
            found = _look(copy)
    if found.mark not in {0, APPLICATION_ID}:
        raise RecordForeignError(str(path), holds=f"its application_id is {found.mark:#x}")
    if found.names and not (found.mark == APPLICATION_ID or (is_ours(found.names) and found.version is not None)):
        raise RecordForeignError(str(path), holds=describe_tables(found.names))
    if found.version is not None and found.version > SCHEMA_VERSION:
        raise RecordNewerError(str(path), version=found.version, known=SCHEMA_VERSION)


def describe_tables(names: Collection[str]) -> str:
    """Return a clause that lists the tables of another program's database."""
    shown = sorted(names)
    more = f" and {len(shown) - _MOST_SHOWN} more" if len(shown) > _MOST_SHOWN else ""
    return f"it holds {', '.join(shown[:_MOST_SHOWN])}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """The contents of a database file."""

    mark: int
    names: frozenset[str]
    """Names of its tables and views."""
    version: int | None
    """Schema version of a record; None for other databases."""


def _look(path: Path) -> _Found:
    """Return the contents of a database file, without its logs."""
    # With `immutable`, SQLite creates no -wal and -shm beside the file, and does not touch existing ones.
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

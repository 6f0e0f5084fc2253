"""The record's copy in the store: put there by a sweep on a cluster, read where only the store can be reached.

A copy is one file, `records/<sweep>.db`, which a storage replaces as a whole: a reader sees the old one or the new one.
It holds all that the record held at one moment (SQLite's backup), at most one is on its way at a time, and after every
finished trial there is another.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from pathlib import Path

from search.errors import RecordMissingError
from search.home import Home, find_home, given_record
from search.ray_surroundings import given_address
from trainables.errors import TrainablesError
from trainables.storage import Storage, is_remote, open_storage

log = logging.getLogger(__name__)

FOLDER = "records"
SECONDS_BETWEEN_LOOKS = 1.0
_SUFFIX = ".db"


@contextlib.contextmanager
def publishing(home: Home, sweep: str) -> Generator[None]:
    """Keep a copy of the record in the store meanwhile, where the store is not of this machine alone.

    Args:
        home: Its record and store; a record that is a database server's needs no copy.
        sweep: Name of the sweep.
    """
    path = _published_path(home)
    if path is None:
        yield
        return
    ended = threading.Event()
    thread = threading.Thread(target=_keep_publishing, args=(path, home.store, sweep, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def restore_copy(home: Home, *, sweep: str) -> None:
    """Put the store's copy of a sweep's record in the record's place, where there is none: the head is a new one.

    Whoever owned the sweep in the copy owns it no more: it cannot show in this file that it lives.

    Raises:
        StoreUnusableError: The store cannot be reached.
    """
    path = _published_path(home)
    if path is None or path.exists():
        return
    content = open_storage(home.store).read(f"{FOLDER}/{sweep}{_SUFFIX}")
    if content is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.restoring")
    draft.write_bytes(content)
    with contextlib.closing(sqlite3.connect(draft)) as connection, connection:
        connection.execute("UPDATE owners SET token = NULL WHERE sweep = ?", (sweep,))
    draft.replace(path)
    log.warning(
        "there was no record at %s; it goes on from the copy that the store has. If the host that had the record "
        "still runs the sweep, stop it there: the two would do the same work",
        path,
    )


def _published_path(home: Home) -> Path | None:
    """Return the path of a record that is to have a copy in the store, or None."""
    path = home.record.removeprefix("sqlite:///")
    is_shared = is_remote(home.store) or given_address(os.environ) is not None
    return Path(path) if is_shared and "://" not in path else None


def publish(path: Path, *, storage: Storage, sweep: str) -> None:
    """Put a consistent copy of an SQLite record into a storage."""
    with tempfile.TemporaryDirectory(prefix="xstilts-record-") as folder:
        copy = Path(folder) / "record.db"
        with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        storage.write(f"{FOLDER}/{sweep}{_SUFFIX}", copy.read_bytes())


def record_to_read(*, record: str | None, store: str | None, sweep: str | None = None) -> str:
    """Return the record that a question is put to; says on stderr how old it is where it is a store's copy.

    Args:
        record: What `--record` was given; goes before the store.
        store: What `--store` was given.
        sweep: Name of the sweep that is asked about; None takes the newest copy.

    Raises:
        RecordMissingError: The store has no copy.
        StoreUnusableError: The store cannot be reached.
    """
    home = find_home(record=record, store=store)
    if record is not None or store is None or given_record() is not None:
        return home.record
    storage = open_storage(home.store)
    copies = [one for one in storage.entries(FOLDER) if sweep in {None, Path(one.name).stem}]
    if not copies:
        what = f"of sweep {sweep!r} " if sweep else ""
        raise RecordMissingError(
            f"the store {home.store} has no copy of a record {what}(a sweep on a cluster puts it there when its first "
            "trial ends); name the record itself by --record"
        )
    newest = max(copies, key=lambda one: one.modified)
    folder = Path(tempfile.mkdtemp(prefix="xstilts-record-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "record.db").write_bytes(storage.read(newest.name) or b"")
    age = max(0.0, storage.now() - newest.modified)
    sys.stderr.write(f"From the record's copy in the store, {age:.0f} s old.\n")
    return str(folder / "record.db")


def record_beside_store(home: Home, *, record: str | None, store: str | None, sweep: str) -> str:
    """Return the record that a question is put to which needs the store too: the store's copy where no record is here.

    Args:
        home: The places.
        record: What `--record` was given.
        store: What `--store` was given.
        sweep: Name of the sweep that is asked about.

    Raises:
        RecordMissingError: There is no record here, and the store has no copy.
        StoreUnusableError: The store cannot be reached.
    """
    if "://" in home.record or not _is_missing(Path(home.record)):
        return home.record
    return record_to_read(record=record, store=store, sweep=sweep)


def _is_missing(path: Path) -> bool:
    """Return whether there is no such file; of one that may not be looked at, whoever opens it says why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _keep_publishing(path: Path, store: str, sweep: str, ended: threading.Event) -> None:
    published = -1
    while True:
        is_last = ended.wait(SECONDS_BETWEEN_LOOKS)
        try:
            found = _last_event(path, sweep, is_last=is_last)
            if found > published:
                publish(path, storage=open_storage(store), sweep=sweep)
                published = found
        except (OSError, sqlite3.Error, TrainablesError) as error:
            log.warning("the record's copy could not be put into the store (it is tried again): %s", error)
            time.sleep(SECONDS_BETWEEN_LOOKS)
        if is_last:
            return


def _last_event(path: Path, sweep: str, *, is_last: bool) -> int:
    """Return the last event that is worth a copy: of a trial that ended, or any at the end."""
    chosen = "" if is_last else " AND kind IN ('finished', 'failed', 'measured')"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        row = connection.execute(f"SELECT MAX(id) FROM events WHERE sweep = ?{chosen}", (sweep,)).fetchone()  # noqa: S608
    return int(row[0] or 0)

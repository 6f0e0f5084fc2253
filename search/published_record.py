"""Copies of the record in the store: a sweep on a cluster writes them, and machines without the record read them.

A copy is one file, `records/<sweep>.db`. The storage replaces it as a whole, so a reader gets either the old or the new
copy. It holds the whole record at one moment (SQLite's backup). Only one copy is written at a time, and a new one
follows every finished trial.
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
from search.home import Home, find_home, record_from_environment
from search.ray_environment import given_address
from trainables.errors import TrainablesError
from trainables.storage import Storage, is_remote, open_storage

log = logging.getLogger(__name__)

FOLDER = "records"
SECONDS_BETWEEN_LOOKS = 1.0
_SUFFIX = ".db"


@contextlib.contextmanager
def publishing(home: Home, sweep: str) -> Generator[None]:
    """Keep an up-to-date copy of the record in the store while the block runs, if other machines use the store.

    Args:
        home: Places of the record and the store. A record on a database server needs no copy.
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
    """Restore a missing record from the copy in the store, for example on a new head of a cluster.

    The restored record has no driver: the driver in the copy cannot send heartbeats to the new file.

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
        "there was no record at %s; the sweep continues from the copy in the store. If the host that had the record "
        "still runs the sweep, stop it there: otherwise both do the same work",
        path,
    )


def _published_path(home: Home) -> Path | None:
    """Return the path of a record that needs a copy in the store, or None."""
    path = home.record.removeprefix("sqlite:///")
    is_shared = is_remote(home.store) or given_address(os.environ) is not None
    return Path(path) if is_shared and "://" not in path else None


def publish(path: Path, *, storage: Storage, sweep: str) -> None:
    """Write a consistent copy of an SQLite record to a storage."""
    with tempfile.TemporaryDirectory(prefix="xstilts-record-") as folder:
        copy = Path(folder) / "record.db"
        with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")  # one file, without a write-ahead log
        storage.write(f"{FOLDER}/{sweep}{_SUFFIX}", copy.read_bytes())


def find_record(*, record: str | None, store: str | None, sweep: str | None = None) -> str:
    """Return the record to read; if it is a copy in the store, print its age on stderr.

    Args:
        record: Value of `--record`; used first.
        store: Value of `--store`.
        sweep: Name of the sweep to read; None: the newest copy.

    Raises:
        RecordMissingError: The store has no copy.
        StoreUnusableError: The store cannot be reached.
    """
    home = find_home(record=record, store=store)
    if record is not None or store is None or record_from_environment() is not None:
        return home.record
    storage = open_storage(home.store)
    copies = [entry for entry in storage.entries(FOLDER) if sweep in {None, Path(entry.name).stem}]
    if not copies:
        what = f"of sweep {sweep!r} " if sweep else ""
        raise RecordMissingError(
            f"the store {home.store} has no copy of a record {what}(a sweep on a cluster writes it when its first "
            "trial ends); give the record itself with --record"
        )
    newest = max(copies, key=lambda entry: entry.modified)
    folder = Path(tempfile.mkdtemp(prefix="xstilts-record-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "record.db").write_bytes(storage.read(newest.name) or b"")
    age = max(0.0, storage.now() - newest.modified)
    sys.stderr.write(f"Reading the copy of the record in the store, {age:.0f} s old.\n")
    return str(folder / "record.db")


def find_record_or_copy(home: Home, *, record: str | None, store: str | None, sweep: str) -> str:
    """Return the record to read for a command that also reads the store: the record of `home`, else the store's copy.

    Args:
        home: The places.
        record: Value of `--record`.
        store: Value of `--store`.
        sweep: Name of the sweep to read.

    Raises:
        RecordMissingError: There is no record here, and the store has no copy.
        StoreUnusableError: The store cannot be reached.
    """
    if "://" in home.record or not _is_missing(Path(home.record)):
        return home.record
    return find_record(record=record, store=store, sweep=sweep)


def _is_missing(path: Path) -> bool:
    """Return whether a file is missing; an error of permission is not reported here, but when the file is opened."""
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
            newest = _last_event(path, sweep, is_last=is_last)
            if newest > published:
                publish(path, storage=open_storage(store), sweep=sweep)
                published = newest
        except (OSError, sqlite3.Error, TrainablesError) as error:
            log.warning("the copy of the record could not be written to the store (retrying): %s", error)
            time.sleep(SECONDS_BETWEEN_LOOKS)
        if is_last:
            return


def _last_event(path: Path, sweep: str, *, is_last: bool) -> int:
    """Return the id of the last event that needs a new copy: one of a trial that ended, or at the end any event."""
    chosen = "" if is_last else " AND kind IN ('finished', 'failed', 'measured')"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        row = connection.execute(f"SELECT MAX(id) FROM events WHERE sweep = ?{chosen}", (sweep,)).fetchone()  # noqa: S608
    return int(row[0] or 0)

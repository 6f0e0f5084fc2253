"""Takes snapshots of an SQLite record: the last few are kept in `<record>.snapshots/`, each with its checksum.

Snapshots are stored beside the record, not in the store: many records can share a store in a bucket, and a record must
be restorable without it. A snapshot is complete when its `.sha256` file (in the format of sha256sum) exists, which is
written last. A snapshot is checked before it is used: see `recovery`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from search.record.integrity.audit import head_of

log = logging.getLogger(__name__)

NUM_KEPT = 3
"""Number of snapshots that are kept."""
SECONDS_BETWEEN = 5.0
"""Shortest time between two snapshots."""
_SHARE = 20
"""Pause before the next snapshot, in multiples of the last one's duration: copying takes a twentieth of the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One complete snapshot."""

    path: Path
    event: int
    """Id of its last event."""
    digest: str
    """SHA-256 of the file when it was made."""

    @property
    def made_at(self) -> float:
        """Time at which it was made, seconds since 1970."""
        return self.path.stat().st_mtime

    def is_whole(self) -> bool:
        """Return whether the file still has its checksum."""
        return _file_digest(self.path) == self.digest


def snapshots_folder(path: Path) -> Path:
    """Return the folder of a record's snapshots."""
    return path.with_name(path.name + ".snapshots")


def list_snapshots(path: Path) -> list[Snapshot]:
    """Return a record's complete snapshots, the newest first."""
    found: list[Snapshot] = []
    for checksum in snapshots_folder(path).glob("*.sha256"):
        place = checksum.with_suffix(".db")
        with contextlib.suppress(OSError, ValueError):
            digest = checksum.read_text().split()[0] if place.exists() else ""
            found += [Snapshot(path=place, event=int(place.stem), digest=digest)] if digest else []
    return sorted(found, key=lambda snapshot: snapshot.event, reverse=True)


def take_snapshot(path: Path, *, seconds_between: float = 0.0) -> bool:
    """Take a snapshot of the record if one is due, and return whether it was taken.

    None is taken while another process takes one, or if the newest is too young or has all events already.

    Args:
        path: The record's path.
        seconds_between: Shortest age of the newest snapshot, in seconds.

    Raises:
        OSError: The folder cannot be written, or is full.
        sqlite3.Error: The record cannot be read, or the copy not written.
    """
    folder = snapshots_folder(path)
    folder.mkdir(exist_ok=True)
    with _alone(folder) as is_alone:
        newest = next(iter(list_snapshots(path)), None)
        if not is_alone or (newest is not None and 0 <= time.time() - newest.made_at < seconds_between):
            return False
        head = head_of(path)
        if newest is not None and newest.event == head.event:
            return False
        _copy(path, folder)
        _remove_old(path)
        return True


class Snapshotter:
    """Takes requested snapshots in a thread, one at a time and not too often.

    Args:
        path: The record's path.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wanted, self._ended = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Request a snapshot."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="snapshots of the record", daemon=True)
            self._thread.start()
        self._wanted.set()

    def close(self) -> None:
        """Stop the thread, after the current snapshot."""
        self._ended.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        pause = SECONDS_BETWEEN
        while True:
            self._wanted.wait()
            if self._ended.is_set():
                return
            self._wanted.clear()
            began = time.monotonic()
            try_snapshot(self._path, seconds_between=pause)
            pause = max(SECONDS_BETWEEN, _SHARE * (time.monotonic() - began))
            self._ended.wait(pause)


def try_snapshot(path: Path, *, seconds_between: float = 0.0) -> None:
    """Take a snapshot if one is due; log a warning if it cannot be made, because the record itself is intact."""
    try:
        take_snapshot(path, seconds_between=seconds_between)
    except (OSError, sqlite3.Error) as error:
        log.warning("no snapshot of the record %s could be made (%s); the search continues without it", path, error)


@contextlib.contextmanager
def _alone(folder: Path) -> Generator[bool]:
    """Lock the folder, and yield whether no other process takes a snapshot; a killed process releases its lock."""
    with (folder / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _copy(path: Path, folder: Path) -> None:
    for torn in folder.glob("making-*"):
        shutil.rmtree(torn, ignore_errors=True)  # of a process that was killed
    with tempfile.TemporaryDirectory(dir=folder, prefix="making-", ignore_cleanup_errors=True) as making:
        draft = Path(making) / "record.db"
        _back_up(path, draft)
        event = head_of(draft).event
        place = folder / f"{event:012}.db"
        digest = _file_digest(draft)
        checksum = Path(making) / "sha256"
        checksum.write_text(f"{digest}  {place.name}\n")
        place.with_suffix(".sha256").unlink(missing_ok=True)
        for file, final in ((draft, place), (checksum, place.with_suffix(".sha256"))):
            sync(file)
            file.replace(final)
            sync(folder)


def _back_up(path: Path, draft: Path) -> None:
    source = sqlite3.connect(path.as_uri() + "?mode=ro", uri=True)
    target = sqlite3.connect(draft, isolation_level=None)
    try:
        target.execute("PRAGMA synchronous=OFF")  # synced once, at the end
        source.backup(target)  # all pages in one step: one state of the record, and writers go on meanwhile
        target.execute("PRAGMA journal_mode=DELETE")  # one file, without a write-ahead log
        (problem,) = target.execute("PRAGMA quick_check(1)").fetchone()
    finally:
        target.close()
        source.close()
    if problem != "ok":
        msg = f"the copy has damaged pages: {problem}"
        raise sqlite3.DatabaseError(msg)


def _remove_old(path: Path) -> None:
    for old in list_snapshots(path)[NUM_KEPT:]:
        old.path.with_suffix(".sha256").unlink(missing_ok=True)
        old.path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Force a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

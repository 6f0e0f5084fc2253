"""Snapshots of an SQLite record: `<record>.snapshots/`, the last few, each with its checksum.

They stand beside the record, not in the store: a store may be a bucket that many records share, and what is restored
must be found without it. A snapshot is complete when its `.sha256` file, in the format of sha256sum, is there; that is
written last. Nobody trusts one before it was checked: see `restoring`.
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

from search.record.integrity.auditing import head_of

log = logging.getLogger(__name__)

NUM_KEPT = 3
"""Snapshots that stay."""
SECONDS_BETWEEN = 5.0
"""Least time between two snapshots."""
_SHARE = 20
"""Times the last one's duration that passes before the next: a long record is copied a twentieth of the time."""


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
        """When it was made, in seconds since 1970."""
        return self.path.stat().st_mtime

    def is_whole(self) -> bool:
        """Return whether the file is still what was written."""
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
    """Return whether a new snapshot of the record was made.

    None is made while another process makes one, when the newest is younger than asked, or has all events already.

    Args:
        path: The record's path.
        seconds_between: Least age of the newest one.

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
    """Takes snapshots in a thread, one at a time and not too often, after it was asked to.

    Args:
        path: The record's path.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wanted, self._ended = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Have a snapshot taken soon."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="snapshots of the record", daemon=True)
            self._thread.start()
        self._wanted.set()

    def close(self) -> None:
        """Stop, after the snapshot that is being taken."""
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
    """Take a snapshot; one that cannot be made is a warning, for the record itself goes on."""
    try:
        take_snapshot(path, seconds_between=seconds_between)
    except (OSError, sqlite3.Error) as error:
        log.warning("no snapshot of the record %s could be made (%s); the search goes on without", path, error)


@contextlib.contextmanager
def _alone(folder: Path) -> Generator[bool]:
    """Say whether no other process makes a snapshot; a killed one's lock ends with it."""
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

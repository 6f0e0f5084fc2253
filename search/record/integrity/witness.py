"""The witness: a small file beside an SQLite record that holds its last event, and its state when it was closed.

SQLite recovers what it can without a message: if its write-ahead log is cut or missing, it opens an earlier state. So
after each commit, the id of the last event is noted outside the database (`Witness.event`), and the last process that
closes the record adds the state of its files (`Seal`). A record with fewer events than its witness has lost events.
The note is written after the commit and is not forced to the disk: it can be behind the record, never ahead of it.

The file is also the record's lock: processes that may write share the lock; a process that checks or repairs the record
holds it exclusively.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
import zlib
from pathlib import Path

from pydantic import Field, ValidationError

from trainables.config.frozen import FrozenModel, canonical_json

WITNESS = ".witness"
"""Ending of the file's name, after the record's name."""
_SIZE = 1024
"""Size of the file in bytes: it is written in place, in one write."""
_TICK_SECONDS = 0.02
"""Longest step of a file system's clock; two changes within one step get the same time."""


class FileState(FrozenModel):
    """Size, times and inode of a file: they differ after any change of the file."""

    size: int
    modified_ns: int
    changed_ns: int
    inode: int


class Seal(FrozenModel):
    """State of the record's files while no process had the record open for writing."""

    main: FileState
    log: FileState | None
    """The write-ahead log; None if it is missing or empty."""
    digest: str
    """SHA-256 of both files' bytes."""


class Witness(FrozenModel):
    """The contents of a witness file."""

    event: int = Field(ge=0)
    """Id of the last committed event."""
    chain: str
    """Its chain value."""
    seal: Seal | None = None
    """None while a process may write, and after a writing process was killed."""


class WitnessFile:
    """An open witness file. See the module.

    Args:
        path: The record's path.
        descriptor: The open file.
        is_writable: Whether the file can be written.
    """

    def __init__(self, path: Path, *, descriptor: int, is_writable: bool) -> None:
        self.record, self.is_writable = path, is_writable
        self._descriptor = descriptor

    @staticmethod
    def place(path: Path) -> Path:
        """Return the file's path."""
        return path.with_name(path.name + WITNESS)

    @classmethod
    def open(cls, path: Path, *, make: bool) -> WitnessFile | None:
        """Open a record's witness file and return it; None if it is missing and cannot be created.

        Args:
            path: The record's path.
            make: Whether to create the file if it is missing and the folder can be written.
        """
        for flags in (os.O_RDWR | os.O_CREAT if make else os.O_RDWR, os.O_RDONLY):
            with contextlib.suppress(OSError):
                descriptor = os.open(cls.place(path), flags, 0o644)
                return cls(path, descriptor=descriptor, is_writable=flags != os.O_RDONLY)
        return None

    def close(self) -> None:
        """Close the file, which also releases the lock."""
        os.close(self._descriptor)

    def lock_alone(self) -> bool:
        """Try to take the exclusive lock, and return whether this worked; if not, a shared lock is lost."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def lock_shared(self) -> None:
        """Take the shared lock; wait until no process checks or repairs the record."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def read(self) -> Witness | None:
        """Return the file's contents; None if it is empty, or incomplete after a loss of power."""
        checksum, _, text = os.pread(self._descriptor, _SIZE, 0).rstrip(b" \0").partition(b" ")
        if not text or checksum != b"%08x" % zlib.crc32(text):
            return None
        try:
            return Witness.model_validate_json(text)
        except ValidationError:
            return None

    def write(self, witness: Witness) -> None:
        """Replace the file's contents."""
        text = canonical_json(witness.model_dump(mode="json")).encode()
        self._put(text)

    def note(self, *, event: int, chain: str) -> None:
        """Note a committed event: a faster `write`, which builds no model."""
        self._put(json.dumps({"chain": chain, "event": event, "seal": None}).encode())

    def seal(self, *, event: int, chain: str) -> None:
        """Write the state of the record's files; this process must hold the exclusive lock."""
        before = states(self.record)
        if before is None:
            return
        digest = files_digest(self.record)
        # A change within the same step of the clock would not be visible. If the clock was set back since, a change
        # would get an earlier time, which is visible: to wait for the clock could take days.
        newest = max(state.changed_ns for state in before if state is not None)
        while 0 <= time.time_ns() - newest < _TICK_SECONDS * 1e9:
            time.sleep(_TICK_SECONDS / 4)
        if states(self.record) == before:
            self.write(Witness(event=event, chain=chain, seal=Seal(main=before[0], log=before[1], digest=digest)))

    def _put(self, text: bytes) -> None:
        os.pwrite(self._descriptor, (b"%08x %s" % (zlib.crc32(text), text)).ljust(_SIZE), 0)


def is_untouched(seal: Seal, path: Path) -> bool:
    """Return whether a record's files have the sealed sizes, times and inodes."""
    return states(path) == (seal.main, seal.log)


def has_same_bytes(seal: Seal, path: Path) -> bool:
    """Return whether a record's files have the sealed bytes, which is also true for a copy."""
    return path.exists() and files_digest(path) == seal.digest


def states(path: Path) -> tuple[FileState, FileState | None] | None:
    """Return the states of a record's file and write-ahead log, or None if the file is missing."""
    main, log = _state(path), _state(log_of(path))
    return None if main is None else (main, log if log is not None and log.size else None)


def files_digest(path: Path) -> str:
    """Return the SHA-256 of a record's file and write-ahead log, in hexadecimal."""
    digest = hashlib.sha256()
    for place in (path, log_of(path)):
        if place.exists():
            with place.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest() if place.stat().st_size else b"")
    return digest.hexdigest()


def log_of(path: Path) -> Path:
    """Return the path of a record's write-ahead log."""
    return path.with_name(path.name + "-wal")


def _state(path: Path) -> FileState | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return FileState(
        size=found.st_size, modified_ns=found.st_mtime_ns, changed_ns=found.st_ctime_ns, inode=found.st_ino
    )

"""The small file beside an SQLite record that says how far the record went, and in which state it was closed.

SQLite recovers what it can and says nothing: with its write-ahead log cut or gone it opens an earlier state as if
nothing had been. So each commit is followed by a note of its last event, outside the database (`Witness.event`), and
the last process to close the record adds what its files then were (`Seal`). A record behind its witness has lost
something.
The note follows the commit and is not forced to the disk: it may be behind the record, never ahead of it.

The file is also the record's lock: whoever may write holds it shared, whoever checks or repairs holds it alone.
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
"""What the file's name adds to the record's."""
_SIZE = 1024
"""Bytes of the file: one write, in place."""
_TICK_SECONDS = 0.02
"""Longest step of the clock that file systems take times from; two changes within one step look like one."""


class FileState(FrozenModel):
    """A file as the file system has it: another one when anything has changed it."""

    size: int
    modified_ns: int
    changed_ns: int
    inode: int


class Seal(FrozenModel):
    """The record's files when nobody had it open for writing."""

    main: FileState
    log: FileState | None
    """The write-ahead log; None when there is none, or an empty one."""
    digest: str
    """SHA-256 of both files' bytes."""


class Witness(FrozenModel):
    """How far a record went."""

    event: int = Field(ge=0)
    """Id of an event that was committed."""
    chain: str
    """Its chain value."""
    seal: Seal | None = None
    """None while somebody may write, and after a process that wrote was killed."""


class WitnessFile:
    """The file, open and perhaps locked. See the module.

    Args:
        path: The record's path.
        descriptor: The open file.
        is_writable: Whether it may be written.
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
        """Return a record's witness file; None without one.

        Args:
            path: The record's path.
            make: Whether it is made where it is missing and the folder allows it.
        """
        for flags in (os.O_RDWR | os.O_CREAT if make else os.O_RDWR, os.O_RDONLY):
            with contextlib.suppress(OSError):
                descriptor = os.open(cls.place(path), flags, 0o644)
                return cls(path, descriptor=descriptor, is_writable=flags != os.O_RDONLY)
        return None

    def close(self) -> None:
        """Close the file, and with it the lock."""
        os.close(self._descriptor)

    def lock_alone(self) -> bool:
        """Return whether this process now has the record alone; a lock that it shared is lost otherwise."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def lock_shared(self) -> None:
        """Hold the record with others, once nobody checks or repairs it."""
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def read(self) -> Witness | None:
        """Return what the file says; None when it says nothing, or was torn by a machine that lost power."""
        checksum, _, text = os.pread(self._descriptor, _SIZE, 0).rstrip(b" \0").partition(b" ")
        if not text or checksum != b"%08x" % zlib.crc32(text):
            return None
        try:
            return Witness.model_validate_json(text)
        except ValidationError:
            return None

    def write(self, witness: Witness) -> None:
        """Say something else."""
        text = canonical_json(witness.model_dump(mode="json")).encode()
        self._put(text)

    def note(self, *, event: int, chain: str) -> None:
        """Say that an event was committed: `write` for every commit, without building a model."""
        self._put(json.dumps({"chain": chain, "event": event, "seal": None}).encode())

    def seal(self, *, event: int, chain: str) -> None:
        """Say what the record's files are, while this process has it alone."""
        before = states(self.record)
        if before is None:
            return
        digest = files_digest(self.record)
        # A change within the same tick of the clock would not show.
        newest = max(state.changed_ns for state in before if state is not None)
        while time.time_ns() - newest < _TICK_SECONDS * 1e9:
            time.sleep(_TICK_SECONDS / 4)
        if states(self.record) == before:
            self.write(Witness(event=event, chain=chain, seal=Seal(main=before[0], log=before[1], digest=digest)))

    def _put(self, text: bytes) -> None:
        os.pwrite(self._descriptor, (b"%08x %s" % (zlib.crc32(text), text)).ljust(_SIZE), 0)


def is_untouched(seal: Seal, path: Path) -> bool:
    """Return whether nothing has changed a record's files, as far as the file system knows."""
    return states(path) == (seal.main, seal.log)


def has_same_bytes(seal: Seal, path: Path) -> bool:
    """Return whether a record's files hold what they held: a copy of them does."""
    return path.exists() and files_digest(path) == seal.digest


def states(path: Path) -> tuple[FileState, FileState | None] | None:
    """Return the states of a record's file and write-ahead log, or None when the file is not there."""
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

"""Guards an SQLite record while a process has it open: checks it when it is opened, notes commits, takes snapshots.

A record that was closed cleanly and has not changed since is opened without a check: its seal proves this. If its last
writer was killed, or its files have changed, the first process that opens it checks all of it, and restores it if it is
damaged. Records on a server are not guarded: the server has its own checksums and backups.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from search.errors import RecordDamagedError
from search.record.chain import START
from search.record.integrity.audit import Head, schema_version
from search.record.integrity.recovery import Condition, examine, restore
from search.record.integrity.snapshots import Snapshotter, list_snapshots, try_snapshot
from search.record.integrity.witness import Witness, WitnessFile, has_same_bytes, is_untouched, log_of

log = logging.getLogger(__name__)

_SLOW_BYTES = 50_000_000
"""Size above which a check takes seconds and is announced with a message."""


_ENDING_SECONDS = 0.5
"""How long a writer that closes waits for other writers to close."""


def check_before_opening(path: Path, *, read_only: bool) -> Guard | None:
    """Check a record, and return its guard; None for a reader.

    Args:
        path: The record's path; its folder must exist if the record is written.
        read_only: Whether the record is only read.

    Raises:
        RecordDamagedError: It is damaged and cannot be restored.
    """
    file = WitnessFile.open(path, make=not read_only)
    if file is None and read_only and (list_snapshots(path) or schema_version(path) is not None):
        # A reader creates no file beside a file that is not a record.
        file = WitnessFile.open(path, make=True)
    if file is None:
        _refuse_damage(path, examine(path, witness=None, immutable=not log_of(path).exists()))
        return None
    head = _check(path, file) if file.lock_alone() else None
    if read_only:
        file.close()
        return None
    file.lock_shared()
    return Guard(path, file=file, head=head or _head(file.read()))


def check_now(path: Path) -> int:
    """Check all of a record's file, also if it is sealed, and return the number of its events.

    Raises:
        RecordDamagedError: It is damaged; the next command that opens it restores it.
    """
    file = WitnessFile.open(path, make=False)
    witness = file.read() if file is not None else None
    condition = examine(path, witness=witness, immutable=file is None and not log_of(path).exists())
    if file is not None:
        if condition.problem is not None and witness is not None and file.is_writable:
            file.note(event=witness.event, chain=witness.chain)  # removes the seal, so that the next process checks it
        file.close()
    if condition.problem is not None:
        raise RecordDamagedError(
            f"record {path} {condition.problem}; while no search runs, the next command that opens the record "
            "quarantines the damaged files and restores the last good snapshot"
        )
    return condition.head.event if condition.head is not None else 0


class Guard:
    """Guards one process's open record. Made by `check_before_opening`.

    Args:
        path: The record's path.
        file: Its witness, with a shared lock.
        head: The record's last event.
    """

    def __init__(self, path: Path, *, file: WitnessFile, head: Head) -> None:
        self._path, self._file, self._head = path, file, head
        self._snapshotter = Snapshotter(path)
        self._inode: int | None = None
        self._is_changed = False

    def committed(self, *, event: int, chain: str) -> None:
        """Note an event that was committed.

        Raises:
            RecordDamagedError: The record's file was deleted or replaced.
        """
        self._head, self._is_changed = Head(event=event, chain=chain), True
        self._file.note(event=event, chain=chain)
        try:
            inode = self._path.stat().st_ino
        except OSError:
            inode = None
        if self._inode is None:
            self._inode = inode
        if inode is None or inode != self._inode:
            raise RecordDamagedError(
                f"record {self._path} was deleted or replaced during a write; further results would be lost: stop, and "
                "run the command again, which restores the last good snapshot"
            )

    def trial_ended(self) -> None:
        """Request a snapshot."""
        self._snapshotter.ask()

    def close(self) -> None:
        """Seal the record if no other process writes it. Call it after its connections are closed."""
        self._snapshotter.close()
        if self._lock_alone():
            noted = _head(self._file.read())
            head = max(noted, self._head, key=lambda known: known.event)
            if self._is_changed and self._path.exists():
                try_snapshot(self._path)
            self._file.seal(event=head.event, chain=head.chain)
        self._file.close()

    def _lock_alone(self) -> bool:
        """Return whether no other process writes, after a short wait: trial actors end a moment after their driver."""
        until = time.monotonic() + (_ENDING_SECONDS if self._is_changed else 0)
        while not (is_alone := self._file.lock_alone()) and time.monotonic() < until:
            time.sleep(_ENDING_SECONDS / 10)
        return is_alone


def _check(path: Path, file: WitnessFile) -> Head:
    """Check a record if its seal does not match, and return its last event; this process has the exclusive lock."""
    witness = file.read()
    seal = witness.seal if witness is not None else None
    if seal is not None and is_untouched(seal, path):
        return _head(witness)
    is_same = seal is not None and has_same_bytes(seal, path)
    head = _head(witness) if is_same else _check_all(path, witness)
    if file.is_writable and head.event:
        file.seal(event=head.event, chain=head.chain)
    return head


def _check_all(path: Path, witness: Witness | None) -> Head:
    if path.exists() and path.stat().st_size > _SLOW_BYTES:
        log.warning("the record %s was not closed, or has changed: checking it, which takes some seconds", path)
    condition = examine(path, witness=witness)
    if condition.problem is not None:
        return restore(path, condition=condition, witness=witness)
    # Without a head it is new, or of another schema, which `open_database` handles.
    return condition.head or _head(None)


def _refuse_damage(path: Path, condition: Condition) -> None:
    if condition.problem is not None:
        raise RecordDamagedError(
            f"record {path} {condition.problem}; restore a backup, or choose another record with --record"
        )


def _head(witness: Witness | None) -> Head:
    return Head(event=witness.event, chain=witness.chain) if witness else Head(event=0, chain=START)

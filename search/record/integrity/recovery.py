"""Finds out whether an SQLite record is damaged, restores its last good state, and reports this.

Nothing is deleted: the damaged files are quarantined (renamed). The state with the most events is restored: the damaged
record itself if only its last events are lost, or the newest snapshot that passes every check.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from search.errors import RecordDamagedError
from search.record.chain import canonical_payload, link
from search.record.integrity.audit import DisagreementError, Head, audit, chain_at, schema_version
from search.record.integrity.snapshots import list_snapshots, sync
from search.record.integrity.witness import Witness, WitnessFile
from search.record.schema import SCHEMA_VERSION

log = logging.getLogger(__name__)

_FIRST_WITH_CHAIN = 2
"""First schema version with a chain of events; older records are only checked by SQLite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """The result of a check."""

    problem: str | None
    """The damage, as the end of a sentence that begins with the record's name; None without damage."""
    head: Head | None
    """The last event of a consistent record; None if it is inconsistent or missing."""


def examine(path: Path, *, witness: Witness | None, immutable: bool = False) -> Condition:
    """Check all of a record, and return its condition.

    Args:
        path: Its path.
        witness: Contents of its witness file; None without one.
        immutable: Whether no file may be created beside it.
    """
    was_there = witness is not None or bool(list_snapshots(path))
    if not path.exists():
        return Condition(problem="is gone" if was_there else None, head=None)
    version = schema_version(path)
    if version is None or not _FIRST_WITH_CHAIN <= version <= SCHEMA_VERSION:
        # `open_database` reports a file that is not a record, or has a newer schema.
        is_damaged = was_there and version is None
        return Condition(problem="holds no readable record any more" if is_damaged else None, head=None)
    try:
        head = audit(path, immutable=immutable)
    except DisagreementError as error:
        return Condition(problem=str(error), head=None)
    return Condition(problem=_behind(path, head, witness=witness), head=head)


def restore(path: Path, *, condition: Condition, witness: Witness | None) -> Head:
    """Restore the good state of a damaged record that has the most events, and return its last event.

    Args:
        path: The record's path; no other process may have it open for writing.
        condition: The result of `examine`.
        witness: Contents of its witness file; None without one.

    Raises:
        RecordDamagedError: There is no good state, or this user has no permission to write the folder.
    """
    if not os.access(path.parent, os.W_OK):
        raise RecordDamagedError(
            f"record {path} {condition.problem}; this user has no permission to write its folder, so it cannot be "
            "repaired: run any xstilts command as the user who writes the record, which restores the last good snapshot"
        )
    damaged = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}")
    source, good = _find_best_state(path, condition)
    is_kept = _quarantine(path, damaged, copies=source is None)
    if source is not None:
        _put_in_place(source, path)
    head = _add_events(path, problem=condition.problem or "", damaged=damaged.name, head=good)
    what = "what was left of it" if source is None else f"the snapshot {source.name} in {source.parent.name}"
    lost = "an unknown number of events is lost" if witness is None else _describe_loss(witness, head=good)
    where = f"the damaged files are kept as {damaged.name}" if is_kept else "its files were gone"
    log.warning("the record %s %s. It was restored from %s: %s; %s", path, condition.problem, what, lost, where)
    return head


def _behind(path: Path, head: Head, *, witness: Witness | None) -> str | None:
    if witness is None or witness.event == 0:
        return None
    if head.event < witness.event:
        return f"has lost its last {witness.event - head.event} events (of {witness.event})"
    if chain_at(path, event=witness.event) != witness.chain:
        return f"is not the one that was written here: event {witness.event} is a different one"
    return None


def _find_best_state(path: Path, condition: Condition) -> tuple[Path | None, Head]:
    """Return the snapshot to restore from, None for the record itself, and the last event of that state.

    Raises:
        RecordDamagedError: There is no good state.
    """
    for snapshot in list_snapshots(path):
        if condition.head is not None and condition.head.event >= snapshot.event:
            break
        if snapshot.is_whole():
            try:
                return snapshot.path, audit(snapshot.path, immutable=True)
            except DisagreementError as error:
                log.warning("the snapshot %s %s", snapshot.path, error)
    if condition.head is not None:
        return None, condition.head
    raise RecordDamagedError(
        f"record {path} {condition.problem}, and no good snapshot of it is left: restore a backup, or move the record "
        f"and {WitnessFile.place(path).name} away and start the search again (it reuses finished stages in the store)"
    )


def _quarantine(path: Path, damaged: Path, *, copies: bool) -> bool:
    """Rename the record's files, or copy them if the record continues from them; return whether there was a record."""
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(path.name + suffix)
        if file.exists():
            target = damaged.with_name(damaged.name + suffix)
            shutil.copy2(file, target) if copies else file.replace(target)
    return damaged.exists()


def _put_in_place(source: Path, path: Path) -> None:
    draft = path.with_name(path.name + ".restoring")
    shutil.copyfile(source, draft)
    sync(draft)
    draft.replace(path)
    sync(path.parent)


def _add_events(path: Path, *, problem: str, damaged: str, head: Head) -> Head:
    """Add an event to every sweep which says that the record was restored."""
    payload = canonical_payload({"damage": problem, "set_aside": damaged, "event": head.event})
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        for (sweep,) in connection.execute("SELECT name FROM sweeps ORDER BY name").fetchall():
            last = connection.execute("SELECT chain FROM events WHERE sweep = ? ORDER BY id DESC LIMIT 1", (sweep,))
            before, now = last.fetchone()[0], time.time()
            chain = link(before, time=now, sweep=sweep, trial=None, kind="restored", payload=payload)
            added = "INSERT INTO events (time, sweep, kind, payload, chain) VALUES (?, ?, 'restored', ?, ?)"
            cursor = connection.execute(added, (now, sweep, payload, chain))
            head = Head(event=cursor.lastrowid or 0, chain=chain)
        connection.execute("COMMIT")
    finally:
        connection.close()
    return head


def _describe_loss(witness: Witness, *, head: Head) -> str:
    if witness.event <= head.event:
        return "nothing is lost"
    return (
        f"its last {witness.event - head.event} events are lost; trials whose results are lost run again and reuse "
        "their finished stages from the store"
    )

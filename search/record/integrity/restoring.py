"""Finds out whether an SQLite record is damaged, and puts the last good state in its place, saying so.

What is there is never thrown away: the damaged files are set aside under a name of their own. The state that goes
furthest wins: the damaged record itself where it only lost its end, or the newest snapshot that passes every check.
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
from search.record.integrity.auditing import DisagreementError, Head, audit, chain_at, schema_version
from search.record.integrity.snapshots import list_snapshots, sync
from search.record.integrity.witness import Witness, WitnessFile
from search.record.schema import SCHEMA_VERSION

log = logging.getLogger(__name__)

_FIRST_WITH_CHAIN = 2
"""Schema version whose events are tied together; older records are only checked by SQLite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a check found."""

    problem: str | None
    """What is damaged, as the end of a sentence that begins with the record's name; None when nothing is."""
    head: Head | None
    """How far a record that holds together goes; None for one that does not, or that is not there."""


def examine(path: Path, *, witness: Witness | None, immutable: bool = False) -> Condition:
    """Return the condition of a record, after checking all of it.

    Args:
        path: Its path.
        witness: What its witness says.
        immutable: Whether nothing may be made beside it.
    """
    was_there = witness is not None or bool(list_snapshots(path))
    if not path.exists():
        return Condition(problem="is gone" if was_there else None, head=None)
    version = schema_version(path)
    if version is None or not _FIRST_WITH_CHAIN <= version <= SCHEMA_VERSION:
        # Whoever opens it says what a file is that is no record, or a newer one.
        is_damaged = was_there and version is None
        return Condition(problem="holds no readable record any more" if is_damaged else None, head=None)
    try:
        head = audit(path, immutable=immutable)
    except DisagreementError as error:
        return Condition(problem=str(error), head=None)
    return Condition(problem=_behind(path, head, witness=witness), head=head)


def restore(path: Path, *, condition: Condition, witness: Witness | None) -> Head:
    """Put the furthest good state in the place of a damaged record, and return how far it goes.

    Args:
        path: The record's path; nobody else may have it open for writing.
        condition: What `examine` found.
        witness: What the witness said.

    Raises:
        RecordDamagedError: There is no good state, or the folder may not be written.
    """
    if not os.access(path.parent, os.W_OK):
        raise RecordDamagedError(
            f"record {path} {condition.problem}; it may not be repaired here, for its folder cannot be written: run "
            "any xstilts command as the user who writes it, and the last good snapshot is restored"
        )
    aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.getpid()}")
    source, good = _furthest(path, condition)
    kept = _set_aside(path, aside, is_kept_too=source is None)
    if source is not None:
        _put_in_place(source, path)
    head = _add_events(path, problem=condition.problem or "", aside=aside.name, head=good)
    what = "what was left of it" if source is None else f"the snapshot {source.name} in {source.parent.name}"
    lost = "an unknown number of events is lost" if witness is None else _lost(witness, head=good)
    where = f"the damaged files are kept as {aside.name}" if kept else "nothing of it was left to keep"
    log.warning("the record %s %s. It was restored from %s: %s; %s", path, condition.problem, what, lost, where)
    return head


def _behind(path: Path, head: Head, *, witness: Witness | None) -> str | None:
    if witness is None or witness.event == 0:
        return None
    if head.event < witness.event:
        return f"has lost its last {witness.event - head.event} events (of {witness.event})"
    if chain_at(path, event=witness.event) != witness.chain:
        return f"is not the one that was written here: event {witness.event} is another"
    return None


def _furthest(path: Path, condition: Condition) -> tuple[Path | None, Head]:
    """Return the file to restore from, None for what is there, and how far it goes."""
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
        f"record {path} {condition.problem}, and no good snapshot of it is left: restore a copy of yours, or move it "
        f"and {WitnessFile.place(path).name} away and search again (finished stages in the store are reused)"
    )


def _set_aside(path: Path, aside: Path, *, is_kept_too: bool) -> bool:
    """Move the record's files away, or copy them where the record goes on from what they hold."""
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(path.name + suffix)
        if file.exists():
            target = aside.with_name(aside.name + suffix)
            shutil.copy2(file, target) if is_kept_too else file.replace(target)
    return aside.exists()


def _put_in_place(source: Path, path: Path) -> None:
    draft = path.with_name(path.name + ".restoring")
    shutil.copyfile(source, draft)
    sync(draft)
    draft.replace(path)
    sync(path.parent)


def _add_events(path: Path, *, problem: str, aside: str, head: Head) -> Head:
    """Say in every sweep's history that the record was restored."""
    payload = canonical_payload({"damage": problem, "set_aside": aside, "event": head.event})
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


def _lost(witness: Witness, *, head: Head) -> str:
    if witness.event <= head.event:
        return "nothing is lost"
    return (
        f"its last {witness.event - head.event} events are lost, and trials that it forgot run again, with their "
        "finished stages from the store"
    )

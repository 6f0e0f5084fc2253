"""Checks that a record is consistent, with every check that needs no earlier copy of it. SQLite only.

SQLite only finds damage to its own structure: if a byte inside a text or number flips, the database is still valid. So
the chain of every event is checked (`chain`), and every other table is compared with the events (`derived`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any  # column values have no shared static type

from search.record.chain import START, link
from search.record.integrity.derived import JSON_COLUMNS, DerivedSweep, DerivedTrial, MeasuredRows, digest
from search.record.integrity.read_only_copy import uri_to_read
from search.record.rows import StageRow, SweepRow, TrialRow


class DisagreementError(Exception):
    """The record is inconsistent. The message continues a sentence that begins with the record's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last event of a record."""

    event: int
    """Id of the event; 0 in a record without events."""
    chain: str
    """Chain value of the event."""


def audit(path: Path, *, immutable: bool = False) -> Head:
    """Check all of the record in a file, and return its last event. Changes nothing.

    Args:
        path: The file; of schema 2 or later.
        immutable: Whether no process writes the file, and no file may be created beside it.

    Raises:
        DisagreementError: The record is damaged.
    """
    try:
        source = path.as_uri() + "?mode=ro&immutable=1" if immutable else uri_to_read(path)
        connection = sqlite3.connect(source, uri=True)
        try:
            connection.execute("BEGIN")
            return _audit(connection)
        finally:
            connection.close()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise DisagreementError(f"cannot be read by SQLite ({error})") from error


def head_of(path: Path) -> Head:
    """Return the last event of the record in a file, without a check.

    Raises:
        sqlite3.DatabaseError: The file cannot be read.
    """
    connection = sqlite3.connect(uri_to_read(path), uri=True)
    try:
        return _head(connection)
    finally:
        connection.close()


def chain_at(path: Path, *, event: int) -> str | None:
    """Return the chain value of an event, or None if there is no such event."""
    connection = sqlite3.connect(uri_to_read(path), uri=True)
    try:
        row = connection.execute("SELECT chain FROM events WHERE id = ?", (event,)).fetchone()
        return row[0] if row else None
    finally:
        connection.close()


def schema_version(path: Path) -> int | None:
    """Return the schema version in a file, or None if it cannot be read."""
    try:
        connection = sqlite3.connect(uri_to_read(path), uri=True)
        try:
            return int(connection.execute("SELECT schema_version FROM meta").fetchone()[0])
        finally:
            connection.close()
    except (sqlite3.DatabaseError, TypeError, ValueError):
        return None


def _audit(connection: sqlite3.Connection) -> Head:
    for (problem,) in connection.execute("PRAGMA integrity_check(1)"):
        if problem != "ok":
            raise DisagreementError(f"has damaged pages ({problem.splitlines()[-1]})")
    sweeps = _fold(connection)
    _check_sweeps(connection, sweeps)
    for name, sweep in sweeps.items():
        _check_trials(connection, name, sweep)
        _check_stages(connection, name, sweep)
        _check_measured(connection, name, sweep)
    for table in ("trials", "stages", "measurements", "scores", "task_scores"):
        for name in _sweeps_in(connection, table):
            if name not in sweeps:
                raise DisagreementError(f"has rows in {table} of a sweep {name!r} that has no events")
    return _head(connection)


def _sweeps_in(connection: sqlite3.Connection, table: str) -> Iterator[str]:
    """Yield the sweeps that have rows in a table, with one lookup in its index for each."""
    query, name = f"SELECT min(sweep) FROM {table} WHERE sweep > ?", ""  # noqa: S608  names of ours
    while (name := connection.execute(query, (name,)).fetchone()[0]) is not None:
        yield name


def _head(connection: sqlite3.Connection) -> Head:
    row = connection.execute("SELECT id, chain FROM events ORDER BY id DESC LIMIT 1").fetchone()
    return Head(event=row[0], chain=row[1]) if row else Head(event=0, chain=START)


def _fold(connection: sqlite3.Connection) -> dict[str, DerivedSweep]:
    sweeps: dict[str, DerivedSweep] = {}
    ends: dict[str, str] = {}
    query = "SELECT id, time, sweep, trial, kind, payload, chain FROM events ORDER BY id"
    for event, time, sweep, trial, kind, payload, chain in connection.execute(query):
        before = ends.get(sweep, START)
        if chain != link(before, time=time, sweep=sweep, trial=trial, kind=kind, payload=payload):
            raise DisagreementError(f"has an event that was changed, or lacks one: event {event} of sweep {sweep!r}")
        ends[sweep] = chain
        folded = sweeps.setdefault(sweep, DerivedSweep())
        folded.apply(kind=kind, trial=trial, payload=payload, time=time)
    return sweeps


def _check_sweeps(connection: sqlite3.Connection, sweeps: dict[str, DerivedSweep]) -> None:
    rows = {row["name"]: row for row in _rows(connection, "sweeps", SweepRow.__slots__, "")}
    if rows.keys() != sweeps.keys():
        different = sorted(rows.keys() ^ sweeps.keys())
        raise DisagreementError(f"has sweeps that its events do not have, or lacks them: {', '.join(different)}")
    for name, row in rows.items():
        if row | {"spec": digest(row["spec"])} != sweeps[name].columns:
            raise DisagreementError(f"has a sweep that differs from its events: {name!r}")
    fences = dict(connection.execute("SELECT sweep, fence FROM owners").fetchall())
    if fences != {name: sweep.fence for name, sweep in sweeps.items() if sweep.fence is not None}:
        raise DisagreementError("has owners of sweeps that differ from its events")


def _check_trials(connection: sqlite3.Connection, name: str, sweep: DerivedSweep) -> None:
    num_found = 0
    for row in _rows(connection, "trials", TrialRow.__slots__, name):
        num_found += 1
        del row["sweep"]
        row |= {column: digest(row[column]) for column in JSON_COLUMNS}
        derived = sweep.trials.get(row["number"])
        if derived is None or derived.columns != row:
            raise DisagreementError(f"has a trial that differs from its events: trial {row['number']} of {name!r}")
    if num_found != len(sweep.trials):
        raise DisagreementError(f"has {num_found} trials of {name!r}, and its events have {len(sweep.trials)}")


def _check_stages(connection: sqlite3.Connection, name: str, sweep: DerivedSweep) -> None:
    columns = ", ".join(f'"{column}"' for column in StageRow.__slots__)
    query = f"SELECT {columns} FROM stages WHERE sweep = ? ORDER BY trial, rung, position"  # noqa: S608  names of ours
    found = groupby(connection.execute(query, (name,)), key=lambda row: row[0])
    missing = {number for number, trial in sweep.trials.items() if any(trial.stages.values())}
    for number, rows in found:
        missing.discard(number)
        wanted = sweep.trials[number].all_stages if number in sweep.trials else []
        if [_values(stage) for stage in wanted] != list(rows):
            raise DisagreementError(f"has stages that differ from its events: trial {number} of {name!r}")
    if missing:
        raise DisagreementError(f"lacks the stages of trial {min(missing)} of {name!r}")


def _check_measured(connection: sqlite3.Connection, name: str, sweep: DerivedSweep) -> None:
    scores = _digests(connection, "scores", "metric, language, value", name)
    tasks = _digests(connection, "task_scores", "task, value", name)
    query = "SELECT trial, rung, score, num_items, result, measured_at FROM measurements WHERE sweep = ?"
    num_found = 0
    for trial, rung, score, num_items, result, measured_at in connection.execute(query, (name,)):
        num_found += 1
        row = MeasuredRows(
            score=score,
            num_items=num_items,
            measured_at=measured_at,
            result=digest(result),
            scores=scores.pop((trial, rung), digest(())),
            task_scores=tasks.pop((trial, rung), digest(())),
        )
        derived = sweep.trials.get(trial, _NOTHING).measured.get(rung)
        if derived != row:
            raise DisagreementError(f"has scores that differ from its events: trial {trial} of {name!r}, rung {rung}")
    if scores or tasks or num_found != sum(len(trial.measured) for trial in sweep.trials.values()):
        raise DisagreementError(f"has scores of {name!r} without a measurement, or lacks measurements")


_NOTHING = DerivedTrial(columns={})


def _digests(connection: sqlite3.Connection, table: str, columns: str, name: str) -> dict[tuple[int, int], int]:
    query = f"SELECT trial, rung, {columns} FROM {table} WHERE sweep = ? ORDER BY trial, rung, {columns}"  # noqa: S608
    grouped = groupby(connection.execute(query, (name,)), key=itemgetter(0, 1))
    return {key: digest(rows) for key, rows in grouped}


_values = attrgetter(*StageRow.__slots__)
"""A stage as its row."""


def _rows(connection: sqlite3.Connection, table: str, columns: Iterable[str], sweep: str) -> Iterator[dict[str, Any]]:
    # A record of an older schema lacks columns; their values are None. SQLite would read their names as strings.
    known = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    wanted = tuple(columns)
    names, missing = [name for name in wanted if name in known], [name for name in wanted if name not in known]
    chosen = ", ".join(f'"{column}"' for column in names)
    query = f"SELECT {chosen} FROM {table}" + (" WHERE sweep = ?" if sweep else "")  # noqa: S608  names of ours
    for row in connection.execute(query, (sweep,) if sweep else ()):
        yield dict(zip(names, row, strict=True)) | dict.fromkeys(missing)

"""Migrates a record of an older schema to the newest one, inside the caller's transaction: completely or not at all."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any  # column values have no shared static type

from sqlalchemy import Connection, delete, select, text, update

from search.record.chain import START, canonical_payload, link
from search.record.integrity.derived import DerivedSweep, DerivedTrial
from search.record.row_writer import add_event
from search.record.schema import (
    SCHEMA_VERSION,
    events,
    measurements,
    meta,
    owners,
    stages,
    sweeps,
    trials,
    trials_set_aside,
)

_ADDED_IN_2 = {
    "trials": ("steps_paid INTEGER DEFAULT '0' NOT NULL", "steps_if_alone INTEGER DEFAULT '0' NOT NULL"),
    "stages": (
        "is_trunk BOOLEAN DEFAULT {false} NOT NULL",
        "steps_before INTEGER DEFAULT '0' NOT NULL",
        "seconds_before FLOAT DEFAULT '0' NOT NULL",
        "further VARCHAR(200) DEFAULT '' NOT NULL",
    ),
    "events": ("chain VARCHAR(32) DEFAULT '' NOT NULL",),
}


_ADDED_IN_3 = {"trials": ("set_aside TEXT",)}


def migrate(connection: Connection, *, version: int) -> None:
    """Migrate a record to the newest schema.

    Args:
        connection: A transaction; no other process writes at the same time.
        version: Schema version of the record.
    """
    if version < 3:  # noqa: PLR2004  the schema's version
        _add_columns(connection, _ADDED_IN_3)
        trials_set_aside.create(connection)
    if version < 2:  # noqa: PLR2004
        _add_columns(connection, _ADDED_IN_2)
        owners.create(connection)
        _link_events(connection)
        for name in connection.scalars(select(sweeps.c.name)).all():
            _complete_sweep(connection, name)
    connection.execute(update(meta).values(schema_version=SCHEMA_VERSION))


def _add_columns(connection: Connection, added: dict[str, tuple[str, ...]]) -> None:
    false = "0" if connection.dialect.name == "sqlite" else "false"
    for table, columns in added.items():
        for column in columns:
            connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {column.format(false=false)}"))


def _link_events(connection: Connection) -> None:
    """Compute the chain value of every event."""
    ends: dict[str, str] = {}
    columns = events.c
    query = select(columns.id, columns.time, columns.sweep, columns.trial, columns.kind, columns.payload)
    for row in connection.execute(query.order_by(columns.id)).all():
        columns_of_event = {"time": row.time, "sweep": row.sweep, "trial": row.trial, "kind": row.kind}
        before = ends.get(row.sweep, START)
        ends[row.sweep] = link(before, payload=canonical_payload(row.payload), **columns_of_event)
        connection.execute(update(events).where(columns.id == row.id).values(chain=ends[row.sweep]))


def _complete_sweep(connection: Connection, name: str) -> None:
    """Fill the new columns of a sweep's trials, and add events with the data that older events did not hold."""
    created_at = connection.scalar(select(sweeps.c.created_at).where(sweeps.c.name == name))
    derived = _fold(connection, name)
    _adopt(connection, name, number=None, payload={"created_at": created_at})
    kept = ("config", "sampler", "proposed_at", "started_at", "ended_at")
    columns = (trials.c.number, *(trials.c[column] for column in kept))
    query = select(*columns).where(trials.c.sweep == name).order_by(trials.c.number)
    for row in connection.execute(query).mappings().all():
        number = row["number"]
        _put_stages(connection, name, trial=derived.trials[number], number=number)
        payload = {column: row[column] for column in kept}
        payload["measured_at"] = _measured_at(connection, name, number=number)
        _adopt(connection, name, number=number, payload=payload)


def _fold(connection: Connection, name: str) -> DerivedSweep:
    derived = DerivedSweep()
    columns = (events.c.kind, events.c.trial, events.c.payload, events.c.time)
    for row in connection.execute(select(*columns).where(events.c.sweep == name).order_by(events.c.id)):
        derived.apply(kind=row.kind, trial=row.trial, payload=canonical_payload(row.payload), time=row.time)
    return derived


def _put_stages(connection: Connection, name: str, *, trial: DerivedTrial, number: int) -> None:
    connection.execute(delete(stages).where(stages.c.sweep == name, stages.c.trial == number))
    if rows := [asdict(stage) | {"sweep": name} for stage in trial.all_stages]:
        connection.execute(stages.insert(), rows)
    counted = ("cost_paid_seconds", "cost_if_alone_seconds", "steps_paid", "steps_if_alone")
    counts = {column: trial.columns[column] for column in counted}
    connection.execute(update(trials).where(trials.c.sweep == name, trials.c.number == number).values(**counts))


def _measured_at(connection: Connection, name: str, *, number: int) -> dict[str, float]:
    columns = (measurements.c.rung, measurements.c.measured_at)
    query = select(*columns).where(measurements.c.sweep == name, measurements.c.trial == number)
    return {str(row.rung): row.measured_at for row in connection.execute(query)}


def _adopt(connection: Connection, name: str, *, number: int | None, payload: dict[str, Any]) -> None:
    last = select(events.c.time).where(events.c.sweep == name).order_by(events.c.id.desc()).limit(1)
    at = connection.scalar(last) or 0.0
    add_event(connection, name, number=number, kind="adopted", payload=payload, at=at)

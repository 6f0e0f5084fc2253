"""Reads rows of the record."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any  # a row class's fields are the columns of its table

from sqlalchemy import Connection, RowMapping, func, select

from search.errors import UnknownSweepError, UnknownTrialError
from search.record import schema
from search.record.rows import Curve, Event, Measurement, StageRow, State, SweepRow, TrialRow


def read_sweep(connection: Connection, name: str, *, lock: bool = False) -> SweepRow:
    """Return a sweep.

    Args:
        connection: A transaction.
        name: Name of the sweep.
        lock: Hold the sweep until the transaction ends. On PostgreSQL this puts the writers of one sweep in a row;
            on SQLite the transaction itself does.

    Raises:
        UnknownSweepError: There is none of this name.
    """
    query = select(schema.sweeps).where(schema.sweeps.c.name == name)
    row = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
    if row is None:
        raise UnknownSweepError(name, connection.scalars(select(schema.sweeps.c.name)))
    return SweepRow(**row)


def read_sweeps(connection: Connection) -> tuple[SweepRow, ...]:
    """Return every sweep, the oldest first."""
    rows = connection.execute(select(schema.sweeps).order_by(schema.sweeps.c.created_at, schema.sweeps.c.name))
    return tuple(SweepRow(**row) for row in rows.mappings())


def read_trial(connection: Connection, sweep: str, *, number: int) -> TrialRow:
    """Return a trial.

    Raises:
        UnknownSweepError: There is no such sweep.
        UnknownTrialError: The sweep has no such trial.
    """
    key = (schema.trials.c.sweep == sweep, schema.trials.c.number == number)
    row = connection.execute(select(schema.trials).where(*key)).mappings().one_or_none()
    if row is None:
        read_sweep(connection, sweep)
        raise UnknownTrialError(sweep, number=number, num_trials=next_number(connection, sweep))
    return TrialRow(**row)


def read_trials(connection: Connection, sweep: str, *, states: Collection[State]) -> tuple[TrialRow, ...]:
    """Return the sweep's trials that are in one of the states, ordered by number."""
    query = select(schema.trials).where(schema.trials.c.sweep == sweep, schema.trials.c.state.in_(states))
    rows = connection.execute(query.order_by(schema.trials.c.number))
    return tuple(TrialRow(**row) for row in rows.mappings())


def next_number(connection: Connection, sweep: str) -> int:
    """Return the number that the sweep's next trial takes."""
    last = connection.scalar(select(func.max(schema.trials.c.number)).where(schema.trials.c.sweep == sweep))
    return 0 if last is None else last + 1


def read_measurements(connection: Connection, sweep: str, *, number: int | None = None) -> tuple[Measurement, ...]:
    """Return what the sweep's trials, or one of them, scored, ordered by trial and rung."""
    table = schema.measurements
    query = select(table).where(table.c.sweep == sweep)
    if number is not None:
        query = query.where(table.c.trial == number)
    rows = connection.execute(query.order_by(table.c.trial, table.c.rung))
    return tuple(Measurement(**_without_sweep(row)) for row in rows.mappings())


def read_curves(connection: Connection, sweep: str, *, last_rung: int) -> tuple[Curve, ...]:
    """Return what each measured trial of a sweep scored at its rungs, ordered by number."""
    table = schema.measurements.c
    query = select(table.trial, table.rung, table.score).where(table.sweep == sweep).order_by(table.trial, table.rung)
    scores: dict[int, dict[int, float]] = {}
    for trial, rung, score in connection.execute(query):
        scores.setdefault(trial, {})[rung] = score
    return tuple(
        Curve(number=number, scores=of_trial, is_finished=last_rung in of_trial) for number, of_trial in scores.items()
    )


def read_stages(connection: Connection, sweep: str, *, number: int | None = None) -> tuple[StageRow, ...]:
    """Return the stages of the sweep's trials, or of one, ordered by trial, rung and position."""
    table = schema.stages
    query = select(table).where(table.c.sweep == sweep)
    if number is not None:
        query = query.where(table.c.trial == number)
    rows = connection.execute(query.order_by(table.c.trial, table.c.rung, table.c.position))
    return tuple(StageRow(**_without_sweep(row)) for row in rows.mappings())


def read_events(connection: Connection, sweep: str, *, after: int = 0) -> tuple[Event, ...]:
    """Return the sweep's events with an id above `after`, in order."""
    table = schema.events
    rows = connection.execute(select(table).where(table.c.sweep == sweep, table.c.id > after).order_by(table.c.id))
    return tuple(Event(**row) for row in rows.mappings())


def _without_sweep(row: RowMapping) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "sweep"}

"""Reads rows of the record, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any  # a row class's fields are the columns of its table

from sqlalchemy import Column, Connection, CursorResult, Select, Table, bindparam, func, select

from search.errors import UnknownSweepError, UnknownTrialError
from search.record import schema
from search.record.rows import Curve, Event, Measurement, Revision, StageRow, State, SweepRow, TrialRow

# Built once: SQLAlchemy needs more time to build a statement than SQLite needs to run it.
_SWEEP = select(schema.sweeps).where(schema.sweeps.c.name == bindparam("sweep"))
_SWEEP_LOCKED = _SWEEP.with_for_update()
_TRIAL = select(schema.trials).where(
    schema.trials.c.sweep == bindparam("sweep"), schema.trials.c.number == bindparam("number")
)
_NEXT_NUMBER = select(func.max(schema.trials.c.number)).where(schema.trials.c.sweep == bindparam("sweep"))


def _without_sweep(table: Table) -> tuple[Column[Any], ...]:
    return tuple(column for column in table.columns if column.name != "sweep")


_MEASURED, _STAGE = _without_sweep(schema.measurements), _without_sweep(schema.stages)


def _of_trial(table: Table) -> Select[Any]:
    of_trial = (table.c.sweep == bindparam("sweep"), table.c.trial == bindparam("number"))
    return select(*_without_sweep(table)).where(*of_trial)


_MEASURED_AT_RUNG = _of_trial(schema.measurements).where(schema.measurements.c.rung == bindparam("at_rung"))
_STAGES_OF_TRIAL = _of_trial(schema.stages).order_by(schema.stages.c.rung, schema.stages.c.position)


def read_sweep(connection: Connection, name: str, *, lock: bool = False) -> SweepRow:
    """Return a sweep.

    Args:
        connection: A transaction.
        name: Name of the sweep.
        lock: Whether to lock the sweep until the transaction ends. On PostgreSQL this makes the writers of one sweep
            wait for each other; on SQLite the transaction itself does.

    Raises:
        UnknownSweepError: There is no such sweep.
    """
    row = connection.execute(_SWEEP_LOCKED if lock else _SWEEP, {"sweep": name}).mappings().one_or_none()
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
    row = connection.execute(_TRIAL, {"sweep": sweep, "number": number}).mappings().one_or_none()
    if row is None:
        read_sweep(connection, sweep)
        raise UnknownTrialError(sweep, number=number, num_trials=next_number(connection, sweep))
    return TrialRow(**row)


def read_trials(connection: Connection, sweep: str, *, states: Collection[State]) -> tuple[TrialRow, ...]:
    """Return the sweep's trials that are in one of the states, ordered by number."""
    query = select(schema.trials).where(schema.trials.c.sweep == sweep, schema.trials.c.state.in_(states))
    rows = connection.execute(query.order_by(schema.trials.c.number))
    return tuple(TrialRow(**row) for row in rows.mappings())


def read_newest_measured(connection: Connection, sweep: str) -> tuple[TrialRow, ...]:
    """Return the newest measured trial that counts of each family, ordered by number."""
    trials = schema.trials.c
    counting = (trials.sweep == sweep, trials.rung.is_not(None), trials.set_aside.is_(None))
    numbers = select(func.max(trials.number)).where(*counting).group_by(trials.family)
    query = select(schema.trials).where(trials.sweep == sweep, trials.number.in_(numbers)).order_by(trials.number)
    return tuple(TrialRow(**row) for row in connection.execute(query).mappings())


def count_set_aside(connection: Connection, sweep: str) -> int:
    """Return how many of the sweep's trials are excluded."""
    trials = schema.trials.c
    return connection.scalar(select(func.count()).where(trials.sweep == sweep, trials.set_aside.is_not(None))) or 0


def count_states(connection: Connection, sweep: str) -> dict[State, int]:
    """Return state -> number of the sweep's trials in it that count, ordered by state."""
    trials = schema.trials.c
    query = select(trials.state, func.count()).where(trials.sweep == sweep).group_by(trials.state)
    excluded = {row[0]: row[1] for row in connection.execute(query.where(trials.set_aside.is_not(None)))}
    counts = {row[0]: row[1] - excluded.get(row[0], 0) for row in connection.execute(query.order_by(trials.state))}
    return {state: count for state, count in counts.items() if count}


def next_number(connection: Connection, sweep: str) -> int:
    """Return the number of the sweep's next trial."""
    last = connection.scalar(_NEXT_NUMBER, {"sweep": sweep})
    return 0 if last is None else last + 1


def read_measurements(connection: Connection, sweep: str, *, number: int | None = None) -> tuple[Measurement, ...]:
    """Return the measurements of the sweep's trials, or of one trial, ordered by trial and rung."""
    table = schema.measurements
    query = select(*_MEASURED).where(table.c.sweep == sweep)
    if number is not None:
        query = query.where(table.c.trial == number)
    rows = connection.execute(query.order_by(table.c.trial, table.c.rung))
    return tuple(Measurement(**fields) for fields in _fields(rows))


def read_last_measurements(connection: Connection, sweep: str) -> dict[int, Measurement]:
    """Return number -> measurement at the highest rung, of the sweep's measured trials by number."""
    table, trials = schema.measurements.c, schema.trials.c
    is_last = (trials.sweep == table.sweep) & (trials.number == table.trial) & (trials.rung == table.rung)
    query = select(*_MEASURED).join(schema.trials, is_last).where(table.sweep == sweep).order_by(table.trial)
    found = (Measurement(**fields) for fields in _fields(connection.execute(query)))
    return {measured.trial: measured for measured in found}


def read_curves(
    connection: Connection, sweep: str, *, last_rung: int, with_languages: bool = False
) -> tuple[Curve, ...]:
    """Return the scores at their rungs of the measured trials that count, ordered by number."""
    table, trials = schema.measurements.c, schema.trials.c
    excluded = select(trials.number).where(trials.sweep == sweep, trials.set_aside.is_not(None))
    counting = (table.sweep == sweep, table.trial.not_in(excluded))
    query = select(table.trial, table.rung, table.score).where(*counting).order_by(table.trial, table.rung)
    scores: dict[int, dict[int, float]] = {}
    for trial, rung, score in connection.execute(query):
        scores.setdefault(trial, {})[rung] = score
    rows = connection.execute(select(trials.number, trials.family, trials.state).where(trials.sweep == sweep))
    known = {number: (family, state) for number, family, state in rows}
    languages: dict[int, dict[int, dict[str, float]]] = {}
    evaluations: dict[int, dict[int, str]] = {}
    if with_languages:
        for measured in read_measurements(connection, sweep):
            result = measured.trial_result
            languages.setdefault(measured.trial, {})[measured.rung] = result.languages
            own = (stage for stage in result.stages if stage.phase == "evaluation" and not stage.further)
            evaluations.setdefault(measured.trial, {}).update((measured.rung, stage.key) for stage in own)
    return tuple(
        Curve(
            number=number,
            scores=of_trial,
            is_finished=last_rung in of_trial,
            languages=languages.get(number, {}),
            evaluations=evaluations.get(number, {}),
            family=known[number][0],
            has_failed=known[number][1] == "failed",
        )
        for number, of_trial in scores.items()
    )


def read_measurement(connection: Connection, sweep: str, *, number: int, rung: int) -> Measurement | None:
    """Return a trial's measurement at a rung, or None if it was not measured there."""
    key = {"sweep": sweep, "number": number, "at_rung": rung}
    row = connection.execute(_MEASURED_AT_RUNG, key).mappings().one_or_none()
    return Measurement(**row) if row is not None else None


def read_stages(connection: Connection, sweep: str, *, number: int | None = None) -> tuple[StageRow, ...]:
    """Return the stages of the sweep's trials, or of one, ordered by trial, rung and position."""
    table = schema.stages
    query = select(*_STAGE).where(table.c.sweep == sweep).order_by(table.c.trial, table.c.rung, table.c.position)
    if number is None:
        rows = connection.execute(query)
    else:
        rows = connection.execute(_STAGES_OF_TRIAL, {"sweep": sweep, "number": number})
    return tuple(StageRow(**fields) for fields in _fields(rows))


def read_events(connection: Connection, sweep: str, *, after: int = 0, limit: int | None = None) -> tuple[Event, ...]:
    """Return the sweep's events with an id above `after`, in order; with a limit only the first of them."""
    table = schema.events
    query = select(table).where(table.c.sweep == sweep, table.c.id > after).order_by(table.c.id)
    rows = connection.execute(query.limit(limit))
    return tuple(Event(**row) for row in rows.mappings())


def read_events_of(
    connection: Connection, sweep: str, *, kinds: Collection[str], trial: int | None = None
) -> tuple[Event, ...]:
    """Return the sweep's events of some kinds, of all trials or of one, in order."""
    table = schema.events
    query = select(table).where(table.c.sweep == sweep, table.c.kind.in_(kinds))
    if trial is not None:
        query = query.where(table.c.trial == trial)
    return tuple(Event(**row) for row in connection.execute(query.order_by(table.c.id)).mappings())


def read_last_revision(connection: Connection, sweep: str) -> Revision | None:
    """Return the last change of a sweep's spec, or None if there was none."""
    table = schema.events
    revised = select(table.c.payload).where(table.c.sweep == sweep, table.c.kind == "revised")
    payload = connection.scalar(revised.order_by(table.c.id.desc()).limit(1))
    return Revision.model_validate(payload) if payload is not None else None


def read_hopeless_stages(connection: Connection, sweep: str) -> dict[str, str]:
    """Return key -> error of the stages that no trial of the sweep can make."""
    table = schema.events
    failed = select(table.c.payload).where(table.c.sweep == sweep, table.c.kind == "failed").order_by(table.c.id)
    payloads = connection.scalars(failed)
    return {payload["stage"]: payload["error"] for payload in payloads if payload.get("stage")}


def _fields(rows: CursorResult[Any]) -> Iterator[dict[str, Any]]:
    """Yield the columns of each row by name. A RowMapping looks each column up, which takes longer than reading it."""
    names = tuple(rows.keys())
    return (dict(zip(names, row, strict=True)) for row in rows)

"""The documented views of one sweep, `trials`, `scores`, `stages` and `events`, for `xstilts sql`, notebooks and files.

Columns can be added but never renamed. JSON columns hold text, for SQLite's json functions and `json.loads`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal  # Any: cells have no shared static type

from sqlalchemy import JSON, ColumnElement, Table, Text, cast, select

from search.record import Record, schema
from search.record.row_reader import read_sweep

ISO = "_iso"
"""Suffix of the columns that have a time in ISO 8601; the column without the suffix has the time as a number."""

ViewName = Literal["trials", "scores", "stages", "events"]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One view: the rows of a table that belong to the sweep."""

    table: Table
    columns: dict[str, str]
    """Column -> its description."""
    order: tuple[str, ...]
    """Columns that order the rows."""


VIEWS: dict[ViewName, View] = {
    "trials": View(
        table=schema.trials,
        columns={
            "number": "number of the trial, from 0",
            "state": "proposed, running, finished, failed, pruned or interrupted",
            "family": "kind of intermediate training",
            "rung": "highest rung that it was measured at",
            "score": "the sweep's objective at that rung, 0..1",
            "seed": "seed that it was proposed with",
            "attempts": "number of its starts",
            "proposed_at": "seconds since 1970",
            "proposed_at_iso": "the same in ISO 8601, UTC",
            "started_at": "seconds since 1970",
            "started_at_iso": "the same in ISO 8601, UTC",
            "ended_at": "seconds since 1970",
            "ended_at_iso": "the same in ISO 8601, UTC",
            "cost_paid_seconds": "seconds of the stages that it made",
            "cost_if_alone_seconds": "seconds of all stages of its lineage",
            "steps_paid": "optimiser steps of the stages that it made",
            "steps_if_alone": "optimiser steps of all stages of its lineage",
            "error": "why it failed",
            "set_aside": "why it is excluded; null: it counts",
            "assignment": "JSON: parameter of the space -> value",
            "config": "JSON: the full configuration",
        },
        order=("number",),
    ),
    "scores": View(
        table=schema.scores,
        columns={
            "trial": "number of the trial",
            "rung": "rung that it was measured at",
            "metric": "accuracy (of one language), average, english, worst; xtreme, xtreme_r where they are objectives",
            "language": "language code; empty for a metric over languages",
            "value": "the score on the dev split, 0..1",
        },
        order=("trial", "rung", "metric", "language"),
    ),
    "stages": View(
        table=schema.stages,
        columns={
            "trial": "number of the trial",
            "rung": "rung that the stage belongs to",
            "position": "position in the lineage, from 0",
            "phase": "pretraining, intermediate, target or evaluation",
            "key": "content key of the stage in the store",
            "steps": "optimiser steps",
            "seconds": "wall time that it took, also if another trial made it",
            "reused": "1: another trial made it",
            "is_trunk": "1: only a later stage of the phase is made from it: a trunk, or a part of a merge",
            "steps_before": "optimiser steps of the trunk that it continues, or of the parts that it combines",
            "seconds_before": "wall time of that trunk or those parts",
            "further": "further target that it belongs to; empty: the trial's own",
        },
        order=("trial", "rung", "position"),
    ),
    "events": View(
        table=schema.events,
        columns={
            "id": "number that grows with every event",
            "time": "seconds since 1970",
            "time_iso": "the same in ISO 8601, UTC",
            "trial": "number of the trial; null: an event of the sweep",
            "kind": "kind of event, such as `left_out`: rows of a split are not used",
            "payload": "JSON: the details of the event",
        },
        order=("id",),
    ),
}


TIMES = frozenset(name.removesuffix(ISO) for view in VIEWS.values() for name in view.columns if name.endswith(ISO))
"""Columns that hold a time as a number."""


def describe_views() -> str:
    """Return the views and their columns as one line, for messages."""
    return "; ".join(f"{name}({', '.join(view.columns)})" for name, view in VIEWS.items())


def read_view(record: Record, *, sweep: str, view: ViewName) -> list[tuple[Any, ...]]:
    """Return the rows of a view of a sweep, in order, with JSON as text.

    Args:
        record: Record with the sweep.
        sweep: Name of the sweep.
        view: Name of the view.

    Raises:
        UnknownSweepError: There is no such sweep.
    """
    table, columns = VIEWS[view].table, VIEWS[view].columns
    chosen = [_column(table, name) for name in columns]
    query = select(*chosen).where(table.c.sweep == sweep).order_by(*(table.c[name] for name in VIEWS[view].order))
    times = [index for index, name in enumerate(columns) if name.endswith(ISO)]
    with record.engine.begin() as connection:
        read_sweep(connection, sweep)
        return [_with_times(tuple(row), times=times) for row in connection.execute(query)]


def iso_time(seconds: float) -> str:
    """Return a time, given in seconds since 1970, in ISO 8601, in UTC with milliseconds."""
    return datetime.fromtimestamp(round(seconds, 3), tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _column(table: Table, name: str) -> ColumnElement[Any]:
    column = table.c[name.removesuffix(ISO)]
    return cast(column, Text) if isinstance(column.type, JSON) else column.label(name)


def _with_times(row: tuple[Any, ...], *, times: list[int]) -> tuple[Any, ...]:
    if not times:
        return row
    cells = list(row)
    for index in times:
        cells[index] = None if cells[index] is None else iso_time(cells[index])
    return tuple(cells)

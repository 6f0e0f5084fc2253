"""All trials of a sweep as one table, for notebooks and exported files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any  # cells have no shared type

from sqlalchemy import and_, select

from search.record import Record, schema
from search.record.row_reader import read_sweep

_PLAIN = (
    *("number", "state", "family", "rung", "score", "attempts", "seed", "proposed_at", "started_at", "ended_at"),
    *("cost_paid_seconds", "cost_if_alone_seconds", "steps_paid", "steps_if_alone", "error", "set_aside"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialTable:
    """One row for each trial, or for each trial and rung; see `pandas.DataFrame(table.rows, columns=table.columns)`."""

    columns: tuple[str, ...]
    """Columns of the record, then languages, then parameters of the space."""
    rows: list[tuple[Any, ...]]
    """Rows ordered by number, then rung; a cell is None if the trial has no such value."""


def trial_table(record: Record, *, sweep: str, every_rung: bool = False) -> TrialTable:
    """Return all trials of a sweep with their scores in each language and their parameters.

    Args:
        record: Record with the sweep.
        sweep: Name of the sweep.
        every_rung: Whether to return a row for each measured rung of a trial, instead of its highest rung only.

    Raises:
        UnknownSweepError: There is no such sweep.
    """
    trials, measurements = schema.trials.c, schema.measurements.c
    of_trial = [measurements.sweep == trials.sweep, measurements.trial == trials.number]
    of_rung = [] if every_rung else [measurements.rung == trials.rung]
    rung, score = (measurements.rung, measurements.score) if every_rung else (trials.rung, trials.score)
    chosen = {name: trials[name] for name in _PLAIN} | {"rung": rung, "score": score}
    columns = (*chosen.values(), trials.assignment, measurements.result["languages"].label("languages"))
    joined = schema.trials.outerjoin(schema.measurements, and_(*of_trial, *of_rung))
    query = select(*columns).select_from(joined).where(trials.sweep == sweep).order_by(trials.number, rung)
    with record.engine.begin() as connection:
        read_sweep(connection, sweep)
        found = connection.execute(query).all()
    return _table([tuple(row) for row in found])


def _table(found: list[tuple[Any, ...]]) -> TrialTable:
    languages = sorted({name for row in found for name in row[-1] or ()})
    parameters = sorted({name for row in found for name in row[-2]} - {*_PLAIN})  # the family is a parameter too
    rows: list[tuple[Any, ...]] = []
    for *plain, assignment, scores in found:
        of_language = scores.get if scores else _nothing
        rows.append((*plain, *map(of_language, languages), *map(assignment.get, parameters)))
    return TrialTable(columns=(*_PLAIN, *languages, *parameters), rows=rows)


def _nothing(_: str) -> None:
    return None

"""Keeps a sweep's trials in the form that samplers use, and updates them by reading only changed trials.

Reading ten thousand trials with their configurations takes almost a second; reading the change of one result takes a
millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Connection, func, select

from search.record.goals import goal_column
from search.record.record import Record
from search.record.rows import JsonObject, State
from search.record.schema import events, trials

T = TypeVar("T")

_MOST_ASKED = 500
"""Largest number of changed trials that are read by number; with more changes, all trials are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """The columns of a trial that samplers use."""

    number: int
    assignment: JsonObject
    state: State
    score: float | None
    rung: int | None
    sampler: JsonObject
    set_aside: str | None
    values: tuple[float | None, ...] = ()
    """The sweep's objectives at the highest rung, if it has several."""


_COLUMNS = tuple(trials.c[name] for name in HistoryRow.__slots__ if name != "values")


class History(Generic[T]):
    """One sweep's trials, ordered by number. Use it from one thread.

    Args:
        record: Holds the sweep.
        sweep: Name of the sweep.
        make: Converts a trial into the caller's type; called again whenever the trial has changed.
        goals: The sweep's objectives.
    """

    def __init__(
        self, record: Record, *, sweep: str, make: Callable[[HistoryRow], T], goals: Sequence[str] = ()
    ) -> None:
        self._record, self._sweep, self._make = record, sweep, make
        several = goals if len(goals) > 1 else ()
        self._values = tuple(goal_column(goal).label(f"goal_{goal}") for goal in several)
        self._last_event = 0
        self._kept: list[T] = []

    def trials(self) -> Sequence[T]:
        """Return all trials as they are now. The next call changes the same sequence: copy it if it must stay."""
        with self._record.engine.begin() as connection:
            last, changed = self._changed(connection)
            query = select(*_COLUMNS, *self._values).where(trials.c.sweep == self._sweep).order_by(trials.c.number)
            if len(changed) < _MOST_ASKED and self._last_event:
                query = query.where(trials.c.number.in_(changed))
            rows = connection.execute(query).mappings().all() if changed else []
        for row in rows:
            values = tuple(row[value.name] for value in self._values)
            known = {column.name: row[column.name] for column in _COLUMNS}
            self._put(row["number"], self._make(HistoryRow(**known, values=values)))
        self._last_event = last
        return self._kept

    def _changed(self, connection: Connection) -> tuple[int, list[int]]:
        """Return the id of the sweep's last event, and the numbers of the trials that changed since the last call."""
        new = (events.c.sweep == self._sweep, events.c.id > self._last_event)
        last = connection.scalar(select(func.max(events.c.id)).where(events.c.sweep == self._sweep)) or 0
        if last == self._last_event:
            return last, []
        if not self._last_event:  # the first call reads all trials
            return last, [0]
        query = select(events.c.trial).where(*new, events.c.trial.is_not(None)).distinct()
        return last, list(connection.scalars(query))

    def _put(self, number: int, kept: T) -> None:
        if number < len(self._kept):
            self._kept[number] = kept
        else:
            assert number == len(self._kept)  # noqa: S101  numbers run from 0 without gaps
            self._kept.append(kept)

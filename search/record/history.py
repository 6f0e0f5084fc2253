"""A sweep's trials as a sampler sees them, kept up to date by reading only what has changed since.

Reading ten thousand trials with their configurations takes most of a second; what one result changes, a millisecond.
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
"""Changed trials that are asked for by number; with more of them all are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """What a sampler may know of a trial."""

    number: int
    assignment: JsonObject
    state: State
    score: float | None
    rung: int | None
    sampler: JsonObject
    set_aside: str | None
    values: tuple[float | None, ...] = ()
    """The sweep's objectives at the highest rung, where it has several."""


_COLUMNS = tuple(trials.c[name] for name in HistoryRow.__slots__ if name != "values")


class History(Generic[T]):
    """One sweep's trials, ordered by number. Used from one thread.

    Args:
        record: Holds the sweep.
        sweep: Its name.
        make: Makes what the caller keeps of a trial, anew whenever the trial has changed.
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
        """Return all trials as they are now. The sequence changes at the next call: copy what must not."""
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
        """Return the sweep's last event, and the trials that changed since the last call."""
        new = (events.c.sweep == self._sweep, events.c.id > self._last_event)
        last = connection.scalar(select(func.max(events.c.id)).where(events.c.sweep == self._sweep)) or 0
        if last == self._last_event:
            return last, []
        if not self._last_event:  # everything is new
            return last, [0]
        query = select(events.c.trial).where(*new, events.c.trial.is_not(None)).distinct()
        return last, list(connection.scalars(query))

    def _put(self, number: int, kept: T) -> None:
        if number < len(self._kept):
            self._kept[number] = kept
        else:
            assert number == len(self._kept)  # noqa: S101  numbers run from 0 without gaps
            self._kept.append(kept)

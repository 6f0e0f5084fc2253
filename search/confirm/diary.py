"""Records the looks of a confirmation as events of its sweep, before any result is shown."""

from __future__ import annotations

import time
from dataclasses import dataclass

from search.compare.comparison import LOOK
from search.record import JsonObject, Record
from search.record.row_writer import add_event

OPENED, TESTED = "test_opened", "tested"
"""Kinds of events: the test split is about to be read; the comparison on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diary:
    """The looks of one confirmation."""

    record: Record
    sweep: str
    """Name of the confirmation."""

    def look(self, seeds: int) -> int:
        """Return the number, from 1, of the look at a number of seeds. A repeated look keeps its number."""
        known = [event["seeds"] for event in self._payloads(LOOK)]
        if seeds in known:
            return known.index(seeds) + 1
        self._write(LOOK, {"seeds": seeds})
        return len(known) + 1

    @property
    def num_openings(self) -> int:
        """How often the test split was opened."""
        return len(self._payloads(OPENED))

    @property
    def tested(self) -> JsonObject | None:
        """The last comparison on the test split, or None."""
        return next(iter(reversed(self._payloads(TESTED))), None)

    def open_test(self) -> int:
        """Record that the test split is opened, and return how often it was opened.

        An opening without a result continues; it is not counted twice.
        """
        if self.num_openings == len(self._payloads(TESTED)):
            self._write(OPENED, {})
        return self.num_openings

    def write_tested(self, comparison: JsonObject) -> None:
        """Record the comparison on the test split."""
        self._write(TESTED, comparison)

    def _payloads(self, kind: str) -> list[JsonObject]:
        return [event.payload for event in self.record.events(self.sweep) if event.kind == kind]

    def _write(self, kind: str, payload: JsonObject) -> None:
        with self.record.writing_to(self.sweep) as connection:
            add_event(connection, self.sweep, number=None, kind=kind, payload=payload, at=time.time())

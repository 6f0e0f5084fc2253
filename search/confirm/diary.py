"""What a confirmation has looked at: events of its sweep in the record, written before anything is shown."""

from __future__ import annotations

import time
from dataclasses import dataclass

from search.compare.asking import LOOK
from search.record import JsonObject, Record
from search.record.writing import add_event

OPENED, TESTED = "test_opened", "tested"
"""Kinds of events: the test split is about to be read; what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diary:
    """The looks of one confirmation."""

    record: Record
    sweep: str
    """Name of the confirmation."""

    def look(self, seeds: int) -> int:
        """Return the number, from 1, of a look at so many seeds; the same number for the same seeds again."""
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
        """What the test split said last; None before."""
        return next(iter(reversed(self._payloads(TESTED))), None)

    def open_test(self) -> int:
        """Return how often the test split has now been opened; one that was opened and never answered counts on."""
        if self.num_openings == len(self._payloads(TESTED)):
            self._write(OPENED, {})
        return self.num_openings

    def write_tested(self, said: JsonObject) -> None:
        """Keep what the test split said."""
        self._write(TESTED, said)

    def _payloads(self, kind: str) -> list[JsonObject]:
        return [event.payload for event in self.record.events(self.sweep) if event.kind == kind]

    def _write(self, kind: str, payload: JsonObject) -> None:
        with self.record.writing_to(self.sweep) as connection:
            add_event(connection, self.sweep, number=None, kind=kind, payload=payload, at=time.time())

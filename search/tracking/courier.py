"""Delivers the messages of a sweep to one sink, in a thread of the tracking process, and notes how far it came.

Messages are delivered in batches, in order, at least once: the position is stored after the sink has a batch. A sink
that fails gets the same batch again, after a pause that doubles from 1 s to 60 s.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field, ValidationError

from search.record import Record
from search.tracking.losses import read_losses
from search.tracking.messages import Message, message_of
from search.tracking.sink import Sink
from spaces.track import SinkConfig
from trainables.config import FrozenModel

BATCH = 200
"""Largest number of messages that a sink gets at a time."""
SECONDS_BETWEEN_LOOKS = 2.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
_MOST_DOUBLINGS = 10


class Position(FrozenModel):
    """How far a sink is."""

    event: int = Field(default=0, ge=0)
    """Id of the last event of the record that it has."""
    losses: int = Field(default=0, ge=0)
    """Bytes of the file of losses that it has."""
    kept: dict[str, str] = Field(default_factory=dict[str, str])
    """State of the sink."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """From where to where messages are delivered."""

    sweep: str
    origin: str
    """Names this sweep of this record."""
    folder: Path
    """Folder for the positions of all sinks of the sweep, and for the file of losses."""
    config: SinkConfig

    @property
    def losses(self) -> Path:
        """The file of losses."""
        return self.folder / "losses.jsonl"

    @property
    def own_folder(self) -> Path:
        """Folder for files of this sink."""
        return self.folder / f"{self.config.kind}-{hashlib.sha256(self.config.target.encode()).hexdigest()[:8]}"

    def position(self) -> Position:
        """Return the stored position; the start if there is none."""
        try:
            return Position.model_validate_json((self.own_folder / "position.json").read_text())
        except (OSError, ValidationError):
            return Position()

    def store(self, position: Position) -> None:
        """Store a position, atomically."""
        self.own_folder.mkdir(parents=True, exist_ok=True)
        part = self.own_folder / f"position.{os.getpid()}.part"
        part.write_text(position.model_dump_json())
        part.replace(self.own_folder / "position.json")

    def is_behind(self, record: Record) -> bool:
        """Return whether a sink lacks an event or a loss."""
        position = self.position()
        size = self.losses.stat().st_size if self.losses.exists() else 0
        return position.losses < size or bool(record.events(self.sweep, after=position.event, limit=1))


@dataclass(slots=True, kw_only=True)
class Courier:
    """Delivers to one sink until the sweep has ended."""

    route: Route
    record: Record
    """Record with the sweep; only read."""
    make: Callable[[dict[str, str]], Sink]
    """Makes the sink, with its stored state."""
    log: Callable[[str], None]
    """Receives a line about a failure."""
    ended: threading.Event
    """Set when the sweep has ended: then one more attempt is made."""
    pause: float = SECONDS_BETWEEN_LOOKS
    _sink: Sink | None = None
    _kept: dict[str, str] = field(default_factory=dict[str, str])

    def run(self) -> None:
        """Deliver until the sweep has ended and the sink has everything, or fails once more."""
        failures = 0
        while True:
            is_last = self.ended.is_set()
            try:
                while self._deliver():
                    failures = 0
            except Exception as error:  # noqa: BLE001  a sink can raise anything, and must not end the others
                failures += 1
                self.log(f"{self.route.config.kind}: {type(error).__name__}: {error}")
            if is_last:
                self._close()
                return
            self.ended.wait(
                min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, _MOST_DOUBLINGS)) if failures else self.pause
            )

    def _deliver(self) -> bool:
        """Deliver one batch, and return whether there was one."""
        position = self.route.position()
        events = self.record.events(self.route.sweep, after=position.event, limit=BATCH)
        losses, end = read_losses(self.route.losses, start=position.losses)
        if not events and end == position.losses:
            return False
        self._send([*map(message_of, events), *losses], kept=position.kept)
        last = events[-1].id if events else position.event
        self.route.store(Position(event=last, losses=end, kept=dict(self._kept)))
        return True

    def _send(self, messages: Sequence[Message], *, kept: dict[str, str]) -> None:
        if self._sink is None:
            self._kept = dict(kept)
            self._sink = self.make(self._kept)
        # A trial's losses come before its end, so that no run is ended and then continued.
        self._sink.send(sorted(messages, key=lambda message: message.time))

    def _close(self) -> None:
        if self._sink is not None:
            try:
                self._sink.close()
            except Exception as error:  # noqa: BLE001  as above
                self.log(f"{self.route.config.kind}: {type(error).__name__}: {error}")


def now() -> str:
    """Return the time for a log, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

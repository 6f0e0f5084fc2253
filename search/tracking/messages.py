"""What sinks receive: the events of the record, and the losses of running trials, in one form."""

from __future__ import annotations

from pydantic import Field

from search.record import Event, JsonObject
from trainables.config import FrozenModel

LOSS = "loss"
"""Kind of a message with the training loss of a running trial; all other kinds are those of the record's events."""


class Message(FrozenModel):
    """One message. A sink may receive a message again after a failure: sweep, kind and id together name it."""

    version: int = 1
    """Version of this form; fields are only added."""
    sweep: str
    """Name of the sweep."""
    id: int = Field(ge=0)
    """Grows with each event of the record; losses have their own numbers."""
    time: float
    """Seconds since 1970."""
    trial: int | None
    """Number of the trial; None: the message is about the sweep."""
    kind: str
    """`proposed`, `running`, `stage`, `measured`, `finished`, `pruned`, `failed`, `interrupted`, `waiting`, `loss` and
    others; see docs/how-to/track.md."""
    payload: JsonObject
    """Details of the event. Of a loss: `phase`, `step`, `num_steps` and `loss`."""


def message_of(event: Event) -> Message:
    """Return an event of the record as a message."""
    return Message(
        sweep=event.sweep, id=event.id, time=event.time, trial=event.trial, kind=event.kind, payload=event.payload
    )

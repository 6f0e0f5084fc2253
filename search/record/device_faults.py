"""Which hosts and GPUs are set apart, from the faults that a sweep's record has of them. Pure.

What was seen is on record and what follows from it is computed, so that a driver that starts again, `status` and
`doctor` say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import Field

from search.record.rows import Event, JsonObject
from trainables.config.frozen import FrozenModel
from trainables.errors import DeviceFaultError

FAULT_EVENTS = ("device_fault", "failed")
"""Kinds of the events that `device_faults` reads."""

MAX_FAULTS = 2
"""Faults after which a place is set apart."""

MAX_GPUS = 2
"""GPUs of one host that are set apart, after which the host is: they share its power, its bus and its driver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFault:
    """One fault, as the record has it."""

    trial: int
    host: str
    gpu: str | None
    """Number of the GPU on its host; None where the host alone is known."""
    is_certain: bool
    """Whether nothing but the device can be the cause; else a kernel may have done something forbidden."""
    said: str


class SetApart(FrozenModel):
    """A place that a sweep's trials are kept away from. Scripts read this as JSON: fields are only added."""

    host: str
    """The host's name."""
    gpu: str | None = None
    """Number of the GPU on it; None for the whole host."""
    num_faults: int = Field(ge=1)
    """Faults that count against it."""
    said: str
    """What the last of them said."""

    def __str__(self) -> str:
        """Return it in words."""
        place = f"host {self.host}" if self.gpu is None else f"GPU {self.gpu} of host {self.host}"
        return f"{place}, after {self.num_faults} device faults (the last: {self.said})"


def fault_payload(error: DeviceFaultError, *, stage: str) -> JsonObject:
    """Return how a fault is recorded: what `device_faults` reads.

    Args:
        error: The fault.
        stage: Key of the stage that was being made.
    """
    return {
        "stage": stage,
        "error": error.said,
        "place": error.place.model_dump(mode="json"),
        "is_certain": error.is_certain,
    }


def device_faults(events: Iterable[Event]) -> tuple[DeviceFault, ...]:
    """Return the faults among a sweep's events that count against their places, in order.

    A fault that a kernel may have caused counts until its trial has failed for good: a trial that worked nowhere was
    itself at fault, and takes no device from the others.

    Args:
        events: Those of FAULT_EVENTS at least.
    """
    seen = list(events)
    hopeless = {event.trial for event in seen if event.kind == "failed" and event.payload.get("kind") == "device_fault"}
    faults = (_fault(event) for event in seen if event.kind == "device_fault")
    return tuple(fault for fault in faults if fault.is_certain or fault.trial not in hopeless)


def set_apart(faults: Sequence[DeviceFault]) -> tuple[SetApart, ...]:
    """Return the places with two faults, in the order in which they were reached.

    A host stands for its GPUs where two of them are set apart.
    """
    counts: Counter[tuple[str, str | None]] = Counter()
    found: dict[tuple[str, str | None], SetApart] = {}
    for fault in faults:
        place = (fault.host, fault.gpu)
        counts[place] += 1
        if counts[place] >= MAX_FAULTS:
            found[place] = SetApart(host=fault.host, gpu=fault.gpu, num_faults=counts[place], said=fault.said)
        gpus = [one for one in found.values() if one.host == fault.host and one.gpu is not None]
        if len(gpus) >= MAX_GPUS:
            total = sum(one.num_faults for one in gpus)
            found[fault.host, None] = SetApart(host=fault.host, num_faults=total, said=fault.said)
    whole = {host for host, gpu in found if gpu is None}
    return tuple(one for one in found.values() if one.gpu is None or one.host not in whole)


def _fault(event: Event) -> DeviceFault:
    payload = event.payload
    place = payload.get("place")
    known = place if isinstance(place, dict) else {}
    gpu = known.get("gpu")
    return DeviceFault(
        trial=event.trial if event.trial is not None else -1,
        host=str(known.get("host", "")),
        gpu=None if gpu is None else str(gpu),
        is_certain=payload.get("is_certain") is not False,
        said=str(payload.get("error", "")),
    )

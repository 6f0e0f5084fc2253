"""Computes which hosts and GPUs are quarantined, from the device faults in a sweep's record. Pure.

Only the faults are recorded; the quarantine is computed from them. So a restarted driver, `status` and `doctor` give
the same answer.
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
"""Number of faults after which a host or GPU is quarantined."""

MAX_GPUS = 2
"""Number of quarantined GPUs after which their host is quarantined: they share its power, its bus and its driver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFault:
    """One device fault on record."""

    trial: int
    host: str
    gpu: str | None
    """Number of the GPU on its host; None if only the host is known."""
    is_certain: bool
    """Whether only the device can be the cause; False if a faulty kernel is another possible cause."""
    message: str
    """The error message."""


class QuarantinedPlace(FrozenModel):
    """A host or GPU on which no trial of a sweep starts. Scripts read this as JSON: fields are only added."""

    host: str
    """The host's name."""
    gpu: str | None = None
    """Number of the GPU on it; None for the whole host."""
    num_faults: int = Field(ge=1)
    """Number of faults that count against it."""
    said: str
    """Error message of the last fault."""

    def __str__(self) -> str:
        """Return the place, the number of its faults and the last error message, as one line."""
        place = f"host {self.host}" if self.gpu is None else f"GPU {self.gpu} of host {self.host}"
        return f"{place}, after {self.num_faults} device faults (the last: {self.said})"


def fault_payload(error: DeviceFaultError, *, stage: str) -> JsonObject:
    """Return the payload of a `device_fault` event, which `device_faults` reads.

    Args:
        error: The fault.
        stage: Key of the stage that was being made.
    """
    return {
        "stage": stage,
        "error": error.reason,
        "place": error.place.model_dump(mode="json"),
        "is_certain": error.is_certain,
    }


def device_faults(events: Iterable[Event]) -> tuple[DeviceFault, ...]:
    """Return the faults among a sweep's events that count against their hosts and GPUs, in order.

    A fault that a faulty kernel may have caused counts until its trial has failed for good: a trial that worked on no
    device was itself the cause, and must not quarantine devices for other trials.

    Args:
        events: The sweep's events, at least those of the kinds in FAULT_EVENTS.
    """
    known = list(events)
    failed = {event.trial for event in known if event.kind == "failed" and event.payload.get("kind") == "device_fault"}
    faults = (_fault(event) for event in known if event.kind == "device_fault")
    return tuple(fault for fault in faults if fault.is_certain or fault.trial not in failed)


def find_quarantined(faults: Sequence[DeviceFault]) -> tuple[QuarantinedPlace, ...]:
    """Return the hosts and GPUs with MAX_FAULTS faults, in the order in which they reached this number.

    A host with MAX_GPUS quarantined GPUs is returned in place of its GPUs.
    """
    counts: Counter[tuple[str, str | None]] = Counter()
    found: dict[tuple[str, str | None], QuarantinedPlace] = {}
    for fault in faults:
        place = (fault.host, fault.gpu)
        counts[place] += 1
        if counts[place] >= MAX_FAULTS:
            found[place] = QuarantinedPlace(
                host=fault.host, gpu=fault.gpu, num_faults=counts[place], said=fault.message
            )
        gpus = [other for other in found.values() if other.host == fault.host and other.gpu is not None]
        if len(gpus) >= MAX_GPUS:
            total = sum(gpu.num_faults for gpu in gpus)
            found[fault.host, None] = QuarantinedPlace(host=fault.host, num_faults=total, said=fault.message)
    hosts = {host for host, gpu in found if gpu is None}
    return tuple(each for each in found.values() if each.gpu is None or each.host not in hosts)


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
        message=str(payload.get("error", "")),
    )

"""Reads the CPU time of all processes that inherit an environment variable: a driver, Ray's daemons, workers, ranks."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import psutil

SECONDS_BETWEEN_LOOKS = 0.2
"""Up to this much of a process that ends is missed."""


def _together(_: psutil.Process) -> str:
    return ""


@dataclass(slots=True, kw_only=True)
class ProcessMeter:
    """CPU seconds of every process whose environment has a variable with a value, by group."""

    variable: str
    value: str
    group_of: Callable[[psutil.Process], str] = _together
    """Names the group of a process when it is first seen."""
    seconds: dict[str, dict[psutil.Process, float]] = field(default_factory=dict[str, dict[psutil.Process, float]])
    """Group -> process -> CPU seconds, also of processes that have ended."""
    history: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """Time of each look, and the CPU seconds of all groups until then."""
    _known: dict[psutil.Process, str | None] = field(default_factory=dict[psutil.Process, "str | None"])

    def look(self) -> None:
        """Read the CPU time of every process."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if (group := self._group(process)) is not None:
                    times = process.cpu_times()
                    self.seconds.setdefault(group, {})[process] = times.user + times.system
        self.history.append((time.time(), sum(map(self.total, self.seconds))))

    def total(self, group: str = "") -> float:
        """Return the CPU seconds of a group so far."""
        return sum(self.seconds.get(group, {}).values())

    def until(self, moment: float) -> float:
        """Return the CPU seconds of all groups until a moment, in seconds since the epoch."""
        return max((seconds for at, seconds in self.history if at <= moment), default=0.0)

    def _group(self, process: psutil.Process) -> str | None:
        if process not in self._known:
            is_ours = process.environ().get(self.variable) == self.value
            self._known[process] = self.group_of(process) if is_ours else None
        return self._known[process]


@contextlib.contextmanager
def metered(meter: ProcessMeter, *, on_look: Callable[[], None] = lambda: None) -> Generator[None]:
    """Look at the processes in a thread until the block ends.

    Args:
        meter: Counts their CPU time.
        on_look: Called after each look.
    """
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            meter.look()
            on_look()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()

"""The heartbeat: a thread that regularly notes that its process is alive."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from platform import node

from trainables.errors import RunError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimes:
    """How often holders write heartbeats, and when others count a holder as dead."""

    heartbeat_seconds: float = 10.0
    """Time between two heartbeats."""
    expiry_seconds: float = 60.0
    """Time without a heartbeat after which the lease of another host is free; several heartbeats must fit in it."""


class Heartbeat:
    """Calls a function every few seconds until it is stopped.

    Args:
        beat: The function. Its errors are only logged, because a network can recover.
        seconds: Time between two calls.
    """

    def __init__(self, beat: Callable[[], None], *, seconds: float) -> None:
        self._beat, self._seconds = beat, seconds
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self._run, name="heartbeat", daemon=True).start()

    def stop(self) -> None:
        """Stop the calls; return when no call is running."""
        self._stopped.set()
        with self._lock:
            pass

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            with self._lock:
                if self._stopped.is_set():
                    return
                try:
                    self._beat()
                except (OSError, RunError) as error:
                    log.warning("a heartbeat could not be written (%s); the next try is in %g s", error, self._seconds)


@lru_cache(maxsize=1)
def this_machine() -> str:
    """Return a name of this machine since its boot: all processes of one kernel see each other's locks."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{node()}/{boot.read_text().strip()}" if boot.exists() else node()

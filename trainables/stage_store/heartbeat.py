"""A thread that says again and again that its process lives."""

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
class Timing:
    """How often holders say that they live, and when others believe that they do not."""

    heartbeat_seconds: float = 10.0
    """Between two signs of life."""
    expiry_seconds: float = 60.0
    """Without one, for the lease of another host to be free; must hold several heartbeats."""


class Heartbeat:
    """Calls a function every few seconds until it is stopped.

    Args:
        beat: What to call; what it raises is a warning, for a network may come back.
        seconds: Between two calls.
    """

    def __init__(self, beat: Callable[[], None], *, seconds: float) -> None:
        self._beat, self._seconds = beat, seconds
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self._run, name="heartbeat", daemon=True).start()

    def stop(self) -> None:
        """Call it no more; returns when no call is under way."""
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
                    log.warning("a heartbeat could not be written (%s); tried again in %g s", error, self._seconds)


@lru_cache(maxsize=1)
def this_machine() -> str:
    """Return what tells this running machine from all others: locks of one kernel are seen by all its processes."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{node()}/{boot.read_text().strip()}" if boot.exists() else node()

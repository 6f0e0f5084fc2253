"""Counts the failures of a stage's ranks, and decides when the stage is not tried again. Pure."""

from __future__ import annotations

from trainables.errors import RunError
from trainables.failures import failure_rule

MAX_LOST = 3
"""The stage is not tried again after its ranks were lost this often in a row without progress."""

MAX_FAULTS_IN_PLACE = 2
"""After this many faults of a device, a trial is re-queued to run elsewhere."""


def ignore_lost(stage: str, error: RunError) -> None:
    """Ignore lost ranks."""
    del stage, error


class Retries:
    """Counts lost ranks without progress: a stage that itself ends its ranks must not be tried for ever."""

    def __init__(self) -> None:
        self._num, self._reached = 0, -1

    def add(self, error: RunError, *, reached: int) -> None:
        """Count lost ranks.

        Args:
            error: Why they were lost.
            reached: Steps in the newest checkpoint; more than the last time is progress.

        Raises:
            RunError: The same error; they were lost too often.
        """
        self._num = 1 if reached > self._reached else self._num + 1
        self._reached = max(reached, self._reached)
        if self._num >= MAX_LOST:
            raise error


class Attempts:
    """Counts the failures while a trial makes one stage, and decides whether to try again in the same place.

    Args:
        may_leave: Whether the trial can be re-queued and run elsewhere; if not, every attempt is made here.
    """

    def __init__(self, *, may_leave: bool) -> None:
        self._may_leave = may_leave
        self._retries, self._num_faults, self._has_retried_suspect = Retries(), 0, False
        self._has_retried_memory = False

    def add(self, error: RunError, *, reached: int) -> None:
        """Count a failure of the stage's ranks.

        Args:
            error: Why they failed.
            reached: Steps in the newest checkpoint.

        Raises:
            RunError: The same error; the stage is not tried again here.
        """
        match failure_rule(error).response:
            case "fresh_ranks":
                self._retries.add(error, reached=reached)
            case "fresh_ranks_once":
                if self._has_retried_suspect:
                    raise error
                self._has_retried_suspect = True
            case "fresh_ranks_then_elsewhere":
                self._num_faults += 1
                if self._may_leave and self._num_faults >= MAX_FAULTS_IN_PLACE:
                    raise error
                self._retries.add(error, reached=reached)
            case "elsewhere":
                if self._may_leave:
                    raise error
                self._retries.add(error, reached=reached)
            case _:
                raise error

    def may_retry_memory(self) -> bool:
        """Return whether to repeat a pass that ran out of memory at the same size; True the first time."""
        first = not self._has_retried_memory
        self._has_retried_memory = True
        return first

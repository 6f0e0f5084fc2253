"""When a stage whose ranks fail again and again is given up. Pure."""

from __future__ import annotations

from trainables.errors import BugError, DeviceFaultError, PlaceLostError, RankLostError, RunError

MAX_LOST = 3
"""How often ranks may be lost, one time after the other without progress between, before it is not tried again."""


MAX_FAULTS_IN_PLACE = 2
"""How often a device may fail under one trial before the trial gives its place back, to be run elsewhere."""


def ignore_lost(stage: str, error: RunError) -> None:
    """Tell nobody."""
    del stage, error


class Retries:
    """Counts lost ranks without progress: a stage that ends its ranks itself must not do so for ever."""

    def __init__(self) -> None:
        self._num, self._reached = 0, -1

    def add(self, error: RankLostError, *, reached: int) -> None:
        """Count lost ranks.

        Args:
            error: What was lost.
            reached: Steps that are kept; more than the last time is progress.

        Raises:
            RankLostError: They were lost once too often.
        """
        self._num = 1 if reached > self._reached else self._num + 1
        self._reached = max(reached, self._reached)
        if self._num >= MAX_LOST:
            raise error


class Attempts:
    """What has gone wrong while a trial made one stage, and whether that is tried again where it is.

    Args:
        may_leave: Whether the trial can be run elsewhere; else whatever can be tried is tried here.
    """

    def __init__(self, *, may_leave: bool) -> None:
        self._may_leave = may_leave
        self._lost, self._num_faults, self._has_suspected = Retries(), 0, False
        self._has_retried_memory = False

    def lose(self, error: RankLostError, *, reached: int) -> None:
        """Count lost ranks.

        Args:
            error: What was lost, and how.
            reached: Steps that are kept.

        Raises:
            RankLostError: They are not tried again here.
        """
        if isinstance(error, PlaceLostError) and self._may_leave:
            raise error
        if isinstance(error, DeviceFaultError):
            self._num_faults += 1
            if self._may_leave and self._num_faults >= MAX_FAULTS_IN_PLACE:
                raise error
        self._lost.add(error, reached=reached)

    def suspect(self, error: BugError) -> None:
        """Count what may be a bug, or a device that has gone wrong: fresh ranks tell, once.

        Raises:
            BugError: It is a bug.
        """
        if self._has_suspected or not error.may_be_device:
            raise error
        self._has_suspected = True

    def may_retry_memory(self) -> bool:
        """Return whether a pass that ran out of memory is tried again at the same size; True the first time."""
        first = not self._has_retried_memory
        self._has_retried_memory = True
        return first

"""Which of several ranks' errors counts: the rank that died, or whose device broke, not those that waited for it.

When a rank ends, the others fail too: gloo's at once, because the connection closes; NCCL's after a timeout, or never.
So the first error that is heard need not be the cause. The others are given a moment to tell theirs; one that says
nothing in it hangs in a collective that will never complete, and is ended by whoever asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from trainables.errors import (
    DeviceFaultError,
    HangError,
    MemoryExhaustedError,
    PeerLostError,
    RankLostError,
)
from trainables.failures import exit_within
from trainables.monitoring.liveness import Watch, Watcher

T = TypeVar("T")

SECONDS_FOR_OTHERS = 10.0
"""How long the other ranks may take to tell their errors after the first: Ray tells within a second or two that a
process ended, and a machine may be busy."""

_DEATH, _DEVICE, _MEMORY, _OWN, _PEER = range(5)


def root_cause(errors: Iterable[Exception]) -> Exception:
    """Return the error that the others follow from: of equal ones the first.

    A process that ended counts before a device that failed, that before memory that ran out, that before whatever else
    a rank says of itself, and that before a rank that misses another one.
    """
    return min(errors, key=_order)


def _order(error: Exception) -> int:
    if isinstance(error, PeerLostError):
        return _PEER
    if isinstance(error, DeviceFaultError):
        return _DEVICE
    if isinstance(error, RankLostError) and not isinstance(error, HangError):
        return _DEATH
    return _MEMORY if isinstance(error, MemoryExhaustedError) else _OWN


class Gathering(Generic[T]):
    """Takes the answers of a group's ranks to one job.

    Args:
        num_ranks: How many answers are expected.
        watch: How the group is watched; None waits as long as it takes.
        clock: Seconds, monotonic.
    """

    def __init__(self, num_ranks: int, *, watch: Watch | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._num_ranks, self._watcher, self._clock = num_ranks, Watcher(watch), clock
        self.results: dict[int, T] = {}
        """Rank -> what it answered."""
        self._errors: dict[int, Exception] = {}
        self._deadline: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether no further answer is waited for."""
        if len(self.results) + len(self._errors) == self._num_ranks:
            return True
        if self._deadline is None:
            return False
        return self._clock() >= self._deadline or any(_order(one) == _DEATH for one in self._errors.values())

    @property
    def seconds_to_wait(self) -> float | None:
        """How long to wait for the next answer before asking `is_over` again; None for as long as it takes."""
        if self._deadline is None:
            return self._watcher.seconds_between_looks
        return max(0.0, self._deadline - self._clock())

    def take(self, rank: int, answer: Callable[[], T]) -> None:
        """Take one rank's answer.

        Args:
            rank: Its number.
            answer: Returns its result, or raises why there is none; what is raised is kept until all have answered.
        """
        try:
            self.results[rank] = answer()
        except Exception as error:
            if exit_within(error) is not None:  # this process is to end, whatever ranks say
                raise
            self._errors[rank] = error
            if self._deadline is None:
                self._deadline = self._clock() + SECONDS_FOR_OTHERS

    def nobody_answered(self) -> None:
        """Take note that nobody did, for as long as was to be waited.

        Raises:
            HangError: The group makes no progress; its ranks are to be ended.
        """
        if self._deadline is None:
            self._watcher.check()

    def raise_cause(self) -> None:
        """Return when no rank failed.

        Raises:
            InputError: Data or checkpoint do not fit.
            RunError: A rank failed; the cause, of several.
        """
        if self._errors:
            raise root_cause(error for _, error in sorted(self._errors.items()))

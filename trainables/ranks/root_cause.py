"""Finds the cause among the errors of several ranks: the rank that died, or whose device broke.

When a rank ends, the others fail too: with gloo at once, because the connection closes; with NCCL after a timeout, or
never. So the first error that arrives need not be the cause. The other ranks get a short time to report their errors. A
rank that reports nothing in this time hangs in a collective that will never complete, and the caller ends it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from trainables.errors import StoppedError
from trainables.failure_causes import RULES
from trainables.failures import exit_within, failure_rule
from trainables.monitoring.watchdog import Watch, Watcher

log = logging.getLogger(__name__)

T = TypeVar("T")

SECONDS_FOR_OTHERS = 10.0
"""Time for the other ranks to report their errors after the first: Ray reports an ended process within a second or two,
and a machine can be busy."""


def root_cause(errors: Iterable[Exception]) -> Exception:
    """Return the error that caused the others; of equal ones the first.

    The order (`failure_causes.RULES`): a process that ended, a device that failed, memory that ran out, any other error
    of a rank itself whose reason is known, such as wrong input, an error without a known reason, which can follow from
    what another rank did not do, a rank that cannot reach another one.

    Args:
        errors: The errors, in the order in which they were reported.
    """
    return min(errors, key=lambda error: failure_rule(error).rank_order)


def _is_death(error: Exception) -> bool:
    return failure_rule(error).rank_order == RULES["lost"].rank_order


class Gathering(Generic[T]):
    """Collects the answers of a group's ranks to one job.

    Args:
        num_ranks: Number of answers that are expected.
        watch: How the group is watched; None waits without a limit.
        clock: Returns seconds of a monotonic clock.
    """

    def __init__(self, num_ranks: int, *, watch: Watch | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._num_ranks, self._watcher, self._clock = num_ranks, Watcher(watch), clock
        self.results: dict[int, T] = {}
        """Rank -> its result."""
        self._errors: dict[int, Exception] = {}
        self._deadline: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is no need to wait for another answer."""
        if len(self.results) + len(self._errors) == self._num_ranks:
            return True
        if self._deadline is None:
            return False
        return self._clock() >= self._deadline or any(_is_death(error) for error in self._errors.values())

    @property
    def seconds_to_wait(self) -> float | None:
        """Time to wait for the next answer before a new look at `is_over`; None without a limit."""
        if self._deadline is None:
            return self._watcher.seconds_between_checks
        return max(0.0, self._deadline - self._clock())

    def take(self, rank: int, answer: Callable[[], T]) -> None:
        """Store one rank's answer.

        Args:
            rank: Its number.
            answer: Returns its result, or raises its error; the error is kept until all ranks have answered.
        """
        try:
            self.results[rank] = answer()
        except Exception as error:
            if exit_within(error) is not None:  # this process was asked to end, whatever the ranks report
                raise
            self._errors[rank] = error
            if self._deadline is None:
                self._deadline = self._clock() + SECONDS_FOR_OTHERS

    def nobody_answered(self) -> None:
        """Check the watch after a wait without an answer.

        Raises:
            HangError: The group makes no progress; the caller ends its ranks.
        """
        if self._deadline is None:
            self._watcher.check()

    def raise_cause(self) -> None:
        """Raise the error that caused the others; return if no rank failed.

        The log has the errors of the other ranks, and so have the notes of the one that is raised.

        Raises:
            InputError: Data or checkpoint do not fit.
            RunError: A rank failed.
        """
        if not self._errors:
            return
        cause = root_cause(self._errors.values())
        for rank, error in sorted(self._errors.items()):
            if error is not cause and not isinstance(error, StoppedError):
                note = f"rank {rank}: {type(error).__name__}: {error}"
                log.warning("%s", note)
                cause.add_note(note)
        raise cause

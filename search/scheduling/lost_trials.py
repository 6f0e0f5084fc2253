"""Counts how often a trial lost its process or its devices. A trial is tried again as long as it makes progress."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

from search.record import TrialRow
from search.scheduling.stage_demand import Plans
from trainables.errors import RankLostError
from trainables.failures import FailureKind
from trainables.trials.retries import MAX_LOST, Retries

log = logging.getLogger(__name__)

MAX_UNSTARTED = 10
"""Number of times that a trial's process can end before the trial has begun; then the trial fails."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a trial could not continue on its devices."""

    kind: FailureKind
    """`device_fault`, or `lost` if its ranks had no room any more."""
    message: str
    """The error message."""


class LostTrials:
    """Counts how often trials lost their process without any progress in between.

    Args:
        plans: Returns how far a trial has got.
    """

    def __init__(self, plans: Plans) -> None:
        self._plans = plans
        self._retries: dict[int, Retries] = {}
        self._unstarted: Counter[int] = Counter()
        self._attempts: dict[int, int] = {}

    def note_start(self, trial: TrialRow) -> None:
        """Note that a trial is started."""
        self._attempts[trial.number] = trial.attempts

    def forget(self, number: int) -> None:
        """Delete the counts of a trial that has ended."""
        self._retries.pop(number, None)
        self._unstarted.pop(number, None)
        self._attempts.pop(number, None)

    def failure_reason(self, trial: TrialRow, *, fault: Fault | None = None, is_lost: bool = False) -> str | None:
        """Return why a trial that lost its process or its device has failed; None if it is tried again.

        Args:
            trial: The trial.
            fault: Why the trial could not continue on its devices; None if it lost its process.
            is_lost: Whether its process has ended without a word. Else a trial that is recorded as waiting waits.
        """
        if trial.state == "interrupted" and not is_lost:
            return None
        if trial.attempts <= self._attempts[trial.number]:
            # The actor was lost while it was idle: the trial has not begun.
            self._unstarted[trial.number] += 1
            times = self._unstarted[trial.number]
            return f"its process ended {times} times before the trial began" if times >= MAX_UNSTARTED else None
        self._unstarted.pop(trial.number, None)
        rung = 0 if trial.rung is None else trial.rung + 1
        lost = RankLostError(f"trial {trial.number} lost its process")
        try:
            self._retries.setdefault(trial.number, Retries()).add(lost, reached=self._plans.reached(trial, rung=rung))
        except RankLostError:
            what = "it could not continue on its devices" if fault else "its process ended"
            last = f"; the last error: {fault.message}" if fault else ""
            return f"{what} {MAX_LOST} times, and it made no progress in between{last}"
        what = "cannot continue on its devices" if fault else "lost its process"
        log.warning("trial %d %s; it is re-queued and starts again", trial.number, what)
        return None

"""Trials whose processes went away, or whose devices failed: tried again while they get further."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

from search.record import TrialRow
from search.scheduling.planning import Plans
from trainables.errors import RankLostError
from trainables.failures import FailureKind
from trainables.trials.retries import MAX_LOST, Retries

log = logging.getLogger(__name__)

MAX_UNSTARTED = 10
"""How often a trial's process may end before the trial has begun, before that counts as its failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a trial could not go on where it was."""

    kind: FailureKind
    """`device_fault`, or `lost` where its ranks had no room any more."""
    said: str
    """In words."""


class LostTrials:
    """Counts how often trials lost their process without getting any further.

    Args:
        plans: Tells how far a trial has got.
    """

    def __init__(self, plans: Plans) -> None:
        self._plans = plans
        self._retries: dict[int, Retries] = {}
        self._unstarted: Counter[int] = Counter()
        self._attempts: dict[int, int] = {}

    def starts(self, trial: TrialRow) -> None:
        """Take note that a trial is handed out."""
        self._attempts[trial.number] = trial.attempts

    def forget(self, number: int) -> None:
        """Keep nothing of a trial that has ended."""
        self._retries.pop(number, None)
        self._unstarted.pop(number, None)
        self._attempts.pop(number, None)

    def error(self, trial: TrialRow, *, fault: Fault | None = None) -> str | None:
        """Return why a trial that lost its process, or its device, is not tried again; None when it is.

        Args:
            trial: The trial.
            fault: Why it gave its place back, if it did.
        """
        if trial.attempts <= self._attempts[trial.number]:
            # An actor that was lost while it waited for work: the trial knows nothing of it.
            self._unstarted[trial.number] += 1
            times = self._unstarted[trial.number]
            return f"its process ended {times} times before it had begun" if times >= MAX_UNSTARTED else None
        rung = 0 if trial.rung is None else trial.rung + 1
        lost = RankLostError(f"trial {trial.number} lost its process")
        try:
            self._retries.setdefault(trial.number, Retries()).add(lost, reached=self._plans.reached(trial, rung=rung))
        except RankLostError:
            how = "could not go on where it was" if fault else "its process ended"
            how = f"{how} {MAX_LOST} times"
            return f"{how}, and it got no further in between{f'; the last time: {fault.said}' if fault else ''}"
        log.warning(
            "trial %d %s; it starts again", trial.number, "gave its place back" if fault else "lost its process"
        )
        return None

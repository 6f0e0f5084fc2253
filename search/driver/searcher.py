"""Our Searcher and scheduler: Ray Tune asks them for trials and whether they climb, they ask the record.

Ray's own OptunaSearch tells early-stopped trials as complete, swallows failed tells and pickles itself
(docs/decisions/0004); this one holds nothing that the record does not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar  # Any: Tune's configurations and results are free-form dicts

from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from search.driver.quarantine import Quarantine
from search.driver.trial_order import TrialOrder
from search.driver.trial_trainable import DISK, FAULT, ORDER, RUNG
from search.errors import RecordFullError
from search.scheduling.lost_trials import Fault
from search.scheduling.pausing import Disk
from search.scheduling.proposing import Finished, Proposer, Start, Wait

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """A trial whose actor is done with it."""

    number: int
    disk: Disk | None
    fault: Fault | None
    """Why it cannot go on where it was."""


class RecordSearcher(Searcher):
    """Hands Tune the sweep's next trials.

    Args:
        proposer: Decides what runs next.
        order: Makes a trial's order.
        is_stopping: Whether the sweep was asked to stop.
        max_trials: Trials after which it says that there are no more, though there may be: for another one to go on.
    """

    def __init__(
        self,
        proposer: Proposer,
        *,
        order: Callable[[Start], TrialOrder],
        is_stopping: Callable[[], bool],
        max_trials: int,
    ) -> None:
        super().__init__()
        self._proposer, self._order, self._is_stopping = proposer, order, is_stopping
        self._num_left = max_trials
        self._numbers: dict[str, int] = {}
        self._ended: list[_Ended] = []
        self.has_faults = False
        """Whether a trial gave its place back because it could not go on there, since kept actors were last ended."""
        self.is_finished = False
        """Whether nothing is left to start."""
        self.last_change = time.monotonic()
        """When a trial was last handed out or ended."""

    def suggest(self, trial_id: str) -> Any:
        """Return the configuration of the next trial, None to be asked again, or FINISHED."""
        if self._num_left == 0:
            return Searcher.FINISHED
        if self._is_stopping():
            self._proposer.stop()
        start = self._pausing_if_full(self._next)
        if start is None or isinstance(start, Wait):
            return None
        if isinstance(start, Finished):
            self.is_finished = True
            return Searcher.FINISHED
        self._num_left -= 1
        self.last_change = time.monotonic()
        self._numbers[trial_id] = start.trial.number
        return {ORDER: self._order(start).model_dump_json()}

    def number(self, trial_id: str) -> int:
        """Return the number of a trial that was suggested and has not ended."""
        return self._numbers[trial_id]

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:  # noqa: FBT001, FBT002  (Tune's signature)
        """Let the next trial start. An exception here would make Tune run the finished trial again."""
        told = result if result and not error else {}  # all else the record knows
        self.last_change = time.monotonic()
        fault = Fault(**given) if (given := told.get(FAULT)) else None
        ended = _Ended(number=self._numbers.pop(trial_id), disk=told.get(DISK), fault=fault)
        self.has_faults |= ended.fault is not None
        self._ended.append(ended)
        self._pausing_if_full(self._take_notes)

    def settle(self) -> None:
        """Tell the proposer what could not be told yet, when nothing runs any more.

        Raises:
            RecordFullError: It cannot be told now either.
        """
        self._take_notes()

    def _next(self) -> Start | Wait | Finished:
        self._take_notes()
        return self._proposer.next()

    def _take_notes(self) -> None:
        """Tell the proposer which trials have ended, also those that could not be noted on a full disk."""
        while self._ended:
            one = self._ended[0]
            self._proposer.ended(one.number, disk=one.disk, fault=one.fault)
            del self._ended[0]

    def _pausing_if_full(self, act: Callable[[], T]) -> T | None:
        try:
            return act()
        except RecordFullError as error:
            self._proposer.pause(str(error))
            return None

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: the Tuner pickles itself when it is made, and nobody reads that pickle."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the record is saved."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: a sweep continues from its record."""


class RungScheduler(FIFOScheduler):
    """Lets a trial that was measured at a rung climb to the next, or ends it.

    Tune does not ask about a trial's last rung.

    Args:
        proposer: Decides.
        searcher: Knows which trial is which.
        idle_seconds: How long ranks are kept for which there is no trial, so that an autoscaler can take their host
            away; None keeps them until the sweep ends.
        quarantine: Keeps trials away from hosts and GPUs that are set apart; None where there are none to keep from.
    """

    def __init__(
        self,
        proposer: Proposer,
        *,
        searcher: RecordSearcher,
        idle_seconds: float | None = None,
        quarantine: Quarantine | None = None,
    ) -> None:
        super().__init__()
        self._quarantine = quarantine
        self._proposer, self._searcher, self._idle_seconds = proposer, searcher, idle_seconds

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Have a new trial placed where it may be."""
        has_changed = self._quarantine is not None and self._quarantine.look(at_once=True)
        if has_changed or self._searcher.has_faults:
            self._let_go(tune_controller)
        if self._quarantine is not None:
            trial.update_resources(self._quarantine.resources)
        super().on_trial_add(tune_controller, trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """Return the trial that Tune starts next; let go before that what is idle for too long, or fails."""
        idle_seconds = time.monotonic() - self._searcher.last_change
        is_idle = self._idle_seconds is not None and idle_seconds > self._idle_seconds
        has_changed = self._quarantine is not None and self._quarantine.look()
        if is_idle or has_changed or self._searcher.has_faults:
            self._let_go(tune_controller)
        return super().choose_trial_to_run(tune_controller)

    def _let_go(self, tune_controller: Any) -> None:
        """End the actors that Tune keeps, with their places, for the next trials; it has no setting for that."""
        self._searcher.has_faults = False
        tune_controller._tune_controller._cleanup_cached_actors(force_all=True)  # noqa: SLF001

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Return whether Tune goes on with a trial."""
        del tune_controller
        try:
            climbs = self._proposer.climbs(self._searcher.number(trial.trial_id), rung=result[RUNG])
        except RecordFullError as error:
            self._proposer.pause(str(error))  # it is decided when the trial is put back
            return self.STOP
        return self.CONTINUE if climbs else self.STOP

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: the Tuner pickles itself when it is made, and nobody reads that pickle."""
        return {}

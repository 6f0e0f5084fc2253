"""The Searcher and the scheduler that Ray Tune calls for the next trial and for promotions. Both read the record.

Ray's own OptunaSearch reports early-stopped trials as complete, ignores errors of Optuna's `tell`, and pickles itself
(docs/decisions/0004). This Searcher holds no results: they are all in the record.
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
from search.scheduling.disk_pause import Disk
from search.scheduling.lost_trials import Fault
from search.scheduling.scheduler import Finished, Start, TrialScheduler, Wait

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """A trial whose actor has ended its work on it."""

    number: int
    disk: Disk | None
    fault: Fault | None
    """Why the trial cannot continue on its devices; None if it can."""
    is_lost: bool
    """Whether the actor was lost, or failed, before it could say how the trial ended."""


class RecordSearcher(Searcher):
    """Gives Ray Tune the sweep's next trials.

    Args:
        scheduler: Decides which trial runs next.
        order: Makes the order for a trial actor.
        is_stopping: Returns whether the sweep was asked to stop.
        max_trials: Number of trials after which it returns FINISHED; another searcher then continues the sweep.
    """

    def __init__(
        self,
        scheduler: TrialScheduler,
        *,
        order: Callable[[Start], TrialOrder],
        is_stopping: Callable[[], bool],
        max_trials: int,
    ) -> None:
        super().__init__()
        self._scheduler, self._order, self._is_stopping = scheduler, order, is_stopping
        self._num_left = max_trials
        self._numbers: dict[str, int] = {}
        self._ended: list[_Ended] = []
        self.has_faults = False
        """Whether a trial was re-queued because of its devices since idle actors were last ended."""
        self.is_finished = False
        """Whether no trial is left to start."""
        self.last_change = time.monotonic()
        """Monotonic time at which a trial was last started or ended."""

    def suggest(self, trial_id: str) -> Any:
        """Return the configuration of the next trial, None if Tune has to ask again later, or FINISHED."""
        if self._num_left == 0:
            return Searcher.FINISHED
        if self._is_stopping():
            self._scheduler.stop()
        start = self._pause_if_full(self._next)
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
        """Return the number of a trial that was suggested and has not ended yet."""
        return self._numbers[trial_id]

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:  # noqa: FBT001, FBT002  (Tune's signature)
        """Note that a trial has ended, so that the next can start. If this raises, Tune runs the trial again."""
        reported = result if result and not error else {}  # everything else is in the record
        self.last_change = time.monotonic()
        fault = Fault(**given) if (given := reported.get(FAULT)) else None
        ended = _Ended(number=self._numbers.pop(trial_id), disk=reported.get(DISK), fault=fault, is_lost=error)
        self.has_faults |= ended.fault is not None
        self._ended.append(ended)
        self._scheduler.note_end(ended.number)
        self._pause_if_full(self._report_ended)

    def report_remaining(self) -> None:
        """Report the trials to the scheduler whose end could not be recorded so far; call it when no trial runs.

        Raises:
            RecordFullError: The record still cannot be written.
        """
        self._report_ended()

    def _next(self) -> Start | Wait | Finished:
        if self._scheduler.may_record():
            self._report_ended()
        return self._scheduler.next()

    def _report_ended(self) -> None:
        """Report ended trials to the scheduler, also those whose end could not be recorded on a full disk before."""
        while self._ended:
            trial = self._ended[0]
            self._scheduler.ended(trial.number, disk=trial.disk, fault=trial.fault, is_lost=trial.is_lost)
            del self._ended[0]

    def _pause_if_full(self, act: Callable[[], T]) -> T | None:
        try:
            return act()
        except RecordFullError as error:
            self._scheduler.pause(str(error))
            return None

    def __getstate__(self) -> dict[str, Any]:
        """Return an empty state: the Tuner pickles itself when it is created, and nothing reads that pickle."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the state is in the record."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: a sweep continues from its record."""


class RungScheduler(FIFOScheduler):
    """Promotes a trial that was measured at a rung to the next rung, or ends it.

    Ray Tune does not call it for a trial's last rung.

    Args:
        scheduler: Decides on promotions.
        searcher: Knows the number of each of Tune's trials.
        idle_seconds: How long ranks without a trial are kept; then they end, so that an autoscaler can remove their
            host. None keeps them until the sweep ends.
        quarantine: Keeps trials away from quarantined hosts and GPUs; None without a quarantine.
    """

    def __init__(
        self,
        scheduler: TrialScheduler,
        *,
        searcher: RecordSearcher,
        idle_seconds: float | None = None,
        quarantine: Quarantine | None = None,
    ) -> None:
        super().__init__()
        self._quarantine = quarantine
        self._scheduler, self._searcher, self._idle_seconds = scheduler, searcher, idle_seconds
        self._kept: tuple[Any, int] | None = None  # of the actors that Tune keeps without a trial: resources, number

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Give a new trial a placement group without the quarantined hosts."""
        has_changed = self._quarantine is not None and self._quarantine.refresh(at_once=True)
        if has_changed or self._searcher.has_faults:
            self._end_idle_actors(tune_controller)
        if self._quarantine is not None:
            trial.update_resources(self._quarantine.resources)
        self._keep_actors(tune_controller, trial.placement_group_factory)
        super().on_trial_add(tune_controller, trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """Return the trial that Tune starts next. First end actors that were idle for long or whose devices fail."""
        idle_seconds = time.monotonic() - self._searcher.last_change
        is_idle = self._idle_seconds is not None and idle_seconds > self._idle_seconds
        has_changed = self._quarantine is not None and self._quarantine.refresh()
        if is_idle or has_changed or self._searcher.has_faults:
            self._end_idle_actors(tune_controller)
        return super().choose_trial_to_run(tune_controller)

    def _keep_actors(self, tune_controller: Any, resources: Any) -> None:
        """Let Tune keep the actors of all trials that run at a time, though no trial is ready for them now.

        By itself Tune keeps one. Where all trials waited for one stage, the ranks of the others were ended and started
        again a moment later.
        """
        kept = (resources, self._scheduler.concurrency)
        if kept == self._kept:
            return
        cache = tune_controller._tune_controller._actor_cache  # noqa: SLF001  (Tune has no setting for it)
        if self._kept is not None:
            cache.decrease_max(self._kept[0], by=self._kept[1])
        cache.increase_max(resources, by=kept[1])
        self._kept = kept

    def _end_idle_actors(self, tune_controller: Any) -> None:
        """End the actors and placement groups that Tune keeps for later trials; Tune has no setting for that."""
        self._searcher.has_faults = False
        tune_controller._tune_controller._cleanup_cached_actors(force_all=True)  # noqa: SLF001

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Return CONTINUE if the trial is promoted to the next rung, else STOP."""
        del tune_controller
        try:
            is_promoted = self._scheduler.is_promoted(self._searcher.number(trial.trial_id), rung=result[RUNG])
        except RecordFullError as error:
            self._scheduler.pause(str(error))  # the decision is made when the trial is queued again
            return self.STOP
        return self.CONTINUE if is_promoted else self.STOP

    def __getstate__(self) -> dict[str, Any]:
        """Return an empty state: the Tuner pickles itself when it is created, and nothing reads that pickle."""
        return {}

"""Says for which trials the store of a sweep with `keep:` has room, and lets its keeper remove stages in time."""

from __future__ import annotations

from collections.abc import Sequence

from search.record import TrialRow
from search.scheduling.stage_demand import Plans
from search.stages import StoreKeeper
from search.stages.keep_policy import makes_shared, waiting_of
from trainables.plan.stage_plan import Stage


class StoreRoom:
    """The room in a sweep's store; without a keeper there is always room.

    Args:
        plans: The driver's view of the stages of trials.
    """

    def __init__(self, plans: Plans) -> None:
        self._plans = plans
        self._running: dict[int, tuple[Stage, ...]] = {}
        self._has_ended = True
        self._has_news = True
        self.keeper: StoreKeeper | None = None
        """Removes stages; None without `keep:`."""

    @property
    def is_limited(self) -> bool:
        """Whether a trial may have to wait for room."""
        return self.keeper is not None

    def look_again(self) -> bool:
        """Let the next decision look at store and record anew; return whether anything has changed since the last."""
        has_news, self._has_news = self._has_news, False
        if has_news and self.keeper is not None:
            self.keeper.look_again()
        return has_news

    def tidy(self) -> None:
        """Remove what need not stay, if a trial has ended since the last time."""
        if self.keeper is not None and self._has_ended:
            self._has_ended = False
            self.keeper.look_again()
            self._forget(self.keeper.tidy())

    def has_room(self, trial: TrialRow, *, rung: int, is_forced: bool = False) -> bool:
        """Return whether the store has room for the stages that a trial makes at a rung; remove others for it.

        Args:
            trial: The trial.
            rung: The rung that it would run.
            is_forced: Whether it starts in any case; the result is then True.
        """
        if self.keeper is None:
            return True
        others = [stages for number, stages in self._running.items() if number != trial.number]
        missing = self._plans.missing(trial, rung=rung)
        has_room, removed = self.keeper.make_room(missing, running=others, is_forced=is_forced)
        self._forget(removed)
        return has_room or is_forced

    def choose(self, trials: Sequence[tuple[TrialRow, int]], *, is_idle: bool) -> int | None:
        """Return the place of the first waiting trial for which the store has room; remove other stages for it.

        If no trial runs, nothing else will make room. Then a trial starts in any case: one that makes no stages for
        others, if there is one, and of these the one that needs the least. It lets others end that need those stages.

        Args:
            trials: The trials that can start, in order, with their rungs; at least one.
            is_idle: Whether no trial runs.
        """
        assert self.keeper is not None  # noqa: S101  (the scheduler asks only with a keeper)
        size = self.keeper.size
        missing = [self._plans.missing(trial, rung=rung) for trial, rung in trials]
        waiting, running = waiting_of(missing, size=size), list(self._running.values())
        for place, stages in enumerate(missing):
            has_room, removed = self.keeper.make_room(stages, running=running, waiting=waiting)
            self._forget(removed)
            if has_room:
                return place
        if not is_idle:
            return None
        least = min(range(len(missing)), key=lambda at: (makes_shared(missing[at]), sum(map(size, missing[at]))))
        _, removed = self.keeper.make_room(missing[least], running=running, is_forced=True)
        self._forget(removed)
        return least

    def note_start(self, trial: TrialRow, *, rung: int) -> None:
        """Note that a trial starts a rung: the store must have room for what it makes."""
        if self.keeper is not None:
            self._running[trial.number] = self._plans.missing(trial, rung=rung)
            self._has_news = True

    def note_end(self, number: int) -> None:
        """Note that a trial runs no more."""
        self._running.pop(number, None)
        self._has_news = self._has_ended = True

    def note_waiting(self) -> None:
        """Note that a trial waits: it needs stages of the store."""
        self._has_news = True

    def _forget(self, removed: tuple[str, ...]) -> None:
        for key in removed:
            self._plans.note_removed(key)

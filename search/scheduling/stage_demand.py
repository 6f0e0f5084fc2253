"""Finds which stages the trials of a sweep still need from the store, as a hint for the driver's decisions.

A stage that the driver finds missing can be complete when the trial looks for it, and the other way round; the trial
itself finds, leases and makes its stages. If a trial's data is not on the driver's machine, its stages are unknown, and
it starts when there is room.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Protocol

from search.record import TrialRow
from search.scheduling.start_order import Candidate
from trainables.config import RungsConfig
from trainables.errors import TrainablesError
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import Stage, missing_stages, plan_stages
from trainables.plan.starting_weights import with_absolute_folders
from trainables.stage_store import StageStore

log = logging.getLogger(__name__)

SECONDS_BETWEEN_LOOKS = 1.0
"""Time after which the store is asked again about a stage that was missing or leased."""

_PER_STAGE, _PER_RUNG = 1 << 40, 1 << 50
"""Weights of a stage and of a rung in `reached`: more than the steps of any stage, and the stages of any trial."""


class Plans(Protocol):
    """The driver's view of the stages of trials."""

    def candidate(self, trial: TrialRow, *, rung: int) -> Candidate:
        """Return the trial as a candidate, with the stages that it has to make at a rung."""
        ...

    def missing(self, trial: TrialRow, *, rung: int) -> tuple[Stage, ...]:
        """Return the stages that a trial has to make at a rung; empty if they are unknown."""
        ...

    def note_removed(self, key: str) -> None:
        """Note that a stage was removed from the store."""
        ...

    def reached(self, trial: TrialRow, *, rung: int) -> int:
        """Return a number that grows with a trial's progress: by rungs, then stages, then steps of the next stage."""
        ...

    def is_held(self, key: str) -> bool:
        """Return whether a process, of this sweep or another, is making a stage."""
        ...

    def expired(self, key: str) -> str | None:
        """Return the name of a stage's lease if its holder is known to be dead, else None."""
        ...

    def trunks(self, trial: TrialRow) -> frozenset[str]:
        """Return the keys of a trial's trunks, at all rungs."""
        ...

    def drop(self, key: str) -> None:
        """Delete a trunk that no trial extends any more."""
        ...

    def items(self, key: str, *, languages: Sequence[str]) -> tuple[float, ...]:
        """Return the accuracy of each item in an evaluation stage: the mean over languages, 0 to 1.

        Empty if the store lacks the stage, the languages are not parallel, or an answer is more than one label.
        """
        ...

    def forget(self, number: int) -> None:
        """Delete the plans of a trial that has ended."""
        ...


class StagePlans:
    """Plans of trials over one store.

    Args:
        store: The sweep's store.
        rungs: Rungs of the sweep's trials.
    """

    def __init__(self, store: StageStore, *, rungs: RungsConfig) -> None:
        self._store, self._rungs = store, rungs
        self._plans: dict[tuple[int, int], tuple[Stage, ...]] = {}
        self._complete: set[str] = set()
        self._looked: dict[str, float] = {}
        self._held: dict[str, tuple[float, bool]] = {}
        self._items: dict[str, tuple[float, ...]] = {}

    def candidate(self, trial: TrialRow, *, rung: int) -> Candidate:
        """Return the trial as a candidate, with the stages that it has to make at a rung."""
        missing = self.missing(trial, rung=rung)
        return Candidate(
            number=trial.number,
            missing=tuple(stage.key for stage in missing),
            starts=tuple(stage.parent for stage in missing),
        )

    def missing(self, trial: TrialRow, *, rung: int) -> tuple[Stage, ...]:
        """Return the stages that a trial has to make at a rung; empty if they are unknown."""
        return missing_stages(self._plan(trial, rung=rung), is_complete=self._is_complete)

    def note_removed(self, key: str) -> None:
        """Note that a stage was removed from the store."""
        self._complete.discard(key)
        self._looked.pop(key, None)

    def reached(self, trial: TrialRow, *, rung: int) -> int:
        """Return a number that grows with a trial's progress: by rungs, then stages, then steps of the next stage."""
        plan = self._plan(trial, rung=rung)
        missing = missing_stages(plan, is_complete=self._store.has)
        kept = self._store.newest_checkpoint(missing[0].key) if missing else None
        num_measured = 0 if trial.rung is None else trial.rung + 1
        return num_measured * _PER_RUNG + (len(plan) - len(missing)) * _PER_STAGE + (kept.step if kept else 0)

    def is_held(self, key: str) -> bool:
        """Return whether a process, of this sweep or another, is making a stage."""
        looked, held = self._held.get(key, (float("-inf"), False))
        if time.monotonic() - looked >= SECONDS_BETWEEN_LOOKS:
            held = not self._store.could_lease(key)
            self._held[key] = (time.monotonic(), held)
        return held

    def expired(self, key: str) -> str | None:
        """Return the name of a stage's lease if its holder is known to be dead, else None."""
        return self._store.expired_lease(key)

    def trunks(self, trial: TrialRow) -> frozenset[str]:
        """Return the keys of a trial's trunks, at all rungs."""
        plans = (self._plan(trial, rung=rung) for rung in range(self._rungs.num))
        return frozenset(stage.key for plan in plans for stage in plan if stage.is_trunk)

    def drop(self, key: str) -> None:
        """Delete a trunk that no trial extends any more; a trunk that is being read is kept."""
        self.note_removed(key)
        self._store.space.remove(key)

    def items(self, key: str, *, languages: Sequence[str]) -> tuple[float, ...]:
        """Return the accuracy of each item in an evaluation stage, the mean over languages; empty if it is unknown."""
        if (known := self._items.get(key)) is not None:
            return known
        from trainables.evaluation.correctness import FILE, read_correctness

        stage = self._store.find(key)
        path = None if stage is None else stage.folder / FILE
        found = read_correctness(path, languages=languages) if path is not None and path.is_file() else None
        if found is None:
            return ()
        return self._items.setdefault(key, tuple(map(float, found)))

    def forget(self, number: int) -> None:
        """Delete the plans of a trial that has ended."""
        for rung in range(self._rungs.num):
            self._plans.pop((number, rung), None)

    def _plan(self, trial: TrialRow, *, rung: int) -> tuple[Stage, ...]:
        known = self._plans.get((trial.number, rung))
        if known is None:
            known = self._plans[trial.number, rung] = self._make_plan(trial, rung=rung)
        return known

    def _make_plan(self, trial: TrialRow, *, rung: int) -> tuple[Stage, ...]:
        try:
            config = with_absolute_folders(trial.trial_config)
            return plan_stages(config, provenance=read_provenance(config), rungs=self._rungs, rung=rung)
        except TrainablesError as error:
            log.info(
                "the stages of trial %d cannot be planned on this machine (%s); it starts when there is room",
                trial.number,
                error,
            )
            return ()

    def _is_complete(self, key: str) -> bool:
        if key in self._complete:
            return True
        if time.monotonic() - self._looked.get(key, float("-inf")) < SECONDS_BETWEEN_LOOKS:
            return False
        self._looked[key] = time.monotonic()
        if self._store.has(key):
            self._complete.add(key)
        return key in self._complete

"""Simulates the schedule of a sweep: which stages are made when, with the driver's plans and start order. Pure.

Time passes only while stages are made. A worker runs the rungs of a trial one after another, and starts the next stage
at once. If another trial is making this stage, the trial frees its worker and waits, as with the driver (`scheduler`).
Trunks that no trial can extend any more are deleted. The caller gives the time of each stage and decides on promotions.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from search.forecast.kept_stages import Keeping
from search.scheduling.start_order import Candidate, in_order
from trainables.plan.stage_plan import Stage, missing_stages

Plan = tuple[tuple[Stage, ...], ...]
"""The stages of a trial at each of its rungs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeStage:
    """A stage that was made, with its times."""

    stage: Stage
    trial: int
    """Number of the trial that made it."""
    started: float
    """Seconds after the sweep's start."""
    ended: float
    """Seconds after the sweep's start."""


@dataclass(slots=True, kw_only=True)
class Schedule:
    """The schedule of a simulated sweep."""

    made_stages: list[MadeStage] = field(default_factory=list[MadeStage])
    """Every stage that was made, in order of its end."""
    drops: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    """Time at which a trunk was deleted, and its key."""
    rungs_reached: dict[int, int] = field(default_factory=dict[int, int])
    """Trial -> its highest rung."""

    @property
    def makespan_seconds(self) -> float:
        """Seconds from the sweep's start to its end."""
        return max((made.ended for made in self.made_stages), default=0.0)

    @property
    def busy_seconds(self) -> float:
        """Seconds that workers spent on stages, summed over workers."""
        return sum(made.ended - made.started for made in self.made_stages)

    def peak(self, size: Callable[[Stage], int], *, shared: Callable[[Stage], int] = lambda _: 0) -> int:
        """Return the largest total size of the stages that exist at one time.

        Args:
            size: Returns the size of a stage, from its end until it is deleted.
            shared: Returns the part of this size that the store has once for all stages that froze the same weights.
        """
        stages = {made.stage.key: made.stage for made in self.made_stages}
        changes = [(made.ended, 1, made.stage.key) for made in self.made_stages]
        changes += [(at, -1, key) for at, key in self.drops if key in stages]  # one that was there before has no size
        sharers: Counter[tuple[str | None, int]] = Counter()
        total = peak = 0
        for _, change, key in sorted(changes):  # deletions come before additions at the same time
            num_bytes, stage = shared(stages[key]), stages[key]
            total += change * (size(stage) - num_bytes)
            weights = (_frozen_since(stage, stages=stages, shared=shared), num_bytes)
            before, sharers[weights] = sharers[weights], sharers[weights] + change
            total += num_bytes * ((sharers[weights] > 0) - (before > 0))
            peak = max(peak, total)
        return peak


def _frozen_since(stage: Stage, *, stages: Mapping[str, Stage], shared: Callable[[Stage], int]) -> str | None:
    """Return the key of the stage whose weights a stage still has where it is frozen; None is the trial's encoder."""
    parent = stages.get(stage.parent or "")
    while parent is not None and shared(parent) >= shared(stage):
        stage, parent = parent, stages.get(parent.parent or "")
    return stage.parent


@dataclass(slots=True, kw_only=True)
class _Running:
    rung: int
    candidate: Candidate
    current: MadeStage | None = None
    """The stage that it makes now."""


class Simulation:
    """One sweep.

    Args:
        plans: Number of a trial -> its stages at each rung, in the order of proposals.
        seconds: Returns the seconds that making a stage takes.
        is_promoted: Returns whether a trial that was just measured at a rung below its last is promoted.
        num_workers: Number of trials that run at a time.
        max_ahead: Number of trials that are proposed before they can start.
        is_made: Returns whether a stage exists before the sweep starts.
    """

    def __init__(
        self,
        plans: Mapping[int, Plan],
        *,
        seconds: Callable[[Stage], float],
        is_promoted: Callable[[int, int], bool],
        num_workers: int,
        max_ahead: int,
        is_made: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._plans, self._seconds, self._is_promoted = plans, seconds, is_promoted
        self._num_workers, self._max_ahead = num_workers, max_ahead
        self._unproposed = list(plans)[::-1]
        self._keeping: Keeping | None = None
        self._making: dict[int, tuple[Stage, ...]] = {}
        self._pending: dict[int, int] = {}
        self._running: dict[int, _Running] = {}
        self._candidates: dict[tuple[int, int], Candidate] = {}
        self._trunks = {number: {stage.key for stage in plan[-1] if stage.is_trunk} for number, plan in plans.items()}
        self._users: Counter[str] = Counter()
        """Trunk -> number of trials that were proposed, have not ended, and may extend it."""
        self._made = {stage.key for plan in plans.values() for stages in plan for stage in stages if is_made(stage.key)}
        self._in_progress: set[str] = set()
        self._loaded: frozenset[str] = frozenset()
        self._now = 0.0
        self._ends: list[tuple[float, int]] = []
        self._schedule = Schedule()

    def keep(self, keeping: Keeping) -> None:
        """Let stages be removed while the sweep runs; without it only trunks go that no trial extends any more."""
        self._keeping = keeping

    def run(self) -> Schedule:
        """Return the schedule until every trial has ended. Call it once."""
        self._start_trials()
        while self._ends:
            self._now, number = heapq.heappop(self._ends)
            self._finish_stage(number)
            self._advance(number)
            self._start_trials()
        assert not self._pending, "trials wait for each other"  # noqa: S101  (running trials never wait)
        return self._schedule

    def _start_trials(self) -> None:
        self._propose_ahead()
        while len(self._running) < self._num_workers and (candidate := self._choose()):
            rung = self._pending.pop(candidate.number)
            self._make_room(candidate.number, rung=rung)
            self._running[candidate.number] = _Running(rung=rung, candidate=candidate)
            self._advance(candidate.number)
            self._propose_ahead()

    def _propose_ahead(self) -> None:
        while self._unproposed and len(self._pending) < self._max_ahead:
            number = self._unproposed.pop()
            self._pending[number] = 0
            self._users.update(self._trunks[number])
            if self._keeping is not None:
                self._keeping.add(stage for stages in self._plans[number] for stage in stages)

    def _choose(self) -> Candidate | None:
        candidates = [self._candidate(number, rung) for number, rung in self._pending.items()]
        in_flight = {key for running in self._running.values() for key in running.candidate.missing}
        ordered = in_order(candidates, in_flight=in_flight, loaded=self._loaded)
        if self._keeping is None or not ordered:
            return next(iter(ordered), None)
        missing = [self._missing(each.number, rung=self._pending[each.number]) for each in ordered]
        place = self._keeping.choose(missing, made=self._made, running=self._in_making(), is_idle=not self._running)
        return None if place is None else ordered[place]

    def _in_making(self) -> list[Stage]:
        """Return the stages that running trials had to make when they started."""
        return [stage for number in self._running for stage in self._making.get(number, ())]

    def _make_room(self, number: int, *, rung: int) -> None:
        """Remove what the keeper of the store removes before a trial runs a rung."""
        if self._keeping is None:
            return
        running = [stage for stage in self._in_making() if stage not in self._making.get(number, ())]
        self._making[number] = self._missing(number, rung=rung)
        self._remove(self._keeping.removed(self._making[number], made=self._made, running=running))

    def _remove(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._made.remove(key)
            self._schedule.drops.append((self._now, key))
        if keys:
            self._candidates.clear()

    def _missing(self, number: int, *, rung: int) -> tuple[Stage, ...]:
        return missing_stages(self._plans[number][rung], is_complete=self._made.__contains__)

    def _candidate(self, number: int, rung: int) -> Candidate:
        known = self._candidates.get((number, rung))
        if known is None or not self._made.isdisjoint(known.missing):
            missing = self._missing(number, rung=rung)
            known = Candidate(
                number=number,
                missing=tuple(stage.key for stage in missing),
                starts=tuple(stage.parent for stage in missing),
            )
            self._candidates[number, rung] = known
        return known

    def _advance(self, number: int) -> None:
        """Let a running trial start its next stage, be promoted, wait, or end."""
        while number in self._running:
            running = self._running[number]
            stage = self._next_stage(number, rung=running.rung)
            if stage is None:
                self._finish_rung(number, running)
            elif stage.key in self._in_progress:
                self._pending[number] = running.rung
                self._leave(number)
            else:
                self._start_stage(stage, number=number)
                return

    def _next_stage(self, number: int, *, rung: int) -> Stage | None:
        missing = self._missing(number, rung=rung)
        return missing[0] if missing else None

    def _start_stage(self, stage: Stage, *, number: int) -> None:
        ended = self._now + self._seconds(stage)
        self._in_progress.add(stage.key)
        self._running[number].current = MadeStage(stage=stage, trial=number, started=self._now, ended=ended)
        heapq.heappush(self._ends, (ended, number))

    def _finish_stage(self, number: int) -> None:
        made = self._running[number].current
        assert made is not None  # noqa: S101  (the stage was started)
        self._in_progress.remove(made.stage.key)
        self._made.add(made.stage.key)
        self._schedule.made_stages.append(made)

    def _finish_rung(self, number: int, running: _Running) -> None:
        self._schedule.rungs_reached[number] = running.rung
        is_last = running.rung == len(self._plans[number]) - 1
        if not is_last and self._is_promoted(number, running.rung):
            running.rung += 1
            self._make_room(number, rung=running.rung)
            running.candidate = self._candidate(number, running.rung)
        else:
            self._leave(number)
            self._drop_trunks(number)
            self._free(number, is_finished=is_last)

    def _leave(self, number: int) -> None:
        self._loaded = frozenset(start for start in self._running.pop(number).candidate.starts if start)

    def _free(self, number: int, *, is_finished: bool) -> None:
        """Let the keeper of the store remove what only an ended trial needed."""
        if self._keeping is None:
            return
        stages = [stage for plan in self._plans[number] for stage in plan]
        self._keeping.end(number, stages=stages, finished=self._plans[number][-1] if is_finished else None)
        self._making.pop(number, None)
        self._remove(self._keeping.removed((), made=self._made, running=self._in_making()))

    def _drop_trunks(self, number: int) -> None:
        self._users.subtract(self._trunks[number])
        for key in sorted(self._trunks[number]):
            if not self._users[key] and key in self._made:
                self._made.remove(key)
                self._schedule.drops.append((self._now, key))


def longest_chain(stages: Sequence[Stage], *, seconds: Callable[[Stage], float]) -> float:
    """Return the seconds of the longest chain of stages that are made from each other: no sweep is shorter.

    Args:
        stages: Stages, with parents, trunks and parts before the stages that are made from them.
        seconds: Returns the seconds that making a stage takes.
    """
    ends: dict[str, float] = {}
    for stage in stages:
        before = [ends[key] for key in (stage.parent, *stage.made_of) if key in ends]
        ends[stage.key] = max(before, default=0.0) + seconds(stage)
    return max(ends.values(), default=0.0)

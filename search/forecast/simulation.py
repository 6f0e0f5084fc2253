"""A sweep's schedule without training: which stages are made when, with the driver's own plans and order. Pure.

Time passes only while stages are made. A worker runs a trial's rungs one after another and starts the next stage at
once; where another is making it, the trial gives its worker back and waits, as under the driver (`proposing`). Trunks
that no trial can extend any more are dropped. What a stage takes, and which trials climb, is the caller's to say.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from search.scheduling.ordering import Candidate, in_order
from trainables.plan.stage_plan import Stage, missing_stages

Plan = tuple[tuple[Stage, ...], ...]
"""The stages of a trial at each of its rungs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """A stage that was made."""

    stage: Stage
    trial: int
    """Number of the trial that made it."""
    started: float
    """Seconds after the sweep's start."""
    ended: float
    """Seconds after the sweep's start."""


@dataclass(slots=True, kw_only=True)
class Course:
    """What happened in a simulated sweep."""

    makings: list[Making] = field(default_factory=list[Making])
    """Every stage that was made, in order of its end."""
    drops: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    """When a trunk was dropped, and its key."""
    rungs_reached: dict[int, int] = field(default_factory=dict[int, int])
    """Trial -> its highest rung."""

    @property
    def makespan_seconds(self) -> float:
        """From the sweep's start to its end."""
        return max((making.ended for making in self.makings), default=0.0)

    @property
    def busy_seconds(self) -> float:
        """Time that workers spent on stages, summed over workers."""
        return sum(making.ended - making.started for making in self.makings)

    def peak(self, size: Callable[[Stage], int]) -> int:
        """Return the most that all stages took at any time, if a stage takes its `size` until it is dropped."""
        sizes = {making.stage.key: size(making.stage) for making in self.makings}
        changes = [(making.ended, sizes[making.stage.key]) for making in self.makings]
        changes += [(at, -sizes[key]) for at, key in self.drops]
        taken = peak = 0
        for _, change in sorted(changes):  # at one time what is dropped goes first
            taken += change
            peak = max(peak, taken)
        return peak


@dataclass(slots=True, kw_only=True)
class _Running:
    rung: int
    candidate: Candidate
    making: Making | None = None


class Simulation:
    """One sweep.

    Args:
        plans: Trial's number -> its stages at each rung, in the order in which they are proposed.
        seconds: Time that making a stage takes.
        climbs: Tells whether a trial that was just measured at a rung below its last climbs.
        num_workers: Trials that run at a time.
        max_ahead: Trials that are proposed before they can start.
        is_made: Tells whether a stage was there before.
    """

    def __init__(
        self,
        plans: Mapping[int, Plan],
        *,
        seconds: Callable[[Stage], float],
        climbs: Callable[[int, int], bool],
        num_workers: int,
        max_ahead: int,
        is_made: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._plans, self._seconds, self._climbs = plans, seconds, climbs
        self._num_workers, self._max_ahead = num_workers, max_ahead
        self._unproposed = list(plans)[::-1]
        self._pending: dict[int, int] = {}
        self._running: dict[int, _Running] = {}
        self._candidates: dict[tuple[int, int], Candidate] = {}
        self._trunks = {number: {one.key for one in plan[-1] if one.is_trunk} for number, plan in plans.items()}
        self._users: Counter[str] = Counter()
        """Trunk -> trials that were proposed, have not ended, and may extend it."""
        self._made = {stage.key for plan in plans.values() for stages in plan for stage in stages if is_made(stage.key)}
        self._making: set[str] = set()
        self._loaded: frozenset[str] = frozenset()
        self._now = 0.0
        self._ends: list[tuple[float, int]] = []
        self._course = Course()

    def run(self) -> Course:
        """Return what happens until every trial has ended. To be called once."""
        self._start_trials()
        while self._ends:
            self._now, number = heapq.heappop(self._ends)
            self._finish_stage(number)
            self._go_on(number)
            self._start_trials()
        assert not self._pending, "trials wait for each other"  # noqa: S101  (whoever runs waits for nothing)
        return self._course

    def _start_trials(self) -> None:
        self._propose_ahead()
        while len(self._running) < self._num_workers and (candidate := self._choose()):
            rung = self._pending.pop(candidate.number)
            self._running[candidate.number] = _Running(rung=rung, candidate=candidate)
            self._go_on(candidate.number)
            self._propose_ahead()

    def _propose_ahead(self) -> None:
        while self._unproposed and len(self._pending) < self._max_ahead:
            number = self._unproposed.pop()
            self._pending[number] = 0
            self._users.update(self._trunks[number])

    def _choose(self) -> Candidate | None:
        candidates = [self._candidate(number, rung) for number, rung in self._pending.items()]
        in_flight = {key for one in self._running.values() for key in one.candidate.missing}
        return next(iter(in_order(candidates, in_flight=in_flight, loaded=self._loaded)), None)

    def _candidate(self, number: int, rung: int) -> Candidate:
        known = self._candidates.get((number, rung))
        if known is None or not self._made.isdisjoint(known.missing):
            missing = missing_stages(self._plans[number][rung], is_complete=self._made.__contains__)
            known = Candidate(
                number=number,
                missing=tuple(stage.key for stage in missing),
                starts=tuple(stage.parent for stage in missing),
            )
            self._candidates[number, rung] = known
        return known

    def _go_on(self, number: int) -> None:
        """Let a running trial begin its next stage, climb, wait, or end."""
        while number in self._running:
            running = self._running[number]
            stage = self._next_stage(number, rung=running.rung)
            if stage is None:
                self._measured(number, running)
            elif stage.key in self._making:
                self._pending[number] = running.rung
                self._leave(number)
            else:
                self._begin(stage, number=number)
                return

    def _next_stage(self, number: int, *, rung: int) -> Stage | None:
        missing = missing_stages(self._plans[number][rung], is_complete=self._made.__contains__)
        return missing[0] if missing else None

    def _begin(self, stage: Stage, *, number: int) -> None:
        ended = self._now + self._seconds(stage)
        self._making.add(stage.key)
        self._running[number].making = Making(stage=stage, trial=number, started=self._now, ended=ended)
        heapq.heappush(self._ends, (ended, number))

    def _finish_stage(self, number: int) -> None:
        making = self._running[number].making
        assert making is not None  # noqa: S101  (what ended was begun)
        self._making.remove(making.stage.key)
        self._made.add(making.stage.key)
        self._course.makings.append(making)

    def _measured(self, number: int, running: _Running) -> None:
        self._course.rungs_reached[number] = running.rung
        is_last = running.rung == len(self._plans[number]) - 1
        if not is_last and self._climbs(number, running.rung):
            running.rung += 1
            running.candidate = self._candidate(number, running.rung)
        else:
            self._leave(number)
            self._drop_trunks(number)

    def _leave(self, number: int) -> None:
        self._loaded = frozenset(start for start in self._running.pop(number).candidate.starts if start)

    def _drop_trunks(self, number: int) -> None:
        self._users.subtract(self._trunks[number])
        for key in sorted(self._trunks[number]):
            if not self._users[key] and key in self._made:
                self._made.remove(key)
                self._course.drops.append((self._now, key))


def longest_chain(stages: Sequence[Stage], *, seconds: Callable[[Stage], float]) -> float:
    """Return the time of the longest chain of stages that start from or continue each other: no sweep is shorter.

    Args:
        stages: Stages, parents and trunks before what is made from them.
        seconds: Time that making one takes.
    """
    ends: dict[str, float] = {}
    for stage in stages:
        before = [ends[one] for one in (stage.parent, stage.continues) if one in ends]
        ends[stage.key] = max(before, default=0.0) + seconds(stage)
    return max(ends.values(), default=0.0)

"""Simulates what `keep:` leaves in the store of a sweep: the policy of the driver's keeper, on planned stages. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from search.stages.keep_policy import Removable, headroom, makes_shared, removals, waiting_of
from spaces.keep import KeepConfig
from trainables.plan.stage_plan import Stage


class Keeping:
    """The stages that a simulated sweep needs and removes.

    The parts of a merge or an average count as needed until the trial ends; the driver's keeper frees them as soon as
    the combination is made.

    Args:
        keep: The sweep's `keep`.
        size: Returns the size of a stage.
        scores: Score of each trial, the higher the better.
    """

    def __init__(self, keep: KeepConfig, *, size: Callable[[Stage], int], scores: Mapping[int, float]) -> None:
        self._keep, self._size, self._scores = keep, size, scores
        self._users: Counter[str] = Counter()
        self._stages: dict[str, Stage] = {}
        self._best: dict[int, frozenset[str]] = {}

    def add(self, stages: Iterable[Stage]) -> None:
        """Add a trial that was proposed: it needs its stages at all its rungs."""
        of_trial = {stage.key: stage for stage in stages}
        self._stages |= of_trial
        self._users.update(of_trial.keys())

    def end(self, number: int, *, stages: Iterable[Stage], finished: Sequence[Stage] | None) -> None:
        """End a trial: it needs nothing any more, but the stages of the best trials stay.

        Args:
            number: Number of the trial.
            stages: Its stages at all its rungs.
            finished: Its stages at its last rung; None if it was pruned.
        """
        self._users.subtract({stage.key for stage in stages})
        if finished is None:
            return
        parts = {key for stage in finished if stage.combination is not None for key in stage.made_of}
        kept = {stage.key for stage in finished if not stage.is_input} | {
            stage.key for stage in finished if stage.key in parts and not stage.is_trunk
        }
        self._best[number] = frozenset(kept)
        if len(self._best) > self._keep.best:
            del self._best[min(self._best, key=lambda each: (self._scores[each], -each))]

    def choose(
        self, waiting: Sequence[Sequence[Stage]], *, made: Collection[str], running: Sequence[Stage], is_idle: bool
    ) -> int | None:
        """Return the place of the first waiting trial for which the store has room, as the driver chooses it.

        Args:
            waiting: The stages that each trial has to make, in the order in which the trials can start.
            made: Keys of the complete stages.
            running: Stages that the running trials had to make when they started.
            is_idle: Whether no trial runs.
        """
        if self._keep.bytes is None:
            return 0
        demand = waiting_of(waiting, size=self._size)
        lowest, best = self._lowest(made), {key for keys in self._best.values() for key in keys}
        best_bytes = sum(self._size(self._stages[key]) for key in best)
        for place, missing in enumerate(waiting):
            reserve = headroom(missing, keep=self._keep, best_bytes=best_bytes, waiting=demand)
            if lowest + self._coming(missing, made=made, running=running) + reserve <= self._keep.bytes:
                return place
        if not is_idle:
            return None
        return min(range(len(waiting)), key=lambda at: (makes_shared(waiting[at]), sum(map(self._size, waiting[at]))))

    def removed(self, missing: Sequence[Stage], *, made: Collection[str], running: Iterable[Stage]) -> list[str]:
        """Return the keys of the stages to remove before a trial starts that would make stages."""
        found = [self._removable(key) for key in sorted(made) if self._is_removable(key)]
        total = sum(self._size(self._stages[key]) for key in made if key in self._stages)
        coming = self._coming(missing, made=made, running=running)
        excess = None if self._keep.bytes is None else total + coming - self._keep.bytes
        return [stage.key for stage in removals(found, keep=self._keep, excess=excess)]

    def _lowest(self, made: Collection[str]) -> int:
        return sum(self._size(self._stages[key]) for key in made if key in self._stages and not self._is_removable(key))

    def _coming(self, missing: Sequence[Stage], *, made: Collection[str], running: Iterable[Stage]) -> int:
        coming = {stage.key: stage for stage in (*missing, *running) if stage.key not in made}
        return sum(map(self._size, coming.values()))

    def _is_removable(self, key: str) -> bool:
        stage = self._stages.get(key)
        if stage is None or stage.phase == "evaluation" or self._users[key] > 0:
            return False
        return all(key not in kept for kept in self._best.values())

    def _removable(self, key: str) -> Removable:
        stage = self._stages[key]
        return Removable(
            key=key,
            phase=stage.phase,
            num_bytes=self._size(stage),
            seconds=0.0 if stage.combination is not None else 1.0,
            is_input=stage.is_trunk,
        )

"""Frees a store's space, while sweeps run, without taking anything that they need.

What stays in any case: stages of trials that are not done (their plans are computed, so that a stage which a trial has
not come to yet stays too), stages of the finished trials to keep with all they were made from, stages under a lease or
read by a running process. A stage goes after its children: one made from a stage that is gone and made anew with other
numbers would not be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from search.record import Record
from search.stages.needs import Needs, read_needs
from trainables.config.frozen import FrozenModel
from trainables.stage_store import ListedStage, Space, StageStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is to go."""

    keep_best: int | None = None
    """Finished trials of each sweep whose stages stay; None keeps all, or 1 where there is a budget."""
    max_bytes: int | None = None
    """Bytes that stages, checkpoints and leftovers may take; stages go until then. None: all that may go."""
    dry_run: bool = False
    """Whether to change nothing."""

    @property
    def num_kept(self) -> int | None:
        """Finished trials of each sweep to keep, or None for all."""
        return 1 if self.keep_best is None and self.max_bytes is not None else self.keep_best


class Removal(FrozenModel):
    """One thing that went, or would go."""

    what: Literal["stage", "checkpoints", "leftover"]
    """Kind of thing."""
    name: str
    """Stage key, or name in the store."""
    phase: str | None
    """Of a stage, what it is."""
    num_bytes: int
    """Bytes that this freed."""


class Collected(FrozenModel):
    """What was removed."""

    removed: tuple[Removal, ...]
    """In order."""
    freed_bytes: int
    """All together."""
    bytes_before: int
    """Stages, checkpoints and leftovers."""
    bytes_after: int
    """The same, afterwards."""
    max_bytes: int | None
    """The budget."""
    num_left: int
    """Stages that stay."""
    num_needed: int
    """Stages that stay for trials that are not done."""
    num_kept: int
    """Stages that stay for finished trials."""
    num_busy: int
    """Stages that would have gone, but are being made or read."""
    dry_run: bool
    """Whether nothing was changed."""


def collect(record: Record, *, store: StageStore, limits: Limits) -> Collected:
    """Remove what may go, and return what went.

    Args:
        record: Holds every sweep that uses the store.
        store: The store.
        limits: How much is to go.

    Raises:
        InputError: A trial's stages cannot be told; nothing was removed.
    """
    space = store.space
    # The needs are read after the stages: what was made meanwhile is not among those that may go.
    stages = space.stages()
    needs = read_needs(record, complete=stages, keep_best=limits.num_kept)
    return _Collector(space, stages=stages, needs=needs, limits=limits).run()


class _Collector:
    """One collection."""

    def __init__(self, space: Space, *, stages: dict[str, ListedStage], needs: Needs, limits: Limits) -> None:
        self._space, self._stages, self._needs, self._limits = space, stages, needs, limits
        self._checkpoints = space.checkpoints.sizes()
        self._leftovers = space.leftovers()
        self._before = sum(stage.num_bytes for stage in self._stages.values())
        self._before += sum(self._checkpoints.values()) + sum(self._leftovers.values())
        self._staying = _with_ancestors(needs.unfinished | needs.kept, stages=self._stages)
        self._removed: list[Removal] = []
        self._busy: set[str] = set()

    def run(self) -> Collected:
        self._collect_leftovers()
        self._collect_checkpoints()
        self._collect_stages()
        freed = sum(removal.num_bytes for removal in self._removed)
        return Collected(
            removed=tuple(self._removed),
            freed_bytes=freed,
            bytes_before=self._before,
            bytes_after=self._before - freed,
            max_bytes=self._limits.max_bytes,
            num_left=len(self._stages) - sum(removal.what == "stage" for removal in self._removed),
            num_needed=len(self._needs.unfinished & self._stages.keys()),
            num_kept=len(self._staying - self._needs.unfinished),
            num_busy=len(self._busy),
            dry_run=self._limits.dry_run,
        )

    def _collect_leftovers(self) -> None:
        for name, num_bytes in self._leftovers.items():
            if self._limits.dry_run or self._space.remove_leftover(name):
                self._note("leftover", name, num_bytes=num_bytes)

    def _collect_checkpoints(self) -> None:
        for key in sorted(self._checkpoints):
            if key in self._needs.unfinished and key not in self._stages:
                continue
            dry, busy = self._limits.dry_run, self._space.leases.holder(key) is not None
            freed = (0 if busy else self._checkpoints[key]) if dry else self._space.remove_checkpoints(key)
            self._note("checkpoints", key, num_bytes=freed)

    def _collect_stages(self) -> None:
        """Remove stages without children one after another: the cheapest to make again for its size first."""
        left = dict(self._stages)
        while self._is_over():
            parents = {stage.facts.parent for stage in left.values() if stage.facts}
            may_go = [key for key in left if key not in self._staying | self._busy and key not in parents]
            if not may_go:
                return
            key = min(may_go, key=lambda key: (_seconds_per_byte(left[key]), key))
            if freed := self._remove(key):
                self._note("stage", key, num_bytes=freed)
                del left[key]
            else:
                self._busy.add(key)

    def _is_over(self) -> bool:
        freed = sum(removal.num_bytes for removal in self._removed)
        return self._limits.max_bytes is None or self._before - freed > self._limits.max_bytes

    def _remove(self, key: str) -> int:
        if self._limits.dry_run:
            return 0 if self._space.is_busy(key) else self._stages[key].num_bytes
        return self._space.remove(key)

    def _note(self, what: Literal["stage", "checkpoints", "leftover"], name: str, *, num_bytes: int) -> None:
        facts = self._stages[name].facts if what == "stage" else None
        if num_bytes:
            phase = facts.phase if facts else None
            self._removed.append(Removal(what=what, name=name, phase=phase, num_bytes=num_bytes))


def _with_ancestors(keys: frozenset[str], *, stages: dict[str, ListedStage]) -> set[str]:
    """Return those of the keys that the store has, with all that they were made from."""
    found: set[str] = set()
    for start in keys:
        key: str | None = start
        while key is not None and key in stages and key not in found:
            found.add(key)
            facts = stages[key].facts
            key = facts.parent if facts else None
    return found


def _seconds_per_byte(stage: ListedStage) -> float:
    return stage.facts.seconds / max(1, stage.num_bytes) if stage.facts else 0.0

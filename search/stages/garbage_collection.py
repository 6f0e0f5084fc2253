"""Deletes stages of a store that no trial needs; it can run while sweeps run.

It always keeps the stages of trials that are not done (computed from their plans, so that it also keeps a stage that a
trial will need later), the stages of the finished trials to keep with their parents, and stages that have a lease or
that a running process reads. It deletes a stage only after its children: if a deleted parent is made again, its numbers
can differ, and then its children would not match it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from platform import node
from typing import Literal

from search.errors import StoreSharedError
from search.record import Record
from search.stages.needs import Needs, read_needs, stages_of
from trainables.config.frozen import FrozenModel
from trainables.stage_store import ListedStage, Space, StageStore, SweepNote, bytes_of

EARLIER = "sweeps of an earlier version"
"""Stands for the sweeps that used a store before sweeps left notes there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What to keep, and how much to delete."""

    keep_best: int | None = None
    """Number of finished trials of each sweep whose stages are kept; None: all, or 1 if `max_bytes` is given."""
    max_bytes: int | None = None
    """Stop as soon as stages, checkpoints and leftovers have at most so many bytes; None: delete all unneeded ones."""
    dry_run: bool = False
    """Whether to delete nothing and only return what would be deleted."""
    only_leftovers: bool = False
    """Whether to keep all complete stages, so that no record must be known."""
    force: bool = False
    """Whether to delete stages also if sweeps of other records may need them; the store then forgets those sweeps."""

    @property
    def num_kept(self) -> int | None:
        """Number of finished trials of each sweep to keep; None: all."""
        return 1 if self.keep_best is None and self.max_bytes is not None else self.keep_best


class Removal(FrozenModel):
    """One thing that was deleted, or would be."""

    what: Literal["stage", "checkpoints", "leftover"]
    """Kind of thing."""
    name: str
    """Stage key, or name in the store."""
    phase: str | None
    """Phase of a stage."""
    num_bytes: int
    """Freed bytes."""


class Collected(FrozenModel):
    """What was deleted."""

    removed: tuple[Removal, ...]
    """Deleted things, in order."""
    freed_bytes: int
    """Freed bytes of all of them."""
    bytes_before: int
    """Bytes of stages, checkpoints and leftovers before."""
    bytes_after: int
    """The same bytes afterwards."""
    max_bytes: int | None
    """The limit that was given."""
    num_left: int
    """Number of stages that are kept."""
    num_needed: int
    """Number of stages that are kept for trials that are not done."""
    num_kept: int
    """Number of stages that are kept for finished trials."""
    num_busy: int
    """Number of stages that are kept only because a process makes or reads them."""
    dry_run: bool
    """Whether nothing was deleted."""


def collect(record: Record, *, store: StageStore, limits: Limits) -> Collected:
    """Delete the stages that no trial needs, and return what was deleted.

    Args:
        record: Record with all sweeps that use the store.
        store: The store.
        limits: What to keep, and how much to delete.

    Raises:
        InputError: The stages that a trial needs cannot be computed; nothing was deleted.
        StoreSharedError: Sweeps that the record lacks have used the store; nothing was deleted.
    """
    space = store.space
    # Read the needs after the list of stages: a stage that was made in between is then not in the list.
    stages = space.stages()
    needs = read_needs(record, complete=stages, keep_best=limits.num_kept)
    strangers = _strangers(record, store=store)
    if not limits.only_leftovers and not limits.force:
        _check_known(record, store=store, stages=stages, needs=needs, strangers=strangers)
    collected = _Collector(space, stages=stages, needs=needs, limits=limits).run()
    if limits.force and not limits.dry_run:
        for note in strangers:
            store.sweep_notes.remove(note)
    return collected


def _strangers(record: Record, *, store: StageStore) -> list[SweepNote]:
    """Return the sweeps that have used a store and are not in the record, or are in a copy of another record."""
    known = {sweep_note(record, sweep=sweep.name).id for sweep in record.sweeps()}
    return [note for note in store.sweep_notes.all() if note.id not in known or _has_original(note, record=record)]


def raise_if_shared(record: Record, *, store: StageStore) -> None:
    """Raise StoreSharedError if sweeps that the record lacks have used the store: they may need its stages."""
    if strangers := _strangers(record, store=store):
        raise _shared(store, record=record, strangers=strangers)


def _shared(store: StageStore, *, record: Record, strangers: Sequence[SweepNote]) -> StoreSharedError:
    others = [f"{note.sweep!r} of {note.record} on {note.host}" for note in strangers]
    return StoreSharedError(store.url, record=_place(record), others=others)


def _has_original(note: SweepNote, *, record: Record) -> bool:
    """Return whether the record of a note is another file of this host: the given one is a copy, and can be old."""
    given, original = Path(_place(record)), Path(note.record)
    if note.host != node()[:300] or "://" in note.record or not original.is_absolute():
        return False
    try:
        return original.is_file() and not (given.is_file() and given.samefile(original))
    except (OSError, ValueError):  # a note can hold anything
        return False


def _check_known(
    record: Record, *, store: StageStore, stages: Collection[str], needs: Needs, strangers: Sequence[SweepNote]
) -> None:
    """Refuse a record that does not know all sweeps of the store, or, in a store without notes, none of its stages."""
    ours = needs.unfinished | needs.kept | _keys_of(record)
    if strangers or (stages and not ours & set(stages) and not store.sweep_notes.all()):
        raise _shared(store, record=record, strangers=strangers)


def _place(record: Record) -> str:
    """Return where a record is, without a password."""
    url = record.engine.url
    return url.database or "" if url.get_backend_name() == "sqlite" else url.render_as_string()


def sweep_note(record: Record, *, sweep: str) -> SweepNote:
    """Return the note by which a store knows a sweep of a record."""
    return SweepNote(
        sweep=sweep, created_at=record.sweep(sweep).created_at, record=_place(record)[:4096], host=node()[:300]
    )


def leave_note(record: Record, *, sweep: str, store: StageStore) -> None:
    """Note in a store that a sweep uses it.

    A store that an earlier version filled has no notes. Where it holds stages that the record does not know, a note
    says that other sweeps have used it.
    """
    notes = store.sweep_notes
    if not notes.all() and set(store.keys()) - _keys_of(record):
        notes.add(SweepNote(sweep=EARLIER, created_at=0.0, record="a record that is not known", host="some host"))
    notes.add(sweep_note(record, sweep=sweep))


def _keys_of(record: Record) -> set[str]:
    return {key for sweep in record.sweeps() for keys in stages_of(record, sweep.name).values() for key in keys}


class _Collector:
    """One run of the garbage collection."""

    def __init__(self, space: Space, *, stages: dict[str, ListedStage], needs: Needs, limits: Limits) -> None:
        self._space, self._stages, self._needs, self._limits = space, stages, needs, limits
        self._checkpoints = space.checkpoints.sizes()
        self._leftovers = space.leftovers()
        self._before = bytes_of(self._stages.values())
        self._before += sum(self._checkpoints.values()) + sum(self._leftovers.values())
        self._needed = with_ancestors(needs.unfinished | needs.kept, stages=self._stages)
        self._removed: list[Removal] = []
        self._busy: set[str] = set()

    def run(self) -> Collected:
        self._collect_leftovers()
        self._collect_checkpoints()
        if not self._limits.only_leftovers:
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
            num_kept=len(self._needed - self._needs.unfinished),
            num_busy=len(self._busy),
            dry_run=self._limits.dry_run,
        )

    def _collect_leftovers(self) -> None:
        for name, num_bytes in self._leftovers.items():
            if self._limits.dry_run or self._space.remove_leftover(name):
                self._note("leftover", name, num_bytes=num_bytes)

    def _collect_checkpoints(self) -> None:
        for key in sorted(self._checkpoints):
            is_complete = key in self._stages
            if not is_complete and (key in self._needs.unfinished or self._limits.only_leftovers):
                continue  # a sweep of another record can need those of a stage that the record does not know
            dry, busy = self._limits.dry_run, self._space.leases.holder(key) is not None
            freed = (0 if busy else self._checkpoints[key]) if dry else self._space.remove_checkpoints(key)
            self._note("checkpoints", key, num_bytes=freed)

    def _collect_stages(self) -> None:
        """Delete stages without children one after another, those first that are fast to make again for their size."""
        left = dict(self._stages)
        while self._is_over_limit():
            parents = {key for stage in left.values() for key in _made_from(stage, stages=left)}
            deletable = [key for key in left if key not in self._needed | self._busy and key not in parents]
            if not deletable:
                return
            key = min(deletable, key=lambda key: (_seconds_per_byte(left[key]), key))
            if freed := self._remove(key, left=left):
                self._note("stage", key, num_bytes=freed)
                del left[key]
            else:
                self._busy.add(key)

    def _is_over_limit(self) -> bool:
        freed = sum(removal.num_bytes for removal in self._removed)
        return self._limits.max_bytes is None or self._before - freed > self._limits.max_bytes

    def _remove(self, key: str, *, left: dict[str, ListedStage]) -> int:
        if self._limits.dry_run:
            others = [stage for other, stage in left.items() if other != key]
            return 0 if self._space.is_busy(key) else bytes_of(left.values()) - bytes_of(others)
        return self._space.remove(key)

    def _note(self, what: Literal["stage", "checkpoints", "leftover"], name: str, *, num_bytes: int) -> None:
        facts = self._stages[name].facts if what == "stage" else None
        if num_bytes:
            phase = facts.phase if facts else None
            self._removed.append(Removal(what=what, name=name, phase=phase, num_bytes=num_bytes))


def with_ancestors(keys: frozenset[str], *, stages: dict[str, ListedStage]) -> set[str]:
    """Return the keys that the store has, with the keys of all their ancestors."""
    found: set[str] = set()
    left = list(keys)
    while left:
        key = left.pop()
        if key in stages and key not in found:
            found.add(key)
            left += _made_from(stages[key], stages=stages)
    return found


def _made_from(stage: ListedStage, *, stages: dict[str, ListedStage]) -> list[str]:
    """Return the keys of the stage that a stage started from and of those that it combines; not of trunks."""
    facts = stage.facts
    if facts is None:
        return []
    parts = [key for key in facts.parts if key in stages and not _is_trunk(stages[key])]
    return parts if facts.parent is None else [facts.parent, *parts]


def _is_trunk(stage: ListedStage) -> bool:
    return stage.facts is not None and stage.facts.is_trunk


def _seconds_per_byte(stage: ListedStage) -> float:
    return stage.facts.seconds / max(1, stage.num_bytes) if stage.facts else 0.0

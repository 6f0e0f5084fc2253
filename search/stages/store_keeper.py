"""Keeps the store of a running sweep small, as `keep:` in its spec says. Only the sweep's driver calls it.

It removes only stages that trials of this sweep used, and of them only those that nothing needs: no trial that waits,
runs, or can run again, of any sweep of the record; none of the best trials, with all that they were made from; no
process that makes or reads them. Only where no trial could run otherwise, stages go that nothing but this sweep's
waiting trials needs. Evaluations always stay. Before each removal it reads anew what is needed. What it removes can be
made again, so a trial that looks for a stage at that moment makes it.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from search.errors import StoreSharedError
from search.record import JsonObject, Record
from search.stages.garbage_collection import raise_if_shared, with_ancestors
from search.stages.keep_policy import Removable, StageSizes, Waiting, headroom, least_removals, removals
from search.stages.needs import read_needs, stages_of
from spaces.keep import KeepConfig
from trainables.errors import TrainablesError
from trainables.plan.stage_plan import Stage
from trainables.stage_store import ListedStage, StageFacts, StageStore, bytes_of

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _Look:
    """What the store held when it was last looked at."""

    stages: dict[str, ListedStage]
    removable: dict[str, Removable]
    awaited: dict[str, Removable]
    """Stages that only unfinished trials of this sweep need."""
    best_bytes: int
    """Size of the stages of finished trials that stay."""

    @property
    def num_bytes(self) -> int:
        return bytes_of(self.stages.values())

    @property
    def lowest_bytes(self) -> int:
        """Size of the store if all that can go were removed."""
        return bytes_of(stage for key, stage in self.stages.items() if key not in self.removable)


class StoreKeeper:
    """Removes stages of one sweep while the sweep runs.

    Args:
        record: Record with all sweeps that use the store.
        name: Name of the sweep.
        keep: Its `keep`.
        store: Its store.
        sizes: The sizes of its stages before one of them was made.
        note: Called with what was removed, to record it.
    """

    def __init__(
        self,
        record: Record,
        *,
        name: str,
        keep: KeepConfig,
        store: StageStore,
        sizes: StageSizes,
        note: Callable[[JsonObject], None],
    ) -> None:
        self._record, self._name, self._keep, self._store = record, name, keep, store
        self._sizes, self._note = sizes, note
        self._known: dict[str, ListedStage] = {}
        self._last: _Look | None = None
        self._has_warned: set[str] = set()

    def look_again(self) -> None:
        """Look at store and record anew at the next call: trials were proposed, have started or have ended."""
        self._last = None

    def tidy(self) -> tuple[str, ...]:
        """Remove what need not stay, down to the limit; return the keys of what was removed."""
        look = self._last = self._last or self._look()
        if look is None:
            return ()
        excess = None if self._keep.bytes is None else look.num_bytes - self._keep.bytes
        return self._remove(look, excess=excess)

    def make_room(
        self,
        missing: Sequence[Stage],
        *,
        running: Iterable[Sequence[Stage]],
        waiting: Waiting | None = None,
        is_forced: bool = False,
    ) -> tuple[bool, tuple[str, ...]]:
        """Make room for the stages that a trial would make; return whether there is room, and the removed keys.

        Args:
            missing: The stages that the trial would make.
            running: The stages that each running trial had to make when it started.
            waiting: What the waiting trials would take, if the trial has to leave room for them.
            is_forced: Whether the trial starts in any case: then as much as possible is removed.
        """
        look = self._last = self._last or self._look()
        if look is None or self._keep.bytes is None:
            return True, () if look is None else self._remove(look, excess=None)
        coming = {stage.key: stage for stages in (missing, *running) for stage in stages}
        needed = sum(self.size(stage) for key, stage in coming.items() if key not in look.stages)
        reserve = headroom(missing, keep=self._keep, best_bytes=look.best_bytes, waiting=waiting or Waiting())
        has_room = look.lowest_bytes + needed + reserve <= self._keep.bytes
        if not has_room and not is_forced:
            return False, ()
        if look.lowest_bytes + needed > self._keep.bytes:
            self._warn(
                f"the stages that trials still need, with those of the next trial, take {look.lowest_bytes + needed:,} "
                f"bytes, more than keep.bytes ({self._keep.bytes:,}), so some are made twice; raise keep.bytes, or "
                "lower keep.best"
            )
        removed = self._remove(look, excess=look.num_bytes + needed - self._keep.bytes)
        if is_forced and (excess := look.num_bytes + needed - self._keep.bytes) > 0:
            removed += self._remove_awaited(look, excess=excess, but_of=coming.values())
        return has_room, removed

    def size(self, stage: Stage) -> int:
        """Return the expected size of a stage: the largest of its kind in the store, else that of its weights.

        Tensors that it may share with others count too: whether these are in the store already is not known before.
        A trunk in the store does not say whether it is of an adapter: one of an adapter has the size of its weights,
        another one at least that.
        """
        adapter, expected = getattr(stage.work, "adapter", None), self._sizes.of(stage)
        if stage.is_trunk and adapter is not None:
            return expected
        kind = (stage.phase, stage.is_trunk, adapter)
        of_kind = (one for one in self._known.values() if one.facts is not None and _kind(one.facts) == kind)
        sizes = (one.num_bytes + one.shared_bytes for one in of_kind)
        largest = max(sizes, default=expected)
        return max(expected, largest) if stage.is_trunk else largest

    def _look(self) -> _Look | None:
        """Return what the store holds and what can go; None if that cannot be known now."""
        try:
            raise_if_shared(self._record, store=self._store)
            # The needs are read after the list of stages: a stage that is made in between is then not in the list.
            self._known = self._store.space.stages(known=self._known)
            needs = read_needs(self._record, complete=self._known, keep_best=self._keep.best, only_of=self._name)
        except StoreSharedError as error:
            self._warn(f"nothing is removed: {'; '.join(error.others[:3])} use the same store")
            return None
        except (OSError, TrainablesError) as error:
            self._warn(f"nothing is removed: {error}")
            return None
        needed = with_ancestors(needs.unfinished | needs.kept, stages=self._known)
        own = {key for keys in stages_of(self._record, self._name).values() for key in keys}
        found = (_removable(stage) for key, stage in self._known.items() if key in own - needed)
        kept = with_ancestors(needs.kept, stages=self._known) & own
        removable = {stage.key: stage for stage in found if stage is not None}
        best_bytes = bytes_of(self._known[key] for key in kept)
        others = with_ancestors(needs.of_others | needs.kept, stages=self._known)
        waited_for = (_removable(self._known[key]) for key in own & needed - others)
        awaited = {stage.key: stage for stage in waited_for if stage is not None}
        return _Look(stages=self._known, removable=removable, awaited=awaited, best_bytes=best_bytes)

    def _remove(self, look: _Look, *, excess: int | None) -> tuple[str, ...]:
        return self._gone(look, removals(list(look.removable.values()), keep=self._keep, excess=excess))

    def _remove_awaited(self, look: _Look, *, excess: int, but_of: Iterable[Stage]) -> tuple[str, ...]:
        """Remove stages that only waiting trials need; not those that the coming stages are made from."""
        inputs = frozenset(key for one in but_of for key in (one.key, one.parent, *one.made_of) if key)
        in_use = with_ancestors(inputs, stages=look.stages)
        found = [stage for key, stage in look.awaited.items() if key not in in_use]
        return self._gone(look, least_removals(found, excess=excess))

    def _gone(self, look: _Look, chosen: Iterable[Removable]) -> tuple[str, ...]:
        gone: list[Removable] = []
        for stage in chosen:
            try:
                is_gone = self._store.space.remove(stage.key) > 0
            except (OSError, TrainablesError) as error:
                self._warn(f"a stage is not removed, {stage.key[:12]} in {self._store.url}: {error}")
                break
            if is_gone:
                gone.append(stage)
                del look.stages[stage.key]
                look.removable.pop(stage.key, None)
                look.awaited.pop(stage.key, None)
        if gone:
            num_bytes, phases = sum(stage.num_bytes for stage in gone), Counter(stage.phase for stage in gone)
            keys = [stage.key for stage in gone]
            self._note({"stages": [*keys], "num_bytes": num_bytes, "phases": {**phases}})
        return tuple(stage.key for stage in gone)

    def _warn(self, message: str) -> None:
        """Print a warning, once for each of its kinds: its numbers change with every trial."""
        kind = message.split(",", maxsplit=1)[0]
        if kind not in self._has_warned:
            self._has_warned.add(kind)
            log.warning("keep: %s", message)


def _kind(facts: StageFacts) -> tuple[object, ...]:
    """Return what stages of about the same size have in common."""
    return (facts.phase, facts.is_trunk, facts.adapter)


def _removable(stage: ListedStage) -> Removable | None:
    facts = stage.facts
    if facts is None or facts.phase == "evaluation":
        return None
    return Removable(
        key=stage.key,
        phase=facts.phase,
        num_bytes=stage.num_bytes,
        seconds=facts.seconds + facts.seconds_before,
        is_input=facts.is_trunk,
    )

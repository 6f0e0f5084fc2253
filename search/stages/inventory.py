"""Lists the stages of a store with the trials that use them, and verifies them."""

from __future__ import annotations

from collections.abc import Iterator

from search.record import Record
from search.stages.needs import stages_of
from trainables.config.frozen import FrozenModel
from trainables.data.sealed_cache import CheckedFolder, check_cache
from trainables.data.shared_cache import named_cache
from trainables.stage_store import ListedStage, StageStore


class StageLine(FrozenModel):
    """One stage."""

    key: str
    """Content key."""
    phase: str | None
    """Its phase; None if its manifest cannot be read."""
    parent: str | None
    """Key of the stage that it started from."""
    depth: int
    """Number of its ancestors in the store."""
    num_bytes: int
    """Size of its own files, in bytes."""
    steps: int
    """Its optimiser steps."""
    seconds: float
    """Wall time that it took."""
    is_trunk: bool
    """Whether it is the stable part of a phase with its training state, which higher rungs continue."""
    num_parts: int = 0
    """Number of stages whose weights it combines: those of a merge or an average."""
    shared: str | None = None
    """Name of the tensors that it shares with other stages; None: it shares none."""
    shared_bytes: int = 0
    """Their size, which is in the store once and not part of `num_bytes`."""
    trials: dict[str, tuple[int, ...]]
    """Sweep -> trials that use it."""


class Verdict(FrozenModel):
    """The result of verifying a stage."""

    key: str
    """Content key."""
    problem: str | None
    """The damage, or None."""


def list_stages(store: StageStore, *, record: Record | None) -> list[StageLine]:
    """Return the stages of a store as a tree, each below its parent.

    Args:
        store: The store.
        record: Record with the trials that use them; None if there is no record.
    """
    stages = store.space.stages()
    users = _users(record) if record else {}
    children: dict[str | None, list[ListedStage]] = {}
    for stage in stages.values():
        parent = stage.facts.parent if stage.facts else None
        children.setdefault(parent if parent in stages else None, []).append(stage)
    return [_line(stage, depth=depth, users=users) for stage, depth in _walk(children, parent=None, depth=0)]


def verify_stages(store: StageStore) -> Iterator[Verdict]:
    """Yield the verdict on each stage. This reads every byte, and changes nothing."""
    space = store.space
    for key in store.keys():  # noqa: SIM118  a store is not a dict
        yield Verdict(key=key, problem=space.verify(key))


def verify_cache(store: StageStore) -> Iterator[CheckedFolder]:
    """Yield what is found of each cached folder that decides results: encoded splits and vision features.

    They lie on this machine, also for a store in a bucket; those in `XSTILTS_CACHE` come last. Every byte is read;
    nothing is changed.
    """
    yield from check_cache(store.root / "cache")
    if shared := named_cache():
        yield from check_cache(shared)


def _walk(
    children: dict[str | None, list[ListedStage]], *, parent: str | None, depth: int
) -> Iterator[tuple[ListedStage, int]]:
    for stage in children.get(parent, []):
        yield stage, depth
        yield from _walk(children, parent=stage.key, depth=depth + 1)


def _users(record: Record) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return stage key -> sweep -> trials."""
    users: dict[str, dict[str, tuple[int, ...]]] = {}
    for sweep in record.sweeps():
        for trial, keys in stages_of(record, sweep.name).items():
            for key in keys:
                of_stage = users.setdefault(key, {})
                of_stage[sweep.name] = (*of_stage.get(sweep.name, ()), trial)
    return users


def _line(stage: ListedStage, *, depth: int, users: dict[str, dict[str, tuple[int, ...]]]) -> StageLine:
    facts = stage.facts
    return StageLine(
        key=stage.key,
        phase=facts.phase if facts else None,
        parent=facts.parent if facts else None,
        depth=depth,
        num_bytes=stage.num_bytes,
        steps=facts.steps if facts else 0,
        seconds=facts.seconds if facts else 0.0,
        is_trunk=facts.is_trunk if facts else False,
        num_parts=len(facts.parts) if facts else 0,
        shared=stage.shared,
        shared_bytes=stage.shared_bytes,
        trials=users.get(stage.key, {}),
    )

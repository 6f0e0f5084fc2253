"""What a store holds, beside who uses it; and whether it is whole."""

from __future__ import annotations

from collections.abc import Iterator

from search.record import Record
from search.stages.needs import stages_of
from trainables.config.frozen import FrozenModel
from trainables.stage_store import ListedStage, StageStore


class StageLine(FrozenModel):
    """One stage."""

    key: str
    """Content key."""
    phase: str | None
    """What it is; None when its manifest cannot be read."""
    parent: str | None
    """Key of the stage that it started from."""
    depth: int
    """Stages of its lineage that the store has, without itself."""
    num_bytes: int
    """Size."""
    steps: int
    """Optimiser steps in it."""
    seconds: float
    """Wall time that making it took."""
    is_trunk: bool
    """Whether it is a phase's stable part with its training state, for higher rungs to extend."""
    trials: dict[str, tuple[int, ...]]
    """Sweep -> trials whose lineage it is in."""


class Verdict(FrozenModel):
    """What checking a stage found."""

    key: str
    """Content key."""
    problem: str | None
    """What is wrong with it, or None."""


def list_stages(store: StageStore, *, record: Record | None) -> list[StageLine]:
    """Return the store's stages as a tree: each below the one it started from.

    Args:
        store: The store.
        record: Says which trials use them; None where there is no record.
    """
    stages = store.space.stages()
    users = _users(record) if record else {}
    children: dict[str | None, list[ListedStage]] = {}
    for stage in stages.values():
        parent = stage.facts.parent if stage.facts else None
        children.setdefault(parent if parent in stages else None, []).append(stage)
    return [_line(stage, depth=depth, users=users) for stage, depth in _walk(children, parent=None, depth=0)]


def verify_stages(store: StageStore) -> Iterator[Verdict]:
    """Yield what is found of each stage. Every byte is read; nothing is changed."""
    space = store.space
    for key in store.keys():  # noqa: SIM118  a store is no dict
        yield Verdict(key=key, problem=space.verify(key))


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
                of = users.setdefault(key, {})
                of[sweep.name] = (*of.get(sweep.name, ()), trial)
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
        trials=users.get(stage.key, {}),
    )

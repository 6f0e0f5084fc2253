"""Finds tasks that read a locked test split as training or validation data.

The data are locked, not the task's name. The `test` split of a task of the catalogue is scored once, by a confirmation.
Another task that reads the same split of the same repository as training or validation data opens it. Such a task is
refused unless it has `opens_test: true`: then its results are marked wherever they are shown, and `xstilts confirm`
refuses them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from trainables.errors import TaskDataError
from trainables.tasks.catalogue.all import CATALOGUE
from trainables.tasks.spec import CompositeSource, HubSource, TaskSpec

_LOCKED = "test"
_EVERY_SPLIT = "all"
_SELECTION = re.compile(r"[\[(]")
"""Start of what selects some of a split's rows."""


def check_lock(spec: TaskSpec) -> None:
    """Check that a user's own task does not read a locked test split.

    Raises:
        TaskDataError: It reads one as another split and does not have `opens_test: true`.
    """
    opened = _opened_split(spec)
    if opened is not None and not spec.opens_test:
        split, locked = opened
        raise TaskDataError(refusal(spec.name, split=split, locked=locked))


def refusal(name: str, *, split: str, locked: str) -> str:
    """Return the message for a task that opens a locked split.

    Args:
        name: The task.
        split: Its split that opens it.
        locked: The task of the catalogue that the test split belongs to.
    """
    return (
        f"splits.{split}: task {name!r} reads the test split of {locked!r} as its {split} split; a search must not see "
        f"test data, or its scores say nothing about unseen data. Use another split, or add `opens_test: true` to the "
        "task: its results are then marked as such, and `xstilts confirm` refuses them"
    )


def _opened_split(spec: TaskSpec) -> tuple[str, str] | None:
    """Return a task's split that reads a locked one, and whose test it is, by the names of sources and splits.

    For a composite task, the test split of any of its parts is locked.
    """
    source = spec.source
    for split, theirs in spec.splits.items():
        for name in theirs if split != _LOCKED else ():
            if isinstance(source, CompositeSource) and _LOCKED in _read_splits(name):
                return split, " and ".join(source.parts)
            if isinstance(source, HubSource) and (locked := _locked_by(source.repository, split=name)):
                return split, locked
            if locked := _locked_in_folders().get((source.type, name)):
                return split, locked
    return None


def check_parts(spec: TaskSpec, *, parts: Sequence[TaskSpec]) -> None:
    """Check that a composite task says so itself if one of its parts opens a locked test split.

    Raises:
        TaskDataError: It does not.
    """
    opening = [part.name for part in parts if part.opens_test]
    if opening and not spec.opens_test:
        msg = (
            f"task {spec.name!r} is composed of {opening[0]!r}, which opens a locked test split (`opens_test: true`); "
            f"results of such data must be marked; add `opens_test: true` to {spec.name!r}, or remove the part"
        )
        raise TaskDataError(msg)


@cache
def locked_tasks() -> tuple[TaskSpec, ...]:
    """Return the tasks of the catalogue whose test split is locked."""
    return tuple(spec for spec in CATALOGUE if _LOCKED in spec.splits and isinstance(spec.source, HubSource))


def _locked_by(repository: str, *, split: str) -> str | None:
    """Return the task whose locked test split is among what a source's split reads."""
    locked = _locked().get(repository.casefold(), {})
    read = _read_splits(split)
    return next((task for name, task in locked.items() if name in read or _EVERY_SPLIT in read), None)


@cache
def _locked() -> dict[str, dict[str, str]]:
    """Return repository -> its locked split -> task whose test that is."""
    found: dict[str, dict[str, str]] = {}
    for spec in locked_tasks():
        assert isinstance(spec.source, HubSource)  # noqa: S101  (locked_tasks chose them)
        for name in spec.splits[_LOCKED]:
            found.setdefault(spec.source.repository.casefold(), {}).update(dict.fromkeys(_read_splits(name), spec.name))
    return found


def has_locked_split(repository: str) -> bool:
    """Return whether a repository of the hub holds the locked test split of a task of the catalogue."""
    return repository.casefold() in _locked()


@cache
def _locked_in_folders() -> dict[tuple[str, str], str]:
    """Return the type of a source in a user's own folder and its locked split -> the task whose test that is."""
    return {
        (spec.source.type, name): spec.name
        for spec in CATALOGUE
        if hasattr(spec.source, "variable")
        for name in spec.splits.get(_LOCKED, ())
    }


def _read_splits(split: str) -> set[str]:
    """Return the splits that a split in the notation of `datasets` reads.

    It can skip a missing one (`test?`), select rows (`test[:10%]`), round (`test[:1%](pct1_dropremainder)`), join
    several (`validation+test`), or read all (`all`).
    """
    return {_SELECTION.split(part)[0].strip().removesuffix("?").casefold() for part in split.split("+")}

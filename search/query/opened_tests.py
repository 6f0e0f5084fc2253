"""Finds the tasks of a sweep that read locked test splits: such a sweep's scores are not scores on unseen data."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from search.record import Record
from trainables.errors import TrainablesError
from trainables.tasks.entry_points import offered_names
from trainables.tasks.registry import task


def tasks_that_open_tests(record: Record, *, sweep: str) -> tuple[str, ...]:
    """Return the names of a sweep's tasks that have `opens_test: true`, in alphabetical order.

    A sweep that learns from another one also has that one's tasks, which its spec holds.

    The record holds all fields of the user's own tasks. Tasks of installed packages are looked up by the names in the
    spec; tasks of a package that is no longer installed are not found.

    Args:
        record: Holds the sweep.
        sweep: Its name.
    """
    row = record.sweep(sweep)
    own = [name for name, body in row.own_tasks.items() if isinstance(body, dict) and body.get("opens_test")]
    named = {text.partition("@")[0] for text in _texts(row.spec)}  # also the base of a control
    offered = set(offered_names()) & named
    return tuple(sorted({*own, *_of_earlier(row.spec), *(name for name in offered if _opens(name))}))


def warning(names: tuple[str, ...]) -> str:
    """Return the warning about such a sweep's results, in one sentence."""
    tasks = ", ".join(names)
    return f"task {tasks} opens a locked test split (`opens_test`): scores of this sweep are not of unseen data."


def _of_earlier(spec: Mapping[str, JsonValue]) -> list[str]:
    priors = spec.get("priors")
    earlier = priors.get("earlier") if isinstance(priors, dict) else None
    found = earlier.get("opens_test") if isinstance(earlier, dict) else None
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _opens(name: str) -> bool:
    try:
        return task(name).opens_test
    except TrainablesError:
        return False


def _texts(value: JsonValue) -> list[str]:
    """Return every text of a document, keys included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *(text for part in value.values() for text in _texts(part))]
    return [text for part in value for text in _texts(part)] if isinstance(value, list) else []

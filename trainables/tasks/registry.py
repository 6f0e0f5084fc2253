"""Tasks by name: those of the catalogue, of installed packages, of a program, and of a user's task files.

A package offers a task by an entry point in the group `xstilts.tasks`. The entry point has the name of the task. Its
object is a `TaskSpec`, or a function without arguments that returns one; it is imported when the task is requested.

No torch here.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterable, Mapping
from types import MappingProxyType

from trainables.errors import InputError, TaskDataError, UnknownTaskError
from trainables.results import Family
from trainables.tasks.catalogue.all import CATALOGUE
from trainables.tasks.controls import derived, is_control_name, split_control_name
from trainables.tasks.entry_points import offered_names, offered_task
from trainables.tasks.locked_splits import check_lock
from trainables.tasks.spec import TaskSpec
from trainables.tasks.supertags import with_supertags

_tasks: dict[str, TaskSpec] = {spec.name: spec for spec in CATALOGUE}
_CATALOGUED = frozenset(_tasks)
_ONCE_OWN = frozenset({"bucc", "tydiqa", "lareqa", "mewsli_x"})
"""Tasks that the catalogue did not have at first. Users gave these names to copies of their own; records have them."""
_lock = threading.Lock()


def tasks() -> Mapping[str, TaskSpec]:
    """Return a read-only view of every known task by name, in the catalogue's order.

    It contains the task of an installed package only after `task` has returned it once; `offered_names` lists all.
    """
    return MappingProxyType(_tasks)


def task(name: str) -> TaskSpec:
    """Return the task with a name; `base@control` derives a control (`trainables/tasks/controls.py`).

    The labels of a corpus are read from the user's files, if they are on this machine.

    Raises:
        UnknownTaskError: No task has this name; the error holds near matches.
        InputError: The control cannot be derived from its base task, or the files of a corpus cannot be read.
        TaskDataError: An installed package offers the task, but it cannot be loaded, or reads a locked test split
            and does not say so.
    """
    if is_control_name(name):
        base, control, seed = split_control_name(name)
        return derived(task(base), name=name, control=control, seed=seed)
    if name not in _tasks:
        offered = offered_names()
        if name not in offered:
            raise UnknownTaskError(name, [*_tasks, *offered])
        register(offered_task(name))
    return with_supertags(_tasks[name])


def is_catalogued(name: str) -> bool:
    """Return whether a task ships with the package."""
    return name in _CATALOGUED


def register(spec: TaskSpec) -> None:
    """Add a task to the registry of this process. Registering an equal task again changes nothing.

    Raises:
        TaskDataError: Another task has this name, or the task reads a locked test split and does not say so.
    """
    if spec != _tasks.get(spec.name):
        check_lock(spec)
    with _lock:
        known = _tasks.setdefault(spec.name, spec)
    if known != spec:
        msg = f"cannot register task {spec.name!r}: another task has this name; names must be unique; rename your task"
        raise TaskDataError(msg)


def adopt(specs: Iterable[TaskSpec]) -> None:
    """Add the tasks of a user's files to the registry of this process; they replace those of earlier task files.

    A few names of the catalogue can be taken: earlier versions had no such tasks, and asked for a copy of this name.

    Raises:
        TaskDataError: The catalogue or an installed package has a task with this name, or a task reads a locked test
            split and does not say so.
    """
    for spec in specs:
        is_taken = spec.name in _CATALOGUED - _ONCE_OWN
        if is_taken or spec.name in offered_names():
            owner = "the catalogue" if is_taken else "an installed package"
            msg = f"name: {spec.name!r} is already a task of {owner}; names must be unique; rename your task"
            raise TaskDataError(msg)
        check_lock(spec)
        with _lock:
            _tasks[spec.name] = spec


@contextlib.contextmanager
def restored(names: Iterable[str]) -> Generator[None]:
    """At the end of a block, register the tasks with these names again that were registered at its start."""
    with _lock:
        before = {name: _tasks.get(name) for name in names}
    try:
        yield
    finally:
        with _lock:
            for name, spec in before.items():
                if spec is None:
                    _tasks.pop(name, None)
                else:
                    _tasks[name] = spec


def family_of(mixture: Mapping[str, float] | None) -> Family:
    """Return the family of an intermediate mixture. A mixture that contains a control has the family `control`.

    Args:
        mixture: Task name -> weight, or None for no intermediate phase.

    Raises:
        UnknownTaskError: A task is not known.
        InputError: The mixture is empty.
    """
    if mixture is None:
        return "none"
    if not mixture:
        msg = "a mixture has 0 tasks, but needs at least 1; name a task, or remove the intermediate phase"
        raise InputError(msg)
    specs = [task(name) for name in mixture]
    if any(spec.control for spec in specs):
        return "control"
    if len(specs) > 1:
        return "multitask"
    return "multimodal" if specs[0].has_images else "text"

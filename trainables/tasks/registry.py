"""Tasks by name: the catalogue's, those of installed packages, and those that a program or a user's file brings.

A package offers a task by an entry point in the group `xstilts.tasks`: its name is the task's, its object a `TaskSpec`,
or a function without arguments that returns one. It is imported when its task is asked for, and not before.

No torch here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from trainables.config.literature import OUT_OF_REACH
from trainables.errors import InputError, OutOfReachError, TaskDataError, UnknownTaskError
from trainables.results import Family
from trainables.tasks.catalogue.all import CATALOGUE
from trainables.tasks.controls import derived, is_control_name, split_control_name
from trainables.tasks.entry_points import offered_names, offered_task
from trainables.tasks.spec import TaskSpec
from trainables.tasks.supertags import with_supertags

_tasks: dict[str, TaskSpec] = {spec.name: spec for spec in CATALOGUE}
_CATALOGUED = frozenset(_tasks)
_lock = threading.Lock()


def tasks() -> Mapping[str, TaskSpec]:
    """Return every known task by name, in the catalogue's order; a read-only view.

    Tasks of installed packages are among them once they were asked for; `offered_names` lists them all.
    """
    return MappingProxyType(_tasks)


def task(name: str) -> TaskSpec:
    """Return the task of a name; `base@control` derives a control (`trainables/tasks/controls.py`).

    A corpus's labels are read from the user's files, where they are.

    Raises:
        UnknownTaskError: No task has it; carries near matches.
        OutOfReachError: The literature's task of this name is nowhere to be had as a data set; says why.
        InputError: The control cannot be made of its base, or a corpus's files cannot be read.
        TaskDataError: An installed package offers it, and it cannot be loaded.
    """
    if is_control_name(name):
        base, control, seed = split_control_name(name)
        return derived(task(base), name=name, control=control, seed=seed)
    if name not in _tasks:
        offered = offered_names()
        if name not in offered and name in OUT_OF_REACH:
            raise OutOfReachError(name, OUT_OF_REACH[name])
        if name not in offered:
            raise UnknownTaskError(name, [*_tasks, *offered])
        register(offered_task(name))
    return with_supertags(_tasks[name])


def register(spec: TaskSpec) -> None:
    """Make a task known in this process. Registering an equal task again changes nothing.

    Raises:
        TaskDataError: Another task has its name.
    """
    with _lock:
        known = _tasks.setdefault(spec.name, spec)
    if known != spec:
        msg = f"cannot register task {spec.name!r}: another task has that name, and names are unique; rename yours"
        raise TaskDataError(msg)


def adopt(specs: Iterable[TaskSpec]) -> None:
    """Make the tasks of a user's files known in this process, in place of those that earlier files gave these names.

    Raises:
        TaskDataError: The catalogue or an installed package has a task of that name.
    """
    for spec in specs:
        if spec.name in _CATALOGUED or spec.name in offered_names():
            owner = "the catalogue" if spec.name in _CATALOGUED else "an installed package"
            msg = f"name: {spec.name!r} is a task of {owner}, and names are unique; rename yours"
            raise TaskDataError(msg)
        with _lock:
            _tasks[spec.name] = spec


def family_of(mixture: Mapping[str, float] | None) -> Family:
    """Return the family of an intermediate mixture; one with a control among its tasks is a `control`.

    Args:
        mixture: Task name -> weight, or None for no intermediate phase.

    Raises:
        UnknownTaskError: A task is not known.
        InputError: The mixture is empty.
    """
    if mixture is None:
        return "none"
    if not mixture:
        msg = "a mixture has 0 tasks, it needs at least 1; name a task, or leave the intermediate phase out"
        raise InputError(msg)
    specs = [task(name) for name in mixture]
    if any(spec.control for spec in specs):
        return "control"
    if len(specs) > 1:
        return "multitask"
    return "multimodal" if specs[0].has_images else "text"

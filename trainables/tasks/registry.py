"""Tasks by name: the catalogue's, and those that a program or a user's file registers. No torch here."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import yaml
from pydantic import ValidationError

from trainables.errors import InputError, TaskDataError, UnknownTaskError
from trainables.results import Family
from trainables.tasks.catalogue import CATALOGUE
from trainables.tasks.controls import derived, is_control_name, split_control_name
from trainables.tasks.spec import TaskSpec

_tasks: dict[str, TaskSpec] = {spec.name: spec for spec in CATALOGUE}
_lock = threading.Lock()


def tasks() -> Mapping[str, TaskSpec]:
    """Return every known task by name, in the catalogue's order; a read-only view."""
    return MappingProxyType(_tasks)


def task(name: str) -> TaskSpec:
    """Return the task of a name; `base@control` derives a control (`trainables/tasks/controls.py`).

    Raises:
        UnknownTaskError: No task has it; carries near matches.
        InputError: The control cannot be made of its base.
    """
    if is_control_name(name):
        base, control, seed = split_control_name(name)
        return derived(task(base), name=name, control=control, seed=seed)
    try:
        return _tasks[name]
    except KeyError:
        raise UnknownTaskError(name, _tasks) from None


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


def load_task_file(path: Path) -> TaskSpec:
    """Return the task that a YAML file describes, in the fields of `TaskSpec`. It is not registered.

    Raises:
        TaskDataError: The file cannot be read, is no YAML, or does not fit the schema.
    """
    try:
        # The detour over JSON lets lists stand for tuples, which strict models otherwise refuse.
        return TaskSpec.model_validate_json(_as_json(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, ValidationError) as error:
        msg = f"cannot read task file {str(path)!r}: {error}; it must be YAML with the fields of TaskSpec; correct it"
        raise TaskDataError(msg) from error


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


def _as_json(text: str) -> str:
    return json.dumps(yaml.safe_load(text))

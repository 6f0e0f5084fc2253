"""The user's own tasks in a sweep spec or a trial file: its field `tasks`.

The user writes it as a list of task files, relative to the file that names them. It is stored as a mapping from name to
all fields of the task, as `xstilts show` also prints it. The record therefore has the tasks that a sweep was started
with, even if their files change later.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Mapping
from pathlib import Path

from pydantic import JsonValue, ValidationError

from trainables.config.validation import config_error
from trainables.errors import ConfigError, TaskDataError
from trainables.own_tasks.task_file import load_task_file, make_task
from trainables.tasks.registry import adopt, restored
from trainables.tasks.spec import TaskSpec

FIELD = "tasks"
"""Name of the field."""

WholeTasks = dict[str, JsonValue]
"""Name -> the fields of a task."""


def read_tasks(value: JsonValue, *, folder: Path) -> WholeTasks | None:
    """Return the tasks of a `tasks` field with all their fields, or None if it has no tasks.

    Args:
        value: A list of paths, or a mapping from name to a task's fields.
        folder: Folder that paths are relative to.

    Raises:
        ConfigError: The field has neither form, or two files hold tasks with the same name.
        TaskFileError: A field of a task is wrong.
    """
    if not value:
        return None
    if isinstance(value, dict):
        specs = [_written_out(name, body, folder=folder) for name, body in value.items()]
    elif isinstance(value, list) and all(isinstance(name, str) for name in value):
        specs = [load_task_file(folder / str(name)) for name in value]
    else:
        raise ConfigError(FIELD, f"{value!r} is not a list of task files; write it as [my_task.yaml]")
    names = [spec.name for spec in specs]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise ConfigError(FIELD, f"two files hold a task named {repeated[0]!r}; rename one")
    return {spec.name: spec.model_dump(mode="json") for spec in specs}


def take_tasks_of_trial(document: dict[str, JsonValue]) -> None:
    """Move the tasks that `xstilts show` prints with a trial from `trial` of a spec's document to its own field.

    Raises:
        ConfigError: Both fields have tasks.
    """
    trial = document.get("trial")
    if not isinstance(trial, dict) or FIELD not in trial:
        return
    if document.get(FIELD):
        raise ConfigError("trial.tasks", "also lists tasks, as `tasks` does; write all of them at `tasks`")
    document[FIELD] = trial.pop(FIELD)


def own_tasks(whole: Mapping[str, JsonValue] | None) -> tuple[TaskSpec, ...]:
    """Return the tasks that `read_tasks` returned.

    Raises:
        ConfigError: One does not have the fields of a task.
    """
    specs: list[TaskSpec] = []
    for name, body in (whole or {}).items():
        try:
            specs.append(TaskSpec.model_validate_json(json.dumps(body)))
        except ValidationError as error:
            raise config_error(error, locate=lambda path, name=name: f"{FIELD}.{name}.{path}") from None
    return tuple(specs)


def adopt_tasks(whole: Mapping[str, JsonValue] | None) -> None:
    """Register the tasks that `read_tasks` returned in this process.

    Raises:
        ConfigError: One does not have the fields of a task, or has the name of another task.
    """
    for spec in own_tasks(whole):
        try:
            adopt([spec])
        except TaskDataError as error:
            raise ConfigError(f"{FIELD}.{spec.name}", str(error)) from None


@contextlib.contextmanager
def adopted_tasks(whole: Mapping[str, JsonValue] | None) -> Generator[None]:
    """Register tasks as `adopt_tasks` does, for the length of a block; then the tasks of before are registered again.

    Raises:
        ConfigError: As in `adopt_tasks`.
    """
    with restored(whole or ()):
        adopt_tasks(whole)
        yield


def _written_out(name: str, body: JsonValue, *, folder: Path) -> TaskSpec:
    where = f"{FIELD}.{name}"
    if not isinstance(body, dict):
        raise ConfigError(where, f"{body!r} is not a task; give its fields, or list task files: tasks: [my_task.yaml]")
    if body.get("name", name) != name:
        rule = f"it must be equal to the task's key, {name!r}"
        raise ConfigError(f"{where}.name", f"{body['name']!r} is another name: {rule}; change one of them")
    return make_task({"name": name, **body}, folder=folder, where=where)

"""The user's own tasks in a sweep spec or a trial file: its field `tasks`.

Written as a list of task files, relative to the file that names them; kept as a mapping from name to the whole task,
which is also how `xstilts show` prints it. So what a sweep was started with is on record, wherever its files are now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue, ValidationError

from trainables.config.validation import config_error
from trainables.errors import ConfigError, TaskDataError
from trainables.own_tasks.task_file import load_task_file, make_task
from trainables.tasks.registry import adopt
from trainables.tasks.spec import TaskSpec

FIELD = "tasks"
"""Name of the field."""

WholeTasks = dict[str, JsonValue]
"""Name -> the fields of a task."""


def read_tasks(value: JsonValue, *, folder: Path) -> WholeTasks | None:
    """Return the whole tasks of a `tasks` field as it was written; None where there are none.

    Args:
        value: A list of paths, or a mapping from name to a task's fields.
        folder: Folder that paths are relative to.

    Raises:
        ConfigError: The field is of neither form, or two files have one name.
        TaskFileError: A field of a task is wrong.
    """
    if not value:
        return None
    if isinstance(value, dict):
        specs = [_written_out(name, body, folder=folder) for name, body in value.items()]
    elif isinstance(value, list) and all(isinstance(name, str) for name in value):
        specs = [load_task_file(folder / str(name)) for name in value]
    else:
        raise ConfigError(FIELD, f"{value!r} is no list of task files; write it as [my_task.yaml]")
    names = [spec.name for spec in specs]
    twins = [name for name in names if names.count(name) > 1]
    if twins:
        raise ConfigError(FIELD, f"two files hold a task named {twins[0]!r}; rename one")
    return {spec.name: spec.model_dump(mode="json") for spec in specs}


def own_tasks(whole: Mapping[str, JsonValue] | None) -> tuple[TaskSpec, ...]:
    """Return the tasks that were kept by `read_tasks`.

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
    """Make the tasks that were kept by `read_tasks` known in this process.

    Raises:
        ConfigError: One does not have the fields of a task, or the name of another task.
    """
    for spec in own_tasks(whole):
        try:
            adopt([spec])
        except TaskDataError as error:
            raise ConfigError(f"{FIELD}.{spec.name}", str(error)) from None


def _written_out(name: str, body: JsonValue, *, folder: Path) -> TaskSpec:
    where = f"{FIELD}.{name}"
    if not isinstance(body, dict):
        raise ConfigError(where, f"{body!r} is no task; give its fields, or list task files: tasks: [my_task.yaml]")
    if body.get("name", name) != name:
        raise ConfigError(f"{where}.name", f"{body['name']!r} stands under {name!r}; they must be equal")
    return make_task({"name": name, **body}, folder=folder, where=where)

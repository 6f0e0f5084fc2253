"""Reads the YAML file of one trial."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue, ValidationError

from spaces.deepspeed_file import FIELD as DEEPSPEED
from spaces.deepspeed_file import read_deepspeed
from spaces.fields import field_kind
from spaces.own_tasks import FIELD, adopt_tasks, read_tasks
from spaces.relative_folders import with_folders_beside
from trainables.config import FrozenModel, TrialConfig
from trainables.config.validation import config_error
from trainables.config.yaml_file import parse_yaml, read_yaml
from trainables.errors import ConfigError, YamlFileError

_SEEDED = ("pretraining", "intermediate", "target")


def load_trial_file(path: Path, *, settings: Sequence[str] = (), seed: int | None = None) -> TrialConfig:
    """Return the trial that a YAML file describes, in the fields of `TrialConfig`.

    The tasks that its field `tasks` names are known in this process from here on. Folders that it names are relative to
    it; those of settings, to where the command is given.

    Args:
        path: The file.
        settings: Texts like `target.steps=200` that replace values of the file.
        seed: Seed of every training phase, or None to keep the file's.

    Raises:
        YamlFileError: The file, or a setting's value, cannot be read as YAML.
        ConfigError: A field is unknown or wrong.
        TaskFileError: A field of one of its own tasks is wrong.
    """
    document = read_yaml(path)
    if not isinstance(document, dict):
        raise YamlFileError(str(path), "does not hold a mapping; a trial has fields like `encoder:` and `target:`")
    folder = path.absolute().parent
    adopt_tasks(read_tasks(document.pop(FIELD, None), folder=folder))
    read_deepspeed(document, folder=folder)
    document = {field: with_folders_beside(value, folder=folder, path=field) for field, value in document.items()}
    _check_names(document, path="")
    for setting in settings:
        _apply(document, setting)
    read_deepspeed(document, folder=Path())
    if seed is not None:
        for phase in _SEEDED:
            found = document.get(phase)
            if phase == "target" or isinstance(found, dict):
                _put(document, f"{phase}.seed", seed)
    return _validated(document)


def _validated(document: dict[str, JsonValue]) -> TrialConfig:
    try:
        return TrialConfig.model_validate(document)
    except ValidationError as error:
        raise config_error(error) from None


def _check_names(value: JsonValue, *, path: str) -> None:
    if field_kind(path, origin=path or "the trial") != "model" or not isinstance(value, dict):
        return
    for name, inner in value.items():
        _check_names(inner, path=f"{path}.{name}" if path else name)


def _apply(document: dict[str, JsonValue], setting: str) -> None:
    path, equals, text = setting.partition("=")
    if not equals or not path.strip():
        raise ConfigError(setting, "is no setting; write it as path=value, for example target.steps=200")
    value = parse_yaml(text, name=f"--set {path}")
    if ".mixture." not in path and f"{DEEPSPEED}." not in path:  # tasks and DeepSpeed's names are keys, not fields
        _check_names(value, path=path.strip())
    _put(document, path.strip(), value)


def _put(document: dict[str, JsonValue], path: str, value: JsonValue) -> None:
    *parents, last = path.split(".")
    here = document
    for name in parents:
        below = here.get(name)
        if below is None:
            below = here[name] = _default(name) if here is document else {}
        if not isinstance(below, dict):
            raise ConfigError(path, f"{name!r} is {below!r}, which has no parts; set {name!r} as a whole")
        here = below
    here[last] = value


def _default(name: str) -> dict[str, JsonValue]:
    """Return what a trial has where the file leaves a field out, so that a setting changes one part of it."""
    value = TrialConfig.model_fields[name].default
    return value.model_dump(mode="json", exclude_unset=True) if isinstance(value, FrozenModel) else {}

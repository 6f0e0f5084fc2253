"""Reads the YAML file of one trial."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import JsonValue

from spaces.fixed_trial import Fields, plain_fields, trial_config
from spaces.named_files.deepspeed_file import read_deepspeed
from spaces.named_files.relative_folders import with_folders_beside
from spaces.own_tasks import FIELD, adopt_tasks, read_tasks
from trainables.config import TrialConfig
from trainables.config.yaml_file import parse_yaml, read_yaml
from trainables.errors import ConfigError, YamlFileError

_SEEDED = ("pretraining", "intermediate", "target")


def load_trial_file(path: Path, *, settings: Sequence[str] = (), seed: int | None = None) -> TrialConfig:
    """Return the trial that a YAML file describes; the file has what `trial` of a sweep spec can have.

    The function also registers the tasks of the field `tasks` in this process. Folders in the file are relative to the
    file; folders in settings are relative to the working directory.

    Args:
        path: The file.
        settings: Texts like `target.steps=200`, which replace values of the file.
        seed: Seed of all training phases; None: the seeds in the file.

    Raises:
        YamlFileError: The file, or the value of a setting, cannot be read as YAML.
        ConfigError: A field is unknown or wrong.
        TaskFileError: A field of one of the user's own tasks is wrong.
    """
    document = read_yaml(path)
    if not isinstance(document, dict):
        raise YamlFileError(str(path), "does not hold a mapping; a trial has fields like `encoder:` and `target:`")
    return read_trial(document, folder=path.absolute().parent, settings=settings, seed=seed)


def read_trial(document: Fields, *, folder: Path, settings: Sequence[str] = (), seed: int | None = None) -> TrialConfig:
    """Return the trial of a document as a user writes it; the document is changed.

    Args:
        document: The document, with the fields of a trial file.
        folder: Folder that the paths in it are relative to.
        settings: As `load_trial_file` takes them.
        seed: As `load_trial_file` takes it.

    Raises:
        ConfigError: A field is unknown or wrong.
        TaskFileError: A field of one of the user's own tasks is wrong.
    """
    adopt_tasks(read_tasks(document.pop(FIELD, None), folder=folder))
    read_deepspeed(document, folder=folder)
    document = plain_fields(
        {field: with_folders_beside(value, folder=folder, path=field) for field, value in document.items()}
    )
    for setting in settings:
        _apply(document, setting)
    read_deepspeed(document, folder=Path())
    if seed is not None:
        for phase in _SEEDED:
            found = document.get(phase)
            if phase == "target" or isinstance(found, dict):
                _put(document, f"{phase}.seed", seed)
    return trial_config(document)


def _apply(document: Fields, setting: str) -> None:
    path, equals, text = setting.partition("=")
    if not equals or not path.strip():
        raise ConfigError(setting, "is not a setting; write it as path=value, for example target.steps=200")
    _put(document, path.strip(), parse_yaml(text, name=f"--set {path.strip()}"))


def _put(document: Fields, path: str, value: JsonValue) -> None:
    *parents, last = path.split(".")
    here = document
    for name in parents:
        below = here.get(name)
        if below is None:
            below = here[name] = Fields()
        if not isinstance(below, dict):
            raise ConfigError(path, f"{name!r} is {below!r}, which has no fields; set {name!r} as a whole")
        here = below
    here[last] = value

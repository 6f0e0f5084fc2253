"""Makes the folders that a trial file or a sweep spec names absolute; they are relative to that file."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import JsonValue

from trainables.config.phases import INTERMEDIATE_TOWER

FIELDS = ("encoder.name", "vision.tower", ".teacher", "masked_lm.texts")
"""Ends of the paths of fields that can hold a folder: an encoder, a vision tower, a teacher, texts of languages."""


def with_folders_beside(value: JsonValue, *, folder: Path, path: str = "") -> JsonValue:
    """Return a part of a document with absolute paths for the folders that it names.

    A name that starts with `.` is a folder. Any other name is a folder if the file's folder has a folder of that name;
    otherwise it is a name on the hub or of a part of xstilts. A sweep can therefore be resumed in any working
    directory.

    Args:
        value: The value at `path` in the file.
        folder: The file's folder.
        path: Dotted path of the value, without the words of parameters and the arms of choices.
    """
    is_folder = path.endswith(FIELDS)
    match value:
        case str() if is_folder or _is_encoder(path):
            return _beside(value, folder=folder)
        case dict() if _is_encoder(path) and "choice" in value:
            return _encoder_choice(value, folder=folder, path=path)
        case dict():
            return {
                key: with_folders_beside(inner, folder=folder, path=_path(path, key)) for key, inner in value.items()
            }
        case list():
            return [with_folders_beside(one, folder=folder, path=path) for one in value]
        case _:
            return value


def _is_encoder(path: str) -> bool:
    return path == "encoder" or path.endswith(".encoder")


def _encoder_choice(value: dict[str, JsonValue], *, folder: Path, path: str) -> JsonValue:
    """Return a choice of encoders, whose arms are names, or mappings that hold a name."""
    arms, field = value["choice"], f"{path}.name"
    if isinstance(arms, list):
        named = {key: value[key] for key in ("choice", "default") if key in value}
        return {**value, **{key: with_folders_beside(one, folder=folder, path=field) for key, one in named.items()}}
    if isinstance(arms, dict):
        beside = {label: with_folders_beside(arm, folder=folder, path=path) for label, arm in arms.items()}
        return {**value, "choice": beside}
    return value


def _path(path: str, key: str) -> str:
    if path.endswith(FIELDS):  # `choice`, its arms, `default`: they hold values of the same field
        return path
    return f"{path}.{key}" if path else key


def _beside(name: str, *, folder: Path) -> str:
    if name == INTERMEDIATE_TOWER:
        return name
    beside = folder / name
    # For a name that no file can have, os.path.isdir returns False, but Path.is_dir raises OSError.
    if Path(name).is_absolute() or name.startswith("~") or not (name.startswith(".") or os.path.isdir(beside)):  # noqa: PTH112
        return name
    return os.path.normpath(beside)

"""Folders that a trial file or a sweep spec names: relative to that file, as its tasks are."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import JsonValue

FIELDS = ("encoder.name", "vision.tower", "masked_lm.texts")
"""How the paths of fields end that may hold a folder: an encoder, a vision tower, texts of languages."""


def with_folders_beside(value: JsonValue, *, folder: Path, path: str = "") -> JsonValue:
    """Return a part of a document in which folders that it names are absolute.

    A name that begins with `.` is a folder; any other is one where the file's folder has one of that name, and else
    a name on the hub, or of what ships with xstilts. So a sweep goes on from wherever it is resumed.

    Args:
        value: What the file holds at `path`.
        folder: The file's folder.
        path: Dotted path of the value; words of parameters and arms of choices are no part of it.
    """
    is_folder = path.endswith(FIELDS)
    match value:
        case str() if is_folder:
            return _beside(value, folder=folder)
        case dict():
            return {
                key: with_folders_beside(inner, folder=folder, path=_path(path, key)) for key, inner in value.items()
            }
        case list():
            return [with_folders_beside(one, folder=folder, path=path) for one in value]
        case _:
            return value


def _path(path: str, key: str) -> str:
    if path.endswith(FIELDS):  # `choice`, its arms, `default`: they hold values of the same field
        return path
    return f"{path}.{key}" if path else key


def _beside(name: str, *, folder: Path) -> str:
    beside = folder / name
    # os.path's answer to a name that no file can have is no, where Path's is an OSError.
    if Path(name).is_absolute() or name.startswith("~") or not (name.startswith(".") or os.path.isdir(beside)):  # noqa: PTH112
        return name
    return os.path.normpath(beside)

"""Reads DeepSpeed's settings from a file that a trial file or spec names in `engine.deepspeed`.

The file is read once, where the spec is read. The settings themselves are then on record and reach other hosts.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import JsonValue

from trainables.config.yaml_file import read_yaml
from trainables.errors import ConfigError, YamlFileError

FIELD = "engine.deepspeed"
"""Name of the field, in a trial."""


def read_deepspeed(trial: JsonValue, *, folder: Path) -> None:
    """Replace the name of a settings file in a trial's fields by the settings in the file.

    Args:
        trial: Fields of a trial as the user wrote them; keys can be dotted.
        folder: Folder that the name is relative to.

    Raises:
        YamlFileError: The file cannot be read, or is neither JSON nor YAML.
        ConfigError: It does not hold a mapping.
    """
    for holder, key in _places(trial):
        name = holder[key]
        if isinstance(name, str):
            holder[key] = _read(folder / name)


def deepspeed_file(trial: JsonValue) -> str | None:
    """Return the name of the file that a trial's fields name, or None."""
    return next((str(holder[key]) for holder, key in _places(trial) if isinstance(holder[key], str)), None)


def _places(trial: JsonValue) -> list[tuple[dict[str, JsonValue], str]]:
    if not isinstance(trial, dict):
        return []
    engine = trial.get("engine")
    places = [(trial, FIELD), *([(engine, "deepspeed")] if isinstance(engine, dict) else [])]
    return [(holder, key) for holder, key in places if key in holder]


def _read(path: Path) -> dict[str, JsonValue]:
    found = _read_json(path) if path.suffix == ".json" and path.is_file() else read_yaml(path)
    if not isinstance(found, dict):
        raise ConfigError(FIELD, f"{str(path)!r} holds {found!r}; it must hold a mapping of DeepSpeed's settings")
    return found


def _read_json(path: Path) -> JsonValue:
    """Return the content of a JSON file. A YAML reader cannot read all JSON: it refuses tabs."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_mapping_with_distinct_keys)
    except json.JSONDecodeError as error:
        message = f"{error.msg}; correct this line"
        raise YamlFileError(str(path), message, line=error.lineno, column=error.colno) from None
    except (OSError, ValueError) as error:
        raise YamlFileError(str(path), f"cannot be read: {error}; correct the file") from None


def _mapping_with_distinct_keys(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    names = [name for name, _ in pairs]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        msg = f"the key {repeated[0]!r} occurs twice, keep one"
        raise ValueError(msg)
    return dict(pairs)

"""`--set a.b=v`: changes to a sweep spec from the command line."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path

from pydantic import JsonValue

from spaces.further_groups import with_tasks_named
from spaces.named_files.deepspeed_file import FIELD as DEEPSPEED_FIELD
from spaces.named_files.deepspeed_file import read_deepspeed
from spaces.objectives import BENCHMARKS
from spaces.sweep_spec import JsonObject, SweepSpec, make_sweep_spec
from trainables.config import canonical_json
from trainables.config.yaml_file import parse_yaml
from trainables.errors import ConfigError, near_matches

_MAX_DOTS = 60
_OPEN = ("trial", "families", "search")
"""Fields of a spec below which a setting can add a new path; it is then checked as a field of a trial."""


def with_settings(spec: SweepSpec, settings: Iterable[str]) -> SweepSpec:
    """Return a spec with some of its values replaced, checked again.

    Args:
        spec: The spec; it is not changed.
        settings: Texts like `trials=8` or `families.text.steps={choice: [100, 200]}`; values are read as YAML.

    Raises:
        ConfigError: A path does not exist, or the changed spec is wrong.
        YamlFileError: A value is not YAML, or a file of DeepSpeed's settings that it names cannot be read.
    """
    settings = list(settings)
    if not settings:
        return spec
    document: JsonObject = spec.model_dump(mode="json")
    if not BENCHMARKS.isdisjoint(spec.goals) and isinstance(rungs := document["rungs"], dict):
        rungs.pop("further", None)  # the objective implies it; the settings may choose another objective
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals or not path.strip():
            raise ConfigError(setting, "is not a setting; write it as path=value, for example trials=8")
        _put(document, path=path.strip(), value=parse_yaml(text, name=f"--set {path.strip()}"))
    read_deepspeed(document["trial"], folder=Path())
    document["trial"] = with_tasks_named(document["trial"])
    return make_sweep_spec(document)


def with_files_read(settings: Iterable[str]) -> tuple[str, ...]:
    """Return settings with the content of the files that they name, for a host that does not have these files.

    Args:
        settings: Settings as `with_settings` takes them.

    Raises:
        YamlFileError: A file of DeepSpeed's settings is neither JSON nor YAML.
        ConfigError: Such a file does not hold a mapping.
    """
    return tuple(_with_file_read(setting) for setting in settings)


def _with_file_read(setting: str) -> str:
    path, _, text = setting.partition("=")
    if path.strip() != f"trial.{DEEPSPEED_FIELD}":
        return setting
    written: JsonObject = {DEEPSPEED_FIELD: parse_yaml(text, name=f"--set {path.strip()}")}
    read_deepspeed(written, folder=Path())
    return f"{path.strip()}={canonical_json(written[DEEPSPEED_FIELD])}"


def _put(document: JsonObject, *, path: str, value: JsonValue) -> None:
    if path.count(".") > _MAX_DOTS:
        raise ConfigError(
            f"{path[:_MAX_DOTS]}...", f"is a path of {path.count('.') + 1} parts; no field is nested so deep"
        )
    first = path.split(".", maxsplit=1)[0]
    if first not in SweepSpec.model_fields:
        near = near_matches(first, SweepSpec.model_fields)
        fields = ", ".join(SweepSpec.model_fields)
        raise ConfigError(path, f"a sweep spec has no field {first!r}{near}; it has {fields}")
    inner, rest, walked = document, path.split("."), list[str]()
    while (key := _longest_key(inner, parts=rest)) != ".".join(rest):
        walked.append(key)
        rest = rest[len(key.split(".")) :]
        below = inner.get(key)
        if below is None and first in _OPEN:
            below = inner[key] = JsonObject()
        if not isinstance(below, dict):
            raise ConfigError(path, f"{'.'.join(walked)} is {below!r}, which has no parts; set it as a whole")
        inner = below
    inner[key] = copy.deepcopy(value)


def _longest_key(mapping: JsonObject, *, parts: list[str]) -> str:
    """Return the longest dotted key of the mapping that is a prefix of the parts, or the first part."""
    for length in range(len(parts), 0, -1):
        key = ".".join(parts[:length])
        if key in mapping:
            return key
    return parts[0]

"""Reads a user's task file: the YAML file that describes a task. No torch, no `datasets`.

A task file has the fields of `TaskSpec`. This module checks everything that can be checked without reading rows; a
message names the file and the field. `trainables.checks.preflight` checks the rows before a trial, and so does
`xstilts tasks check`.

The data files must be in the folder of the task file, or in a folder below it. The environment variable
`XSTILTS_TASK_FOLDERS` allows other folders for every task file; `:` separates them. So a task file from a stranger
cannot read other files of this machine.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any, get_args  # Any: values of a document, checked by pydantic

from pydantic import JsonValue, ValidationError

from trainables.config.validation import config_error
from trainables.config.yaml_file import read_yaml
from trainables.data.file_formats.data_file import surrogate_problem
from trainables.data.file_formats.signatures import ENDINGS
from trainables.data.sources.files import checked_digest, with_quoting
from trainables.errors import ConfigError, TaskDataError, TaskFileError, YamlFileError
from trainables.names import expanded
from trainables.tasks.file_source import FileFormat
from trainables.tasks.formats import FORMATS
from trainables.tasks.locked_splits import check_lock
from trainables.tasks.rules import check_task
from trainables.tasks.spec import FileSource, GeneratedSource, HubSource, MaskingPolicy, TaskSpec

FOLDERS = "XSTILTS_TASK_FOLDERS"
"""Environment variable: further folders that task files may read from, separated by `:`."""

_SOURCES = {"hub": HubSource, "files": FileSource, "generated": GeneratedSource}
_NOT_STATED = {"licence": "not stated", "citation": "not stated"}


def load_task_file(path: Path) -> TaskSpec:
    """Return the task that a YAML file describes. Its files are checked and hashed; the task is not registered.

    Args:
        path: The YAML file.

    Raises:
        YamlFileError: The file cannot be read, or is not YAML.
        TaskFileError: A field is wrong; the error holds its dotted path.
    """
    document = read_yaml(path)
    if not isinstance(document, dict):
        raise YamlFileError(
            str(path), "does not hold a mapping; write fields such as `name:` and `kind:` in a task file"
        )
    return make_task(document, folder=path.absolute().parent, where=str(path))


def make_task(document: Mapping[str, JsonValue], *, folder: Path, where: str) -> TaskSpec:
    """Return the task that a document describes, after checking it.

    Args:
        document: The fields of a task. A document that this function filled in earlier (of a sweep, or of a printed
            trial) holds the folder and the digest of its files; it is accepted only if the files are still the same.
        folder: Absolute path of the folder that file names are relative to.
        where: Name of the document in messages.

    Raises:
        TaskFileError: A field is wrong, or files are missing or have changed.
    """
    try:
        spec = _validated(document)
        check_task(spec)
        check_lock(spec)
        return _with_files(spec, folder=folder)
    except ConfigError as error:
        raise TaskFileError(where, error.field, str(error).removeprefix(f"{error.field}: ")) from None
    except TaskDataError as error:
        raise TaskFileError(where, "", str(error)) from None


def _validated(document: Mapping[str, JsonValue]) -> TaskSpec:
    filled: dict[str, JsonValue] = {**_NOT_STATED, **document}
    kind, source = filled.get("kind"), filled.get("source")
    if "metric" not in filled and isinstance(kind, str) and kind in FORMATS:
        filled["metric"] = FORMATS[kind].metrics[0]  # pyright: ignore[reportArgumentType]  (`in FORMATS` checked it)
    if "splits" not in filled and isinstance(source, dict) and isinstance(source.get("files"), dict):
        files: Any = source["files"]
        filled["splits"] = {split: [split] for split in files}
    if isinstance(source, dict):
        filled["source"] = _filled_source(source)
    _check_texts(filled, path="")
    try:
        # Validated as JSON, because strict models accept a list for a tuple only there.
        return TaskSpec.model_validate_json(json.dumps(filled))
    except ValidationError as error:
        raise config_error(error, locate=_without_tag, known=_known_names) from None


def _check_texts(value: JsonValue, *, path: str) -> None:
    """Check that no text of a document holds a lone surrogate: YAML can write one, and JSON cannot."""
    if isinstance(value, str) and (problem := surrogate_problem(value)):
        raise ConfigError(path, f"{value[:60]!r} {problem}")
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        if isinstance(name, str) and (problem := surrogate_problem(name)):
            raise ConfigError(path or "fields", f"{name[:60]!r} {problem}")
        _check_texts(part, path=f"{path}.{name}" if path else str(name))


def _filled_source(source: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return a source with the fields that follow from others: its type, its files' format, and lists of files."""
    filled: dict[str, JsonValue] = {"type": "files" if "files" in source else "hub", **source}
    if filled["type"] == "generated":
        raise ConfigError("source.type", "'generated' is only for tasks of the package; write type: files or type: hub")
    files = filled.get("files")
    if not isinstance(files, dict):
        return filled
    filled["files"] = {split: [names] if isinstance(names, str) else names for split, names in files.items()}
    return filled if "format" in filled else {**_format(filled["files"]), **filled}


def _format(files: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    named = next((names[0] for names in files.values() if isinstance(names, list) and names), "")
    ending = PurePath(str(named).lower().removesuffix(".gz")).suffix.removeprefix(".")
    if ending == "tsv":
        return {"format": "csv", "delimiter": "\t"}
    if ending in get_args(FileFormat):
        return {"format": ending}
    if ending == "ndjson":
        return {"format": "jsonl"}
    if found := ENDINGS.get(ending):
        raise ConfigError(
            "source.files", f"{named!r} is {found.name}, and xstilts cannot read that format; {found.step}"
        )
    known = ", ".join(get_args(FileFormat))
    rule = f"is missing, and the file name {named!r} does not end in a known format"
    raise ConfigError("source.format", f"{rule}; set it to one of {known}")


def _without_tag(path: str) -> str:
    """Return a field's path without the type of the source: pydantic adds it to the path."""
    return re.sub(r"^source\.(hub|files|generated)(?=\.|$)", "source", path)


def _known_names(path: str) -> list[str]:
    parts = path.split(".")
    if parts[0] == "source" and len(parts) > 1:
        return list(_SOURCES[parts[1]].model_fields) if parts[1] in _SOURCES else list(_SOURCES)
    return list(MaskingPolicy.model_fields if parts[0] == "masking" else TaskSpec.model_fields)


def _with_files(spec: TaskSpec, *, folder: Path) -> TaskSpec:
    """Return a task with the folder and the digest of its files, after checking that it may read them."""
    source = spec.source
    if not isinstance(source, FileSource):
        return spec
    if source.folder is not None:
        # xstilts wrote this document. Whoever knows the hash of the files knows their content.
        if source.digest is None:
            rule = "is set by xstilts; remove it: file names are relative to the folder of the task file"
            raise ConfigError("source.folder", rule)
        checked_digest(spec)
        return spec
    if source.digest is not None:
        raise ConfigError("source.digest", "is set by xstilts; remove it")
    for split, names in source.files.items():
        for name in names:
            _check_inside(name, field=f"source.files.{split}", languages=spec.languages, folder=folder)
    digest = checked_digest(_with_source(spec, source.model_copy(update={"folder": str(folder)})))
    return with_quoting(_with_source(spec, source.model_copy(update={"folder": str(folder), "digest": digest})))


def _with_source(spec: TaskSpec, source: FileSource) -> TaskSpec:
    return spec.model_copy(update={"source": source})


def _check_inside(name: str, *, field: str, languages: tuple[str, ...], folder: Path) -> None:
    if "://" in name:
        rule = "a task file can name only local files"
        raise ConfigError(field, f"{name!r} is a URL; {rule}: download the file into the folder of the task file")
    allowed = [folder, *(expanded(other, what=FOLDERS) for other in os.environ.get(FOLDERS, "").split(":") if other)]
    for language in languages:
        try:
            # Links are followed: a link inside the folder can point outside it.
            path = (folder / name.replace("{language}", language)).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a name too long, with a NUL in it, or a loop of links
            raise ConfigError(field, f"{name[:60]!r} is not a valid file name ({error}); correct it") from None
        if not any(path.is_relative_to(parent.resolve()) for parent in allowed):
            raise ConfigError(
                field,
                f"{name!r} is outside {str(folder)!r}; a task file can read files only from its own folder: move the "
                f"file there, or add its folder to the environment variable {FOLDERS}",
            )

"""A user's own task, from the YAML file that describes it. No torch, no `datasets`.

A task file has the fields of `TaskSpec`. What can be known without reading rows is checked here; a message names the
file and the field. Rows are checked by `trainables.checks.trial` before a trial and by `xstilts tasks check`.

Files lie in the folder of the task file or below. Others must be allowed: `XSTILTS_TASK_FOLDERS` lists folders,
separated by `:`, that any task file may read from. So a task file of a stranger reads nothing else of this machine.
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
from trainables.data.file_formats.data_file import half_a_character
from trainables.data.file_formats.signatures import ENDINGS
from trainables.data.files import checked_digest, with_quoting
from trainables.errors import ConfigError, TaskDataError, TaskFileError, YamlFileError
from trainables.tasks.formats import FORMATS
from trainables.tasks.rules import check_task
from trainables.tasks.spec import FileFormat, FileSource, GeneratedSource, HubSource, MaskingPolicy, TaskSpec

FOLDERS = "XSTILTS_TASK_FOLDERS"
"""Environment variable: folders that task files may read from beside their own, separated by `:`."""

_SOURCES = {"hub": HubSource, "files": FileSource, "generated": GeneratedSource}
_NOT_STATED = {"licence": "not stated", "citation": "not stated"}


def load_task_file(path: Path) -> TaskSpec:
    """Return the task that a YAML file describes, with its files found and their content's hash. It is not registered.

    Args:
        path: The file.

    Raises:
        YamlFileError: The file cannot be read, or is no YAML.
        TaskFileError: A field is wrong; carries its dotted path.
    """
    document = read_yaml(path)
    if not isinstance(document, dict):
        raise YamlFileError(str(path), "does not hold a mapping; a task file has fields like `name:` and `kind:`")
    return make_task(document, folder=path.absolute().parent, where=str(path))


def make_task(document: Mapping[str, JsonValue], *, folder: Path, where: str) -> TaskSpec:
    """Return the checked task of a document.

    Args:
        document: The fields of a task. One that was made here before (a sweep's, a printed trial's) names the folder
            and the digest of its files, and is made again only if they are the same.
        folder: Folder that its files are relative to, absolute.
        where: What to call the document in messages.

    Raises:
        TaskFileError: A field is wrong, or files are missing or have changed.
    """
    try:
        spec = _validated(document)
        check_task(spec)
        return _with_files(spec, folder=folder)
    except ConfigError as error:
        raise TaskFileError(where, error.field, str(error).removeprefix(f"{error.field}: ")) from None
    except TaskDataError as error:
        raise TaskFileError(where, "", str(error)) from None


def _validated(document: Mapping[str, JsonValue]) -> TaskSpec:
    filled: dict[str, JsonValue] = {**_NOT_STATED, **document}
    kind, source = filled.get("kind"), filled.get("source")
    if "metric" not in filled and isinstance(kind, str) and kind in FORMATS:
        filled["metric"] = FORMATS[kind].metrics[0]  # pyright: ignore[reportArgumentType]  (it was looked up)
    if "splits" not in filled and isinstance(source, dict) and isinstance(source.get("files"), dict):
        files: Any = source["files"]
        filled["splits"] = {split: [split] for split in files}
    if isinstance(source, dict):
        filled["source"] = _filled_source(source)
    _check_texts(filled, path="")
    try:
        # The detour over JSON lets lists stand for tuples, which strict models otherwise refuse.
        return TaskSpec.model_validate_json(json.dumps(filled))
    except ValidationError as error:
        raise config_error(error, locate=_without_tag, known=_known_names) from None


def _check_texts(value: JsonValue, *, path: str) -> None:
    """Return when no text of a document holds half a surrogate pair, which YAML can write and JSON refuses whole."""
    if isinstance(value, str) and (problem := half_a_character(value)):
        raise ConfigError(path, f"{value[:60]!r} {problem}")
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        if isinstance(name, str) and half_a_character(name):
            raise ConfigError(path or "fields", f"{name[:60]!r} {half_a_character(name)}")
        _check_texts(part, path=f"{path}.{name}" if path else str(name))


def _filled_source(source: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return a source with what its other fields say: its type, its files' format, and one file as a list."""
    filled: dict[str, JsonValue] = {"type": "files" if "files" in source else "hub", **source}
    if filled["type"] == "generated":
        raise ConfigError("source.type", "'generated' is for tasks of the package; a task file has type files or hub")
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
        raise ConfigError("source.files", f"{named!r} is {found.name} by its ending, which is not read; {found.step}")
    known = ", ".join(get_args(FileFormat))
    raise ConfigError("source.format", f"is not given, and {named!r} does not end in one; give one of {known}")


def _without_tag(path: str) -> str:
    """Return a field's path without the name of the source's type, which pydantic puts into it."""
    return re.sub(r"^source\.(hub|files|generated)(?=\.|$)", "source", path)


def _known_names(path: str) -> list[str]:
    parts = path.split(".")
    if parts[0] == "source" and len(parts) > 1:
        return list(_SOURCES[parts[1]].model_fields) if parts[1] in _SOURCES else list(_SOURCES)
    return list(MaskingPolicy.model_fields if parts[0] == "masking" else TaskSpec.model_fields)


def _with_files(spec: TaskSpec, *, folder: Path) -> TaskSpec:
    """Return a task whose files are found, allowed and identified."""
    source = spec.source
    if not isinstance(source, FileSource):
        return spec
    if source.folder is not None:
        # Written down by us before. Who knows the hash of files knows what is in them.
        if source.digest is None:
            raise ConfigError("source.folder", "is filled in by xstilts; leave it out, names are relative to this file")
        checked_digest(spec)
        return spec
    if source.digest is not None:
        raise ConfigError("source.digest", "is filled in by xstilts; leave it out")
    for split, names in source.files.items():
        for name in names:
            _check_inside(name, field=f"source.files.{split}", languages=spec.languages, folder=folder)
    digest = checked_digest(_with_source(spec, source.model_copy(update={"folder": str(folder)})))
    return with_quoting(_with_source(spec, source.model_copy(update={"folder": str(folder), "digest": digest})))


def _with_source(spec: TaskSpec, source: FileSource) -> TaskSpec:
    return spec.model_copy(update={"source": source})


def _check_inside(name: str, *, field: str, languages: tuple[str, ...], folder: Path) -> None:
    if "://" in name:
        raise ConfigError(field, f"{name!r} is a URL; a task reads files only: download it beside the task file")
    allowed = [folder, *(Path(place).expanduser() for place in os.environ.get(FOLDERS, "").split(":") if place)]
    for language in languages:
        try:
            # Links are followed: one inside the folder may lead out of it.
            path = (folder / name.replace("{language}", language)).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a name too long, with a NUL in it, or a loop of links
            raise ConfigError(field, f"{name[:60]!r} is no name of a file ({error}); correct it") from None
        if not any(path.is_relative_to(place.resolve()) for place in allowed):
            raise ConfigError(
                field,
                f"{name!r} lies outside {str(folder)!r}; a task file reads its own folder only: move the file there, "
                f"or allow its folder in {FOLDERS}",
            )

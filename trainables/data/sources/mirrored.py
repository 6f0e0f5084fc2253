"""Checks the configurations, splits and columns of a mirror's copy of a data set, without reading rows.

They are in the front matter of the README, as on the hub. What is not written there is checked only by the loader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any  # Any: pyarrow is untyped, and a README holds anything

import yaml

from trainables.data.sources.joined_rows import joined_columns, own_columns
from trainables.data.sources.language_rows import no_rows_error, starts_with
from trainables.errors import ConfigError, near_matches
from trainables.tasks.spec import HubSource, TaskSpec

DEFAULT_CONFIG = "default"
"""Name of the configuration of a repository with only one."""

Files = Mapping[str, list[Path]]
"""Split -> the files that hold it."""


def check_mirrored(spec: TaskSpec, *, folder: Path, split: str, language: str) -> None:
    """Check that a mirror's copy holds a split and the columns that a task names, if its README lists them.

    Args:
        spec: A task from the hub.
        folder: Folder of the copy.
        split: Split of the task.
        language: One of the task's languages.

    Raises:
        ConfigError: A configuration, split, file or column is missing; the message names it.
    """
    source = spec.source
    assert isinstance(source, HubSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    configs = _configs(folder)
    if configs is None:
        return
    for name in spec.splits[split]:
        config = source.config_of(language, split=name) or DEFAULT_CONFIG
        if source.config is None and len(configs) == 1:
            (config,) = configs  # as `datasets` does
        files = _files_in(spec, configs, config=config, split=name)
        if files is None:
            continue
        where = (source.where.column,) if source.where else ()
        _check_columns(spec, file=files[0], wanted=tuple(dict.fromkeys((*own_columns(spec), *where))))
        _check_language(spec, files=files, language=language)
        _check_joined(spec, configs, split=name.removesuffix("?"), language=language)


def _check_joined(spec: TaskSpec, configs: Mapping[str, Files], *, split: str, language: str) -> None:
    """Check the configuration that holds further columns of the task, if it has one and the task reads them."""
    source = spec.source
    assert isinstance(source, HubSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    config, columns = source.joined_config_of(language, split=split), joined_columns(spec)
    if config is None or source.join is None or not columns:
        return
    files = _files_in(spec, configs, config=config, split=split)
    assert files is not None  # noqa: S101  (the split is not optional)
    _check_columns(spec, file=files[0], wanted=(source.join.key, *columns))


def _files_in(spec: TaskSpec, configs: Mapping[str, Files], *, config: str, split: str) -> Sequence[Path] | None:
    """Return the files of a split in a configuration; None where it lacks a split that is written `name?`."""
    if config not in configs:
        raise _missing_error(spec, f"configuration {config!r}")
    files = configs[config].get(split.removesuffix("?"))
    if not files and not split.endswith("?"):
        known = ", ".join(configs[config])
        raise _missing_error(spec, f"split {split!r} in configuration {config!r}; it has {known}")
    return files or None


def files_of_split(folder: Path, *, config: str | None, split: str) -> list[str] | None:
    """Return the files of one split of a mirror's copy, or None if its README does not list them.

    `datasets` prepares every split of a configuration when one is requested. A locked split stays unread only if the
    loader gets the files of the requested split.

    Args:
        folder: Folder of the copy.
        config: Configuration; None for the only one, or for `default`.
        split: Split of the source.
    """
    configs = _configs(folder) or {}
    only = next(iter(configs)) if len(configs) == 1 else DEFAULT_CONFIG
    files = configs.get(config or only, {}).get(split)
    return list(map(str, files)) if files and all(file.is_file() for file in files) else None


def _check_columns(spec: TaskSpec, *, file: Path, wanted: Sequence[str]) -> None:
    if file.suffix != ".parquet":
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found: list[str] = pq.read_schema(file).names
    except (pa.ArrowException, OSError) as error:
        raise _missing_error(spec, f"readable {file.name}: {error}") from None
    for name in wanted:
        if name not in found and name.split(".")[0] not in found:
            raise _missing_error(
                spec, f"column {name!r} in {file.name}{near_matches(name, found)}; it has {', '.join(found)}"
            )


def _check_language(spec: TaskSpec, *, files: Sequence[Path], language: str) -> None:
    """Check that a split has rows of a language, where one configuration holds several."""
    source = spec.source
    if not isinstance(source, HubSource) or source.where is None or files[0].suffix != ".parquet":
        return
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    column, start = source.where.column, source.where.start(language, names=source.language_names)
    num_rows = 0
    for file in files:
        texts = pq.read_table(file, columns=[column])[column]
        if pc.any(starts_with(texts, start)).as_py():  # pyright: ignore[reportAttributeAccessIssue]
            return
        num_rows += len(texts)
    raise ConfigError(spec.name, str(no_rows_error(spec, language=language, num_rows=num_rows)))


def _configs(folder: Path) -> dict[str, Files] | None:
    """Return configuration -> its files by split, or None if the README does not list them."""
    readme = folder / "README.md"
    if not readme.is_file():
        return None
    parts = readme.read_text(encoding="utf-8", errors="replace").split("---\n", maxsplit=2)
    if len(parts) < 3 or parts[0].strip():  # noqa: PLR2004  before, between and after two rules
        return None
    try:
        header: Any = yaml.safe_load(parts[1])
        entries: Any = header["configs"]
        found = {entry["config_name"]: _split_files(entry["data_files"], folder=folder) for entry in entries}
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        return None
    return {config: files for config, files in found.items() if any(files.values())}


def _split_files(data_files: Any, *, folder: Path) -> Files:
    found: dict[str, list[Path]] = {}
    for entry in data_files:
        patterns = [entry["path"]] if isinstance(entry["path"], str) else entry["path"]
        found[entry["split"]] = sorted(path for pattern in patterns for path in folder.glob(pattern))
    return found


def _missing_error(spec: TaskSpec, what: str) -> ConfigError:
    source = spec.source
    assert isinstance(source, HubSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    return ConfigError(
        spec.name, f"the mirror's copy of {source.repository!r} has no {what}; complete it, or unset XSTILTS_MIRROR"
    )

"""What a mirror's copy of a data set says about itself: configurations, splits, columns. Reads no rows.

A copy says it in the front matter of its README, as on the hub. What it does not say is left to the loader.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any  # Any: pyarrow is untyped, and a README holds anything

import yaml

from trainables.errors import ConfigError, near_matches
from trainables.tasks.spec import HubSource, TaskSpec

DEFAULT_CONFIG = "default"
"""Configuration of a repository with one."""

Files = Mapping[str, list[Path]]
"""Split -> the files that hold it."""


def check_mirrored(spec: TaskSpec, *, folder: Path, split: str, language: str) -> None:
    """Return when a mirror's copy holds a split with the columns that a task names, as far as its README tells.

    Args:
        spec: A task from the hub.
        folder: The copy.
        split: Our split.
        language: One of the task's languages.

    Raises:
        ConfigError: Configuration, split, file or column is missing; names which.
    """
    source = spec.source
    assert isinstance(source, HubSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    config = source.config_of(language) or DEFAULT_CONFIG
    configs = _configs(folder)
    if configs is None:
        return
    if source.config is None and len(configs) == 1:
        (config,) = configs  # as `datasets` does
    if config not in configs:
        raise _lacks(spec, f"configuration {config!r}")
    for name in spec.splits[split]:
        files = configs[config].get(name.removesuffix("?"))
        if not files and name.endswith("?"):
            continue
        if not files:
            known = ", ".join(configs[config])
            raise _lacks(spec, f"split {name!r} in configuration {config!r}; it has {known}")
        _check_columns(spec, file=files[0])


def files_of_split(folder: Path, *, config: str | None, split: str) -> list[str] | None:
    """Return the files of one split of a mirror's copy, or None where its README does not say.

    `datasets` prepares every split of a configuration when one is asked for. A split that is to stay locked is not
    read only where the loader is given the files of the other one alone.

    Args:
        folder: The copy.
        config: Its configuration; None is the only one, or `default`.
        split: The source's own split.
    """
    configs = _configs(folder) or {}
    only = next(iter(configs)) if len(configs) == 1 else DEFAULT_CONFIG
    files = configs.get(config or only, {}).get(split)
    return list(map(str, files)) if files and all(file.is_file() for file in files) else None


def _check_columns(spec: TaskSpec, *, file: Path) -> None:
    if file.suffix != ".parquet":
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found: list[str] = pq.read_schema(file).names
    except (pa.ArrowException, OSError) as error:
        raise _lacks(spec, f"readable {file.name}: {error}") from None
    for name in spec.source_columns:
        if name not in found and name.split(".")[0] not in found:
            raise _lacks(spec, f"column {name!r} in {file.name}{near_matches(name, found)}; it has {', '.join(found)}")


def _configs(folder: Path) -> dict[str, Files] | None:
    """Return configuration -> its files by split, or None where the README does not say."""
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


def _lacks(spec: TaskSpec, what: str) -> ConfigError:
    source = spec.source
    assert isinstance(source, HubSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    return ConfigError(
        spec.name, f"the mirror's {source.repository!r} has no {what}; complete it or unset XSTILTS_MIRROR"
    )

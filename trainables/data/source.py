"""What is known of a task's rows without reading them: their splits, and what identifies them.

Apart from `trainables.data.load` because importing `datasets` takes about a second, and a rank whose encoded cache is
complete, a trial actor and the command line never need it.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from trainables.data.files import checked_digest
from trainables.data.locate import locate_dataset
from trainables.errors import TaskDataError
from trainables.tasks.spec import FileSource, GeneratedSource, TaskSpec


def source_splits(spec: TaskSpec, *, split: str, language: str) -> tuple[str, ...]:
    """Return the source's splits behind one of ours.

    Raises:
        TaskDataError: The task has no such split or language.
    """
    if split not in spec.splits:
        msg = f"task {spec.name!r} has no split {split!r}; it has {', '.join(spec.splits)}; choose one of them"
        raise TaskDataError(msg)
    if language not in spec.languages:
        msg = f"task {spec.name!r} has no language {language!r}; it has {' '.join(spec.languages)}; choose one of them"
        raise TaskDataError(msg)
    return spec.splits[split]


def source_fingerprint(spec: TaskSpec) -> str | None:
    """Return what identifies the rows of a task's source, or None when only loading them tells.

    A mirror is identified by the content of its files (not by its path or times), a pinned repository by its commit,
    generated rows by their version, a user's files by their content.

    Raises:
        TaskDataError: A user's file is missing or has changed.
        UnavailableError: Neither mirror, nor cache, nor hub has the repository.
    """
    if isinstance(spec.source, GeneratedSource):
        return f"{spec.source.generator}@{spec.source.version}"
    if isinstance(spec.source, FileSource):
        return checked_digest(spec)
    location = locate_dataset(spec.source.repository)
    if location.path is not None:
        return folder_hash(location.path)
    return spec.source.revision


def folder_hash(folder: Path) -> str:
    """Return the SHA-256 of a folder's files, names and contents; hidden files are left out."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            facts = path.stat()
            content = _file_hash(path, facts.st_size, facts.st_mtime_ns)
            digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def _file_hash(path: Path, size: int, mtime_ns: int) -> str:
    """Return a file's SHA-256; size and time are arguments so that a changed file is read again."""
    del size, mtime_ns
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

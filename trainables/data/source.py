"""What is known of a task's rows without reading them: their splits, and what identifies them.

Apart from `trainables.data.load` because importing `datasets` takes about a second, and a rank whose encoded cache is
complete, a trial actor and the command line never need it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from trainables.config.frozen import content_key
from trainables.data.class_names import names_of_file
from trainables.data.files import checked_digest, source_files
from trainables.data.locate import locate_dataset
from trainables.errors import TaskDataError
from trainables.tasks.registry import task
from trainables.tasks.spec import CompositeSource, CorpusSource, FileSource, GeneratedSource, HubSource, TaskSpec
from trainables.tasks.supertags import corpus_fingerprint
from trainables.tasks.texts_source import TextsSource


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
    generated rows by their version, a user's files and a corpus by their content, a composite task by its parts.

    Raises:
        TaskDataError: A user's file is missing or has changed, or the parts of a composite task do not fit together.
        UnavailableError: Neither mirror, nor cache, nor hub has the repository.
    """
    if isinstance(spec.source, GeneratedSource):
        return f"{spec.source.generator}@{spec.source.version}"
    if digest := _digest_of_files(spec):
        return digest
    if isinstance(spec.source, CompositeSource):
        parts = composed_tasks(spec)
        # A part that only loading would tell apart is as well identified here as it is as a task of its own.
        return content_key([[part.identity(), source_fingerprint(part) or "unpinned"] for part in parts])
    assert isinstance(spec.source, HubSource | TextsSource)  # noqa: S101  (the others' files have been digested)
    location = locate_dataset(spec.source.repository or "")
    if location.path is not None:
        return folder_hash(location.path)
    return spec.source.revision


def _digest_of_files(spec: TaskSpec) -> str | None:
    """Return what identifies rows that lie in a user's own files, or None for rows from elsewhere."""
    match spec.source:
        case FileSource():
            return _digest_with_names(spec)
        case CorpusSource():
            return corpus_fingerprint(spec)
        case TextsSource(folder=str()):
            return _files_hash([path for language in spec.languages for path in text_files(spec.source, language)])
        case _:
            return None


def _digest_with_names(spec: TaskSpec) -> str:
    """Return the hash of a user's files, and of the class names that they carry where these decide the labels.

    Earlier versions took such numbers for the task's order: what was made of them so must not be found again. Names in
    the task's own order leave the hash as it was.
    """
    digest, classes = checked_digest(spec), spec.label_values or spec.labels
    found = [named for split in _source_files(spec) for path in split if (named := names_of_file(path, spec=spec))]
    others = [named for named in found if any(names != classes for names in named.values())]
    return content_key([digest, [dict(named) for named in found]]) if others else digest


def _source_files(spec: TaskSpec) -> list[list[Path]]:
    assert isinstance(spec.source, FileSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    return [
        source_files(spec, split=split, language=language) for split in spec.source.files for language in spec.languages
    ]


def text_files(source: TextsSource, language: str) -> list[Path]:
    """Return the files of a language in a folder of texts.

    Raises:
        TaskDataError: There are none.
    """
    folder = Path(source.folder or "")
    files = sorted((folder / language).glob("*.txt")) or [folder / f"{language}.txt"]
    if not files[0].is_file():
        msg = (
            f"there are no texts in {language!r}: {str(folder)!r} has neither {language}.txt nor a folder {language} "
            "with .txt files; add one, or leave the language out"
        )
        raise TaskDataError(msg)
    return files


def _files_hash(paths: Sequence[Path]) -> str:
    facts = [(path, path.stat()) for path in paths]
    lines = [f"{path.name}\0{_file_hash(path, fact.st_size, fact.st_mtime_ns)}\n" for path, fact in facts]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def composed_tasks(spec: TaskSpec) -> tuple[TaskSpec, ...]:
    """Return the tasks that a composite one is made of, in order.

    Raises:
        UnknownTaskError: One is not known.
        TaskDataError: One has another kind, other labels or other columns.
    """
    assert isinstance(spec.source, CompositeSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    parts = tuple(task(name) for name in spec.source.parts)
    for part in parts:
        for field in ("kind", "labels", "columns"):
            theirs, ours = getattr(part, field), getattr(spec, field)
            if (set(theirs) != set(ours)) if field == "columns" else (theirs != ours):
                msg = (
                    f"cannot compose task {spec.name!r}: its {field} are {ours!r}, and those of its part "
                    f"{part.name!r} are {theirs!r}; all must agree; leave the part out or change `{field}`"
                )
                raise TaskDataError(msg)
    return parts


def folder_hash(folder: Path) -> str:
    """Return the SHA-256 of a folder's files, names and contents; hidden files are left out.

    Of a file that this user may not read, such as a locked test split, the size stands for the content.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            facts = path.stat()
            is_readable = os.access(path, os.R_OK)
            content = _file_hash(path, facts.st_size, facts.st_mtime_ns) if is_readable else f"size {facts.st_size}"
            digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=4096)
def _file_hash(path: Path, size: int, mtime_ns: int) -> str:
    """Return a file's SHA-256; size and time are arguments so that a changed file is read again."""
    del size, mtime_ns
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

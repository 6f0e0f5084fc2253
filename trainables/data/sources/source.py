"""Finds the splits of a task's source and the fingerprint of its rows, without reading the rows.

This module is separate from `trainables.data.sources.loader`, because importing `datasets` takes about a second. A rank
with a complete encoded cache, a trial actor and the command line do not need `datasets`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from trainables.config.frozen import content_key
from trainables.data.sources.class_names import names_of_file
from trainables.data.sources.files import checked_digest, source_files
from trainables.data.sources.locator import locate_dataset
from trainables.data.sources.own_folders.annotations import annotation_files
from trainables.data.sources.own_folders.bitexts import bitext_fingerprint
from trainables.data.sources.own_folders.captions import caption_fingerprint
from trainables.data.sources.own_folders.entity_pools import entity_files
from trainables.data.sources.sentences import RULES_VERSION
from trainables.errors import TaskDataError
from trainables.file_hashes import file_hash
from trainables.tasks.annotation_source import AnnotationSource
from trainables.tasks.bitext_source import BitextSource
from trainables.tasks.caption_source import CaptionSource
from trainables.tasks.locked_splits import check_parts
from trainables.tasks.pool_sources import EntityPoolSource, SentencePoolSource
from trainables.tasks.registry import task
from trainables.tasks.spec import CompositeSource, CorpusSource, FileSource, GeneratedSource, HubSource, TaskSpec
from trainables.tasks.supertags import corpus_fingerprint
from trainables.tasks.texts_source import TextsSource


def source_splits(spec: TaskSpec, *, split: str, language: str) -> tuple[str, ...]:
    """Return the splits of the source that make up a split of the task.

    Raises:
        TaskDataError: The task does not have the split or language.
    """
    if split not in spec.splits:
        msg = f"task {spec.name!r} has no split {split!r}; it has {', '.join(spec.splits)}; choose one of them"
        raise TaskDataError(msg)
    if language not in spec.languages:
        msg = f"task {spec.name!r} has no language {language!r}; it has {' '.join(spec.languages)}; choose one of them"
        raise TaskDataError(msg)
    return spec.splits[split]


def source_fingerprint(spec: TaskSpec) -> str | None:
    """Return the fingerprint of the rows of a task's source, or None if it is known only after loading them.

    The fingerprint of a mirror is the content of its files (not its path or times); of a pinned repository, its commit;
    of generated rows, their version; of a user's files or a corpus, their content; of a composite task, its parts; of
    sentences, their task and the rules.

    Raises:
        TaskDataError: A user's file is missing or has changed, or the parts of a composite task do not fit together.
        UnavailableError: The repository is not in the mirror, the cache or on the hub.
    """
    if isinstance(spec.source, GeneratedSource):
        return f"{spec.source.generator}@{spec.source.version}"
    if digest := _digest_of_files(spec):
        return digest
    if isinstance(spec.source, CompositeSource):
        parts = composed_tasks(spec)
        # A part without a known fingerprint is identified as well here as it is as a separate task.
        return content_key([[part.identity(), source_fingerprint(part) or "unpinned"] for part in parts])
    if isinstance(spec.source, SentencePoolSource):
        base = task(spec.source.task)
        return content_key([base.identity(), source_fingerprint(base) or "unpinned", RULES_VERSION])
    assert isinstance(spec.source, HubSource | TextsSource)  # noqa: S101  (all other sources were handled above)
    location = locate_dataset(spec.source.repository or "")
    if location.path is not None:
        return folder_hash(location.path)
    return spec.source.revision


def _digest_of_files(spec: TaskSpec) -> str | None:
    """Return the fingerprint of rows in a user's own files, or None for other sources."""
    match spec.source:
        case FileSource():
            return _digest_with_names(spec)
        case CorpusSource() | BitextSource() | CaptionSource():
            return _FINGERPRINTS[spec.source.type](spec)
        case EntityPoolSource() | AnnotationSource():
            has_lines = isinstance(spec.source, AnnotationSource)
            return _files_hash(annotation_files(spec) if has_lines else entity_files(spec))
        case TextsSource(folder=str()):
            return _files_hash([path for language in spec.languages for path in text_files(spec.source, language)])
        case _:
            return None


_FINGERPRINTS = {"corpus": corpus_fingerprint, "bitext": bitext_fingerprint, "captions": caption_fingerprint}
"""Source in a user's folder -> what computes the fingerprint of its files."""


def _digest_with_names(spec: TaskSpec) -> str:
    """Return the hash of a user's files, and of the class names in them if these decide the labels.

    Earlier versions ignored such names and read the numbers in the task's order; the results must not be reused. Names
    in the task's own order do not change the hash.
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
        TaskDataError: There are no files of this language.
    """
    folder = Path(source.folder or "")
    files = sorted((folder / language).glob("*.txt")) or [folder / f"{language}.txt"]
    if not files[0].is_file():
        msg = (
            f"cannot read texts in {language!r}: {str(folder)!r} has neither {language}.txt nor a folder {language} "
            "with .txt files; add one of them, or remove the language"
        )
        raise TaskDataError(msg)
    return files


def _files_hash(paths: Sequence[Path]) -> str:
    lines = [f"{path.name}\0{file_hash(path)}\n" for path in paths]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def composed_tasks(spec: TaskSpec) -> tuple[TaskSpec, ...]:
    """Return the tasks that a composite task consists of, in order.

    Raises:
        UnknownTaskError: A part is not known.
        TaskDataError: A part has another kind, other labels or other columns, or opens a test split unsaid.
    """
    assert isinstance(spec.source, CompositeSource)  # noqa: S101  (narrows the type; our own bug otherwise)
    parts = tuple(task(name) for name in spec.source.parts)
    check_parts(spec, parts=parts)
    for part in parts:
        for field in ("kind", "labels", "columns"):
            theirs, ours = getattr(part, field), getattr(spec, field)
            if (set(theirs) != set(ours)) if field == "columns" else (theirs != ours):
                msg = (
                    f"cannot compose task {spec.name!r}: `{field}` is {ours!r}, but {theirs!r} in its part "
                    f"{part.name!r}; all parts must agree; remove the part or change `{field}`"
                )
                raise TaskDataError(msg)
    return parts


def folder_hash(folder: Path) -> str:
    """Return the SHA-256 of the names and contents of a folder's files; hidden files are skipped.

    For a file without read permission, such as a locked test split, the size is used instead of the content.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            content = file_hash(path) if os.access(path, os.R_OK) else f"size {path.stat().st_size}"
            digest.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return digest.hexdigest()

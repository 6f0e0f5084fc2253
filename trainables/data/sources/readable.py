"""Checks whether a split can be read, and holds no locked test data, without a download.

A user's own files are read once for both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, Protocol  # Any: a row's values are its kind's own

from trainables.data.labels.classes import Reading
from trainables.data.labels.left_out import reason_of
from trainables.data.sources.cells import file_rows, is_left_out
from trainables.data.sources.files import source_files
from trainables.data.sources.locator import locate_dataset
from trainables.data.sources.locked_content import ROWS_PER_CHUNK, LockedRowCounter, is_looked_at
from trainables.data.sources.mirrored import check_mirrored
from trainables.data.sources.own_folders.annotations import check_annotations
from trainables.data.sources.own_folders.bitexts import read_bitext
from trainables.data.sources.own_folders.captions import read_captions
from trainables.data.sources.own_folders.entity_pools import check_mentions
from trainables.data.sources.source import composed_tasks, source_fingerprint
from trainables.errors import TaskDataError
from trainables.number_words import number_of
from trainables.results import SplitRows
from trainables.tasks.annotation_source import AnnotationSource
from trainables.tasks.bitext_source import BitextSource
from trainables.tasks.caption_source import CaptionSource
from trainables.tasks.pool_sources import EntityPoolSource, SentencePoolSource
from trainables.tasks.registry import task
from trainables.tasks.spec import CompositeSource, CorpusSource, FileSource, HubSource, TaskSpec
from trainables.tasks.supertags import read_sentences
from trainables.tasks.texts_source import TextsSource

MAX_CHECKED_ROWS = 100_000
"""Most rows of a user's file that are checked before a trial starts (about a second). Others are checked when read."""


class _Check(Protocol):
    def __call__(self, spec: TaskSpec, *, split: str, language: str) -> object: ...


_CHECKS: Mapping[type[object], _Check] = {
    BitextSource: read_bitext,
    EntityPoolSource: check_mentions,
    AnnotationSource: check_annotations,
    CaptionSource: read_captions,
}
"""Source in a user's own folder -> what reads or checks one of its splits in a language."""


def check_readable(spec: TaskSpec, *, split: str, language: str) -> tuple[SplitRows, ...]:
    """Check that a split can be read, and return the numbers of rows that will be left out, where they are known.

    Args:
        spec: The task.
        split: One of its splits.
        language: One of its languages.

    Returns:
        One entry for a user's files, several for a composite task of them, none for other sources.

    Raises:
        ConfigError: The mirror's copy lacks the configuration, split or column.
        TaskDataError: Texts or a file are missing, a file has changed, holds an invalid row or a locked test split, or
            the parts of a composite task do not fit together.
        UnavailableError: The repository is not in the mirror, the cache or on the hub.
    """
    if isinstance(spec.source, FileSource):
        digest = source_fingerprint(spec)
        return (_check_file_rows(spec.model_dump_json(), digest, split=split, language=language),)
    if isinstance(spec.source, CompositeSource):
        parts = [check_readable(part, split=split, language=language) for part in composed_tasks(spec)]
        return tuple(rows for part in parts for rows in part)
    if isinstance(spec.source, HubSource):
        location = locate_dataset(spec.source.repository)
        if location.kind == "mirror" and location.path is not None:
            check_mirrored(spec, folder=location.path, split=split, language=language)
    else:
        _check_own_folder(spec, split=split, language=language)
    return ()


def _check_own_folder(spec: TaskSpec, *, split: str, language: str) -> None:
    """Check a source that is in a user's folder, or is made from another task."""
    if isinstance(spec.source, TextsSource):
        source_fingerprint(spec.model_copy(update={"languages": (language,)}))
    elif isinstance(spec.source, CorpusSource):
        read_sentences(spec, split=split)
    else:
        for source in spec.splits[split]:
            _check_split_of_folder(spec, split=source, language=language)


def _check_split_of_folder(spec: TaskSpec, *, split: str, language: str) -> None:
    match spec.source:
        case BitextSource() | EntityPoolSource() | AnnotationSource() | CaptionSource():
            _CHECKS[type(spec.source)](spec, split=split, language=language)
        case SentencePoolSource(task=name, pool=pool):
            for one in dict.fromkeys((*pool, language)):
                check_readable(task(name), split=split, language=one)
        case _:
            pass


def check_content(spec: TaskSpec, *, split: str, language: str) -> None:
    """Check the first rows of a split that are on this machine; what would be downloaded is checked when it is encoded.

    Args:
        spec: The task.
        split: One of its splits.
        language: One of its languages.

    Raises:
        TaskDataError: They are rows of a locked test split, or cannot be read.
        UnavailableError: The task's repository is not in the mirror, the cache or on the hub.
    """
    if isinstance(spec.source, CompositeSource):
        for part in composed_tasks(spec):
            for theirs in spec.splits[split]:
                check_content(part, split=theirs, language=language)
    elif isinstance(spec.source, FileSource):
        check_readable(spec, split=split, language=language)
    elif is_looked_at(spec, split=split) and _is_here(spec):
        _check_loaded_rows(spec.model_dump_json(), source_fingerprint(spec), split=split, language=language)


@lru_cache(maxsize=256)
def _check_loaded_rows(spec_json: str, fingerprint: str | None, *, split: str, language: str) -> None:
    """Look at rows once for each content of a source; a sweep asks for each of its families."""
    del fingerprint
    spec = TaskSpec.model_validate_json(spec_json)
    counter = LockedRowCounter(spec, split=split)
    if not counter.is_needed:
        return
    for chunk in _loaded_chunks(spec, split=split, language=language):
        counter.add(chunk)
    counter.check()


def _loaded_chunks(spec: TaskSpec, *, split: str, language: str) -> Iterator[Mapping[str, Sequence[Any]]]:
    from trainables.data.sources.loader import load_rows

    loaded = load_rows(spec, split=split, language=language)
    for start in range(0, min(len(loaded), MAX_CHECKED_ROWS), ROWS_PER_CHUNK):
        yield loaded[start : start + ROWS_PER_CHUNK]


def _is_here(spec: TaskSpec) -> bool:
    match spec.source:
        case HubSource(repository=name) | TextsSource(repository=str(name)):
            return locate_dataset(name).path is not None
        case _:
            return True


@lru_cache(maxsize=256)
def _check_file_rows(spec_json: str, digest: str | None, *, split: str, language: str) -> SplitRows:
    """Check rows once for each content of the files; a sweep asks for each of its families."""
    del digest
    spec, reading = TaskSpec.model_validate_json(spec_json), Reading()
    locked, num_left_out = LockedRowCounter(spec, split=split), 0
    for name in spec.splits[split]:
        rows = islice(file_rows(spec, split=name, language=language, reading=reading), MAX_CHECKED_ROWS)
        while chunk := list(islice(rows, ROWS_PER_CHUNK)):
            num_left_out += sum(map(is_left_out, chunk))
            locked.add({name: [row[name] for row in chunk] for name in chunk[0]})
    locked.check()
    if num_left_out == reading.num_rows:
        paths = [path for name in spec.splits[split] for path in source_files(spec, split=name, language=language)]
        msg = (
            f"cannot read task {spec.name!r}: splits.{split}: {number_of(reading.num_rows, 'row')} in "
            f"{', '.join(path.name for path in paths)}, 0 of them with a label, but at least 1 is needed; add rows"
        )
        raise TaskDataError(msg)
    return SplitRows(
        task=spec.name,
        split=split,
        language=language,
        num_rows=reading.num_rows,
        num_left_out=num_left_out,
        reason=reason_of(reading, kind=spec.kind) if num_left_out else "",
    )

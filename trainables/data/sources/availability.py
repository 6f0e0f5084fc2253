"""Finds where a task's rows would be read from on this machine, from folders only: no network, no slow import."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

from trainables.data.sources.files import files_digest
from trainables.data.sources.locator import dataset_place
from trainables.data.sources.own_folders.annotations import ANNOTATIONS
from trainables.data.sources.own_folders.bitexts import BITEXTS
from trainables.data.sources.own_folders.captions import CAPTION_PAGE, CAPTIONS
from trainables.data.sources.own_folders.entity_pools import ENTITIES
from trainables.data.sources.own_folders.folder import OwnFolder
from trainables.errors import TaskDataError
from trainables.tasks.annotation_source import AnnotationSource
from trainables.tasks.bitext_source import BitextSource
from trainables.tasks.caption_source import CaptionSource
from trainables.tasks.pool_sources import EntityPoolSource, SentencePoolSource
from trainables.tasks.registry import task
from trainables.tasks.spec import (
    CompositeSource,
    CorpusSource,
    FileSource,
    GeneratedSource,
    HubSource,
    TaskSpec,
    TextsSource,
)
from trainables.tasks.supertags import corpus_folder

Availability = Literal["generated", "files", "mirror", "cache", "hub", "missing"]
"""`hub`: must be downloaded, and this machine is not set offline. `missing`: this machine can read it nowhere."""

_FARTHEST: tuple[Availability, ...] = get_args(Availability)


_OWN_FOLDERS: Mapping[type[object], OwnFolder] = {
    BitextSource: BITEXTS,
    EntityPoolSource: ENTITIES,
    CaptionSource: CAPTIONS,
    AnnotationSource: ANNOTATIONS,
}
"""Source in a user's own folder -> the folder."""


def availability(spec: TaskSpec) -> Availability:
    """Return where a task's rows would be read from.

    Raises:
        UnavailableError: `XSTILTS_MIRROR` does not name a folder.
    """
    match spec.source:
        case HubSource():
            return dataset_place(spec.source.repository)
        case FileSource():
            return _files(spec)
        case CorpusSource() | BitextSource() | EntityPoolSource() | CaptionSource() | AnnotationSource():
            return "files" if _own_folder(spec.source) else "missing"
        case CompositeSource() | SentencePoolSource():
            parts: list[Availability] = [availability(task(name)) for name in _parts(spec.source)]
            return max(parts, key=_FARTHEST.index)
        case TextsSource():
            return "files"
        case GeneratedSource():
            return "generated"


def _own_folder(
    source: CorpusSource | BitextSource | EntityPoolSource | CaptionSource | AnnotationSource,
) -> Path | None:
    return corpus_folder(source) if isinstance(source, CorpusSource) else _OWN_FOLDERS[type(source)].find(source)


def _parts(source: CompositeSource | SentencePoolSource) -> tuple[str, ...]:
    return source.parts if isinstance(source, CompositeSource) else (source.task,)


def why_missing(spec: TaskSpec) -> str | None:
    """Return why a task's rows are missing, and the next step; None if they are available.

    Raises:
        UnavailableError: `XSTILTS_MIRROR` does not name a folder.
    """
    if availability(spec) != "missing":
        return None
    match spec.source:
        case CorpusSource():
            return f"it is licensed and read from your own copy; set {spec.source.variable} to the folder of your copy"
        case BitextSource() | EntityPoolSource() | CaptionSource() | AnnotationSource():
            copy = f"your copy of {CAPTION_PAGE}" if isinstance(spec.source, CaptionSource) else "your copy"
            return f"no data set of the hub holds its rows; set {spec.source.variable} to the folder of {copy}"
        case CompositeSource() | SentencePoolSource():
            parts = {name: why_missing(task(name)) for name in _parts(spec.source)}
            return "; ".join(f"its part {name}: {reason}" for name, reason in parts.items() if reason)
        case FileSource():
            return _missing_file(spec)
        case _:
            return (
                "neither a mirror nor the Hugging Face cache has it, and HF_HUB_OFFLINE is set; set XSTILTS_MIRROR to "
                "a folder that has it, or go online and unset HF_HUB_OFFLINE"
            )


def _missing_file(spec: TaskSpec) -> str | None:
    try:
        files_digest(spec)
    except TaskDataError as error:
        return str(error)
    return None


def _files(spec: TaskSpec) -> Availability:
    return "missing" if _missing_file(spec) else "files"

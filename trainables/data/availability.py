"""Where a task's rows would come from on this machine, by looking at folders alone: no network, no heavy import."""

from __future__ import annotations

from typing import Literal, get_args

from trainables.data.files import files_digest
from trainables.data.locate import dataset_place
from trainables.errors import TaskDataError
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
"""`hub`: not here, and this machine is not set offline; `missing`: nowhere that this machine may look."""

_FARTHEST: tuple[Availability, ...] = get_args(Availability)


def availability(spec: TaskSpec) -> Availability:
    """Return where a task's rows would be read from.

    Raises:
        UnavailableError: `XSTILTS_MIRROR` names no folder.
    """
    match spec.source:
        case HubSource():
            return dataset_place(spec.source.repository)
        case FileSource():
            return _files(spec)
        case CorpusSource():
            return "files" if corpus_folder(spec.source) else "missing"
        case CompositeSource():
            parts: list[Availability] = [availability(task(name)) for name in spec.source.parts]
            return max(parts, key=_FARTHEST.index)
        case TextsSource():
            return "files"
        case GeneratedSource():
            return "generated"


def why_missing(spec: TaskSpec) -> str | None:
    """Return why a task's rows are nowhere that this machine may look, and what to do; None where they are somewhere.

    Raises:
        UnavailableError: `XSTILTS_MIRROR` names no folder.
    """
    if availability(spec) != "missing":
        return None
    match spec.source:
        case CorpusSource():
            return f"it is licensed and read from your own copy; set {spec.source.variable} to its folder"
        case CompositeSource():
            parts = {name: why_missing(task(name)) for name in spec.source.parts}
            return "; ".join(f"its part {name}: {reason}" for name, reason in parts.items() if reason)
        case FileSource():
            return _missing_file(spec)
        case _:
            return (
                "neither mirror nor Hugging Face cache has it, and HF_HUB_OFFLINE is set; set XSTILTS_MIRROR to a "
                "folder that has it, or go online"
            )


def _missing_file(spec: TaskSpec) -> str | None:
    try:
        files_digest(spec)
    except TaskDataError as error:
        return str(error)
    return None


def _files(spec: TaskSpec) -> Availability:
    return "missing" if _missing_file(spec) else "files"

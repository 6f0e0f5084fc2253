"""Where a task's rows would come from on this machine, by looking at folders alone: no network, no heavy import."""

from __future__ import annotations

from typing import Literal

from trainables.data.files import files_digest
from trainables.data.locate import dataset_place
from trainables.errors import TaskDataError
from trainables.tasks.spec import FileSource, HubSource, TaskSpec

Availability = Literal["generated", "files", "mirror", "cache", "hub", "missing"]
"""`hub`: not here, and this machine is not set offline; `missing`: nowhere that this machine may look."""


def availability(spec: TaskSpec) -> Availability:
    """Return where a task's rows would be read from.

    Raises:
        UnavailableError: `XSTILTS_MIRROR` names no folder.
    """
    if isinstance(spec.source, HubSource):
        return dataset_place(spec.source.repository)
    return _files(spec) if isinstance(spec.source, FileSource) else "generated"


def _files(spec: TaskSpec) -> Availability:
    try:
        files_digest(spec)
    except TaskDataError:
        return "missing"
    return "files"

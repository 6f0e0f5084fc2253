"""Notes in a store about the sweeps that use it, so that `stages gc` keeps the stages that other records need.

A note is a file `sweeps/<id>`. A driver writes it when it opens the store. Anyone who can write to the store can write
a note, so a note proves nothing: it is only used to refuse a removal, never to allow one.
"""

from __future__ import annotations

import hashlib
import re

from pydantic import Field, ValidationError

from trainables.config.frozen import FrozenModel
from trainables.storage import Storage

_FOLDER = "sweeps"
_NOTE = re.compile(rf"{_FOLDER}/[0-9a-f]{{32}}")


class SweepNote(FrozenModel):
    """One sweep that uses a store."""

    sweep: str = Field(min_length=1, max_length=200)
    """Its name."""
    created_at: float
    """Time when it was created, in seconds since 1970; it distinguishes two sweeps with the same name."""
    record: str = Field(max_length=4096)
    """Place of its record, without a password. It is shown in messages and never opened."""
    host: str = Field(max_length=300)
    """Host of the driver that wrote the note."""

    @property
    def id(self) -> str:
        """Identity of the sweep; it is the same in a copy of its record."""
        return hashlib.sha256(f"{self.sweep}\0{self.created_at!r}".encode()).hexdigest()[:32]


class SweepNotes:
    """The notes of one store.

    Args:
        storage: The storage of the store.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def add(self, note: SweepNote) -> None:
        """Write a note; it replaces an earlier note of the same sweep."""
        self._storage.write(f"{_FOLDER}/{note.id}", note.model_dump_json().encode())

    def all(self) -> list[SweepNote]:
        """Return all notes. A note that cannot be read is returned too, under the name of its file."""
        found: list[SweepNote] = []
        for entry in self._storage.entries(_FOLDER):
            if not _NOTE.fullmatch(entry.name):
                continue  # of another program, such as `Thumbs.db`
            content = self._storage.read(entry.name)
            if content is not None:
                found.append(_parsed(content, name=entry.name))
        return found

    def remove(self, note: SweepNote) -> None:
        """Remove a note that `all` returned, whatever its file is called and whether it could be read."""
        for entry in self._storage.entries(_FOLDER):
            content = self._storage.read(entry.name)
            if content is not None and _parsed(content, name=entry.name) == note:
                self._storage.remove(entry.name)


def _parsed(content: bytes, *, name: str) -> SweepNote:
    try:
        return SweepNote.model_validate_json(content)
    except ValidationError:
        return SweepNote(sweep=f"unreadable note {name[-40:]}", created_at=0.0, record="?", host="?")

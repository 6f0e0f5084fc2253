"""Manifests of stages and checkpoints: their files with checksums, and the facts that their maker stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self  # Any: fields as JSON

from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from trainables.config.adapter import AdapterConfig
from trainables.config.frozen import FrozenModel, content_key
from trainables.config.relative_name import RelativeName, unsafe_name
from trainables.errors import StoreUnusableError
from trainables.results import Phase, StageMeasurements
from trainables.stage_store.checksums import FileEntry, file_entry, is_of_the_disk
from trainables.tensor_files import OWN, WHOLE, Place

MANIFEST = "manifest.json"
"""Name of the file that is written last."""

_UNREADABLE = "its manifest cannot be read"

MANIFEST_VERSION = 6
"""Version 1 had no seal, parent digest or part; version 2 had its parent only, and no trunks; version 3 has no stages
that combine others; version 4 has no adapters; version 5 has no shared tensors. All are read."""

_FIRST_WITH_PARTS, _FIRST_WITH_ADAPTERS = 4, 5

USUAL_VERSION = 3
"""Version with which everything is written that it can say, so that an earlier xstilts can read it."""


class StageOrigin(FrozenModel):
    """How a stage was made: phase, parents and cost."""

    phase: Phase
    """Its phase."""
    parent: str | None
    """Key of the stage whose encoder it started from; None is the trial's own."""
    steps: int = Field(ge=0)
    """Optimiser steps that making it took, without those of stages that it continued or combined."""
    seconds: float = Field(ge=0)
    """Wall time that making it took."""
    is_trunk: bool = False
    """Whether it is a phase's stable part, with its training state."""
    trunk: str | None = None
    """Key of the trunk that it continued; it has the same parent."""
    parts: tuple[str, ...] = Field(default=(), strict=False)
    """Keys of the stages whose weights it combines: those of a merge or an average."""
    adapter: AdapterConfig | None = None
    """The adapter that it holds, on the encoder that it started from; None: it holds a whole encoder, or none."""
    steps_before: int = Field(default=0, ge=0)
    """Optimiser steps of the trunk that it continued, or of its parts, from the start of the phase."""
    seconds_before: float = Field(default=0.0, ge=0)
    """Wall time that making that trunk or those parts took, from the start of the phase."""

    @model_serializer(mode="wrap")
    def _without_new_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out newer fields that say nothing, so that earlier versions can read the manifests of other stages."""
        fields: dict[str, Any] = handler(self)
        return {name: value for name, value in fields.items() if name not in {"parts", "adapter"} or value}


def version_of(facts: StageOrigin) -> int:
    """Return the version with which the manifest of a stage of its own files is written: the first that can say it."""
    if facts.adapter is not None:
        return _FIRST_WITH_ADAPTERS
    return _FIRST_WITH_PARTS if facts.parts else USUAL_VERSION


class StageFacts(StageMeasurements, StageOrigin):
    """What the maker of a stage stores in its manifest: how the stage was made, and what it measured."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """What is found in place of a stage, checkpoint or manifest that cannot be used."""

    reason: str
    """What is wrong with it."""
    of_shared: bool = False
    """Whether only the tensors that it shares with others are bad: it is whole again when these are made again."""


class Sealed(FrozenModel):
    """A list of files that notices when it was changed itself."""

    version: int
    """Format of this manifest."""
    key: str
    """The stage's content key."""
    files: dict[RelativeName, FileEntry]
    """Relative path -> size and checksum."""
    seal: str | None = None
    """SHA-256 of the manifest's other fields in canonical JSON; None in version 1."""

    @property
    def digest(self) -> str:
        """One checksum of all files; it does not depend on how long they took to make."""
        lines = (f"{name} {entry.num_bytes} {entry.sha256}\n" for name, entry in sorted(self.files.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def stored(self) -> dict[str, FileEntry]:
        """The files that are in its folder; those of a stage that shares tensors are not all of `files`."""
        return self.files

    def written(self) -> bytes:
        """Return the manifest's file, with its seal."""
        fields = self.model_dump(mode="json", exclude={"seal"})
        return json.dumps({**fields, "seal": content_key(fields)}, indent=1, ensure_ascii=False).encode()

    @classmethod
    def read(cls, data: bytes, *, key: str) -> Self | Damaged:
        """Return a manifest, or the reason why it cannot be used.

        Args:
            data: Its file.
            key: Stage that it should be of.

        Raises:
            StoreUnusableError: A newer xstilts wrote it, so its format is unknown.
        """
        try:
            manifest = cls.model_validate_json(data)
        except ValidationError as error:
            _refuse_newer(data, error)
            unsafe = unsafe_name(error)
            return Damaged(f"{_UNREADABLE} ({unsafe})" if unsafe else _UNREADABLE)
        if manifest.key != key:
            return Damaged(f"its manifest is of stage {manifest.key[:12]}")
        if not manifest.files:
            return Damaged("its manifest lists no files")
        # The seal covers the text, not the model: fields of later versions must not break the seals of earlier ones.
        fields = json.loads(data)
        if manifest.version > 1 and fields.pop("seal", None) != content_key(fields):
            return Damaged("its manifest has changed")
        return manifest


class SharedPart(FrozenModel):
    """How the weights of a stage are kept that shares tensors with others."""

    tensors: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Name of the shared tensors in the store: the checksum of the file that holds them."""
    own: FileEntry
    """The file `own.safetensors`, which is in the stage's folder in place of `model.safetensors`."""


class SharedManifest(Sealed):
    """The manifest of tensors that stages share; `key` is their name."""

    part: RelativeName | Literal[""] = ""
    """Subfolder that holds the file; empty if it is beside the manifest."""


class Manifest(Sealed):
    """The manifest of a stage; with it the stage is complete. `files` are those of the whole stage in any case."""

    facts: StageFacts
    """How the stage was made, and what it measured."""
    parent_digest: str | None = None
    """Digest of the parent's manifest that it was made from; None without a parent, and in version 1."""
    lineage: dict[str, str] = Field(default_factory=dict)
    """Key -> digest of every stage that it was made from, directly or not; empty in versions before 3."""
    part: RelativeName | Literal[""] = ""
    """Subfolder of the stage that holds the files; empty if they are beside the manifest."""
    shared: SharedPart | None = None
    """Its own weights and those that it shares, if they are kept apart; None: the folder holds all files."""

    @property
    def stored(self) -> dict[str, FileEntry]:
        """The files that are in its folder."""
        if self.shared is None:
            return self.files
        return {name: entry for name, entry in self.files.items() if name != WHOLE} | {OWN: self.shared.own}

    @property
    def shares(self) -> str | None:
        """Name of the tensors that it shares, or None."""
        return self.shared.tensors if self.shared else None

    @model_serializer(mode="wrap")
    def _without_new_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the newer field where it says nothing, so that earlier versions can read the manifest."""
        fields: dict[str, Any] = handler(self)
        return {name: value for name, value in fields.items() if name != "shared" or value}


class CheckpointManifest(Sealed):
    """The manifest of a checkpoint; with it the checkpoint is complete."""

    step: int = Field(ge=0)
    """Optimiser steps taken so far."""
    lineage: dict[str, str] = Field(default_factory=dict)
    """Key -> digest of every stage that it was made from, as in a stage's manifest; empty if it was not given."""


class StoredStage(FrozenModel):
    """A complete stage, checked when it was read."""

    folder: Path = Field(strict=False)
    """Local folder with its files."""
    facts: StageFacts
    """How it was made, and what it measured."""
    digest: str
    """One checksum of all its files."""
    lineage: dict[str, str] = Field(default_factory=dict)
    """Key -> digest of every stage that it was made from."""
    shared: Path | None = Field(default=None, strict=False)
    """Local folder with the tensors that it shares, if its own folder lacks them; see `place`."""

    @property
    def place(self) -> Place:
        """Where its weights are."""
        return Place(self.folder, self.shared)


class StoredCheckpoint(FrozenModel):
    """A complete checkpoint of an unfinished stage, checked when it was read."""

    folder: Path = Field(strict=False)
    """Local folder with its files."""
    step: int
    """Optimiser steps taken so far."""


def files_of(folder: Path) -> dict[str, FileEntry]:
    """Return all files of a folder except the manifest, with size and checksum."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    named = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: file_entry(path) for name, path in named.items() if name != MANIFEST}


def damage_of_files(folder: Path, *, files: Mapping[str, FileEntry], again: bool) -> Damaged | None:
    """Return the first fault of a folder's files, or None.

    Args:
        folder: The files.
        files: Their expected sizes and checksums.
        again: Also hash files that this process has hashed since they last changed.
    """
    for name, entry in files.items():
        path = folder / name
        try:
            if not path.is_file():
                return Damaged(f"{name} is missing")
            found = file_entry(path, again=again)
        except OSError as error:
            if not is_of_the_disk(error):
                raise
            return Damaged(f"{name} cannot be read ({error.strerror})")
        if found != entry:
            return Damaged(f"{name} has changed")
    return None


def _refuse_newer(data: bytes, error: ValidationError) -> None:
    class Version(FrozenModel, extra="ignore"):
        version: int

    try:
        version = Version.model_validate_json(data).version
    except ValidationError:
        return
    if version > MANIFEST_VERSION:
        msg = f"the store holds a manifest of version {version}; this xstilts reads up to {MANIFEST_VERSION}: update it"
        raise StoreUnusableError(msg) from error

"""Manifests: what a stage or checkpoint consists of, and what its maker says of it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError

from trainables.config.frozen import FrozenModel, content_key
from trainables.errors import StoreUnusableError
from trainables.results import Phase, SplitRows, TaskTraining
from trainables.stage_store.checksums import FileEntry, file_entry

MANIFEST = "manifest.json"
"""Name of the file that is written last."""

MANIFEST_VERSION = 3
"""1 had neither seal, nor parent digest, nor part; 2 knew its parent alone, and no trunks. Both are still read."""


class StageFacts(FrozenModel):
    """What its maker says of a stage."""

    phase: Phase
    """Phase that it is."""
    parent: str | None
    """Key of the stage whose encoder it started from; None is the trial's own."""
    steps: int = Field(ge=0)
    """Optimiser steps that making it took, without those of the trunk that it continued."""
    seconds: float = Field(ge=0)
    """Wall time that making it took."""
    is_trunk: bool = False
    """Whether it is a phase's stable part, with its training state."""
    trunk: str | None = None
    """Key of the trunk that it continued; it has the same parent."""
    steps_before: int = Field(default=0, ge=0)
    """Optimiser steps of the trunk that it continued, from the phase's beginning."""
    seconds_before: float = Field(default=0.0, ge=0)
    """Wall time that making that trunk took, from the phase's beginning."""
    scores: dict[str, float]
    """Task or language -> score (0..1)."""
    counts: dict[str, int]
    """Task -> examples trained on; language -> items scored."""
    tasks: dict[str, TaskTraining] = Field(default_factory=dict[str, TaskTraining])
    """Trained task -> weight, counts and losses; empty for evaluation and in stages of earlier versions."""
    made_with: dict[str, str]
    """Ranks, ZeRO stage, threads, versions: for the record, not for the key."""
    metrics: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Evaluation: metric (the task's own first) -> language -> score (0..1); empty in stages of older versions."""
    split_rows: tuple[SplitRows, ...] = Field(default=(), strict=False)
    """The splits that rows were left out of, or whose texts spell special tokens; empty in stages of older versions."""


class Sealed(FrozenModel):
    """A list of files that notices when it was changed itself."""

    version: int
    """Format of this manifest."""
    key: str
    """The stage's content key."""
    files: dict[str, FileEntry]
    """Relative path -> size and checksum."""
    seal: str | None = None
    """SHA-256 of the manifest's other fields in canonical JSON; None in version 1."""

    @property
    def digest(self) -> str:
        """What the files hold, in one checksum: the same however long making them took."""
        lines = (f"{name} {entry.num_bytes} {entry.sha256}\n" for name, entry in sorted(self.files.items()))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def num_bytes(self) -> int:
        """Size of all files."""
        return sum(entry.num_bytes for entry in self.files.values())

    def written(self) -> bytes:
        """Return the manifest's file, with its seal."""
        fields = self.model_dump(mode="json", exclude={"seal"})
        return json.dumps({**fields, "seal": content_key(fields)}, indent=1, ensure_ascii=False).encode()

    @classmethod
    def read(cls, data: bytes, *, key: str) -> Self | str:
        """Return a manifest, or what is wrong with it.

        Args:
            data: Its file.
            key: Stage that it should be of.

        Raises:
            StoreUnusableError: A newer xstilts wrote it, so nothing can be said of it.
        """
        try:
            manifest = cls.model_validate_json(data)
        except ValidationError as error:
            _refuse_newer(data, error)
            return "its manifest cannot be read"
        if manifest.key != key:
            return f"its manifest is of stage {manifest.key[:12]}"
        # Of the text, not of the model: a field that a later version adds must not break the seals of earlier ones.
        fields = json.loads(data)
        if manifest.version > 1 and fields.pop("seal", None) != content_key(fields):
            return "its manifest has changed"
        return manifest


class Manifest(Sealed):
    """What makes a stage complete."""

    facts: StageFacts
    """What its maker says."""
    parent_digest: str | None = None
    """Digest of the parent's manifest that it was made from; None without a parent, and in version 1."""
    lineage: dict[str, str] = Field(default_factory=dict)
    """Key -> digest of every stage that it was made from, directly or not; empty in versions before 3."""
    part: str = ""
    """Folder, below the stage's, that holds the files; empty where they lie beside the manifest."""


class CheckpointManifest(Sealed):
    """What makes a checkpoint of an unfinished stage complete."""

    step: int = Field(ge=0)
    """Optimiser steps taken so far."""
    lineage: dict[str, str] = Field(default_factory=dict)
    """Key -> digest of every stage that it was made from, as in a stage's manifest; empty where nobody said."""


class StoredStage(FrozenModel):
    """A complete stage, checked on reading."""

    folder: Path = Field(strict=False)
    """Where its files are, on this machine."""
    facts: StageFacts
    """What its maker said."""
    digest: str
    """What its files hold, in one checksum."""
    lineage: dict[str, str] = Field(default_factory=dict)
    """Key -> digest of every stage that it was made from."""


class StoredCheckpoint(FrozenModel):
    """A complete checkpoint of an unfinished stage, checked on reading."""

    folder: Path = Field(strict=False)
    """Where its files are, on this machine."""
    step: int
    """Optimiser steps taken so far."""


def files_of(folder: Path) -> dict[str, FileEntry]:
    """Return all files of a folder but the manifest, with size and checksum."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    named = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: file_entry(path) for name, path in named.items() if name != MANIFEST}


def problem_of_files(folder: Path, *, manifest: Sealed, again: bool) -> str | None:
    """Return the first thing that is wrong with a folder's files, or None.

    Args:
        folder: The files.
        manifest: What they should be.
        again: Hash those, too, that this process has hashed since they last changed.
    """
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if file_entry(path, again=again) != entry:
            return f"{name} has changed"
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

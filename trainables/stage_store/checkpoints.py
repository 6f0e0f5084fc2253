"""Checkpoints of unfinished stages, so that another process or host continues them.

    checkpoints/<key>/<step>-<generation of the lease>/   files and manifest

A checkpoint is complete when its manifest exists. The last two are kept: the older one is what is left when the newer
one is damaged. All go when the stage is committed.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trainables.errors import LeaseLostError
from trainables.stage_store.contents import Contents
from trainables.stage_store.leases import Leases
from trainables.stage_store.manifest import MANIFEST, MANIFEST_VERSION, CheckpointManifest, StoredCheckpoint, files_of
from trainables.storage import Storage

log = logging.getLogger(__name__)

_KEPT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """The checkpoints of a store."""

    storage: Storage
    """Where they are."""
    contents: Contents
    """Brings their files here."""
    leases: Leases
    """Says who may write them."""

    def put(self, key: str, *, step: int, folder: Path, token: str, lineage: dict[str, str]) -> None:
        """Store a checkpoint and remove older ones but the last. See `StageStore.put_checkpoint`.

        Args:
            key: The stage's key.
            step: Optimiser steps taken so far.
            folder: Its files; used up.
            token: Of the lease's holder.
            lineage: Key -> digest of what it was made from.
        """
        files = files_of(folder)
        manifest = CheckpointManifest(version=MANIFEST_VERSION, key=key, files=files, step=step, lineage=lineage)
        (folder / MANIFEST).write_bytes(manifest.written())
        newest = self.leases.newest(key)
        if newest is None or newest.holder is None or newest.holder.token != token:
            raise LeaseLostError(key)
        name = f"checkpoints/{key}/{step:010d}-{newest.number:08d}"
        self.storage.publish(folder, to=name, part="", last=MANIFEST)  # False: this holder has stored this step
        shutil.rmtree(folder, ignore_errors=True)
        whole = self._names(key)
        for old in whole[:-_KEPT]:
            self._remove(old)

    def newest(
        self, key: str, *, may_remove: bool, problem_of: Callable[[Mapping[str, str]], str | None]
    ) -> StoredCheckpoint | None:
        """Return the newest checkpoint that is whole and made from the stages that are there now, or None.

        Args:
            key: The stage's key.
            may_remove: Whether the caller holds the lease, so that what is of no use can go.
            problem_of: Tells what is wrong with a lineage.
        """
        for name in reversed(self._names(key)):
            found = self._look(name, key=key, problem_of=problem_of)
            if isinstance(found, StoredCheckpoint):
                return found
            log.warning("checkpoint %s of stage %s is damaged (%s); an older one is taken", name, key[:12], found)
            if may_remove:
                self._remove(name)
        return None

    def remove(self, key: str) -> int:
        """Remove all checkpoints of a stage, whole or not. Return their size in bytes."""
        entries = self.storage.entries(f"checkpoints/{key}")
        for name in sorted({_folder(entry.name) for entry in entries}):
            self._remove(name)
        self.storage.remove_folder(f"checkpoints/{key}")
        self.contents.drop(f"checkpoints/{key}")
        return sum(entry.num_bytes for entry in entries)

    def sizes(self) -> dict[str, int]:
        """Return stage key -> bytes of its checkpoints."""
        sizes: dict[str, int] = {}
        for entry in self.storage.entries("checkpoints"):
            key = entry.name.split("/")[1]
            sizes[key] = sizes.get(key, 0) + entry.num_bytes
        return sizes

    def _names(self, key: str) -> list[str]:
        entries = self.storage.entries(f"checkpoints/{key}")
        return sorted(_folder(entry.name) for entry in entries if entry.name.endswith(f"/{MANIFEST}"))

    def _look(
        self, name: str, *, key: str, problem_of: Callable[[Mapping[str, str]], str | None]
    ) -> StoredCheckpoint | str:
        data = self.storage.read(f"{name}/{MANIFEST}")
        if data is None:
            return "it was removed"
        manifest = CheckpointManifest.read(data, key=key)
        if isinstance(manifest, str):
            return manifest
        if problem := problem_of(manifest.lineage):
            return problem
        folder = self.contents.fetch(name, manifest=manifest)
        return folder if isinstance(folder, str) else StoredCheckpoint(folder=folder, step=manifest.step)

    def _remove(self, name: str) -> None:
        self.storage.remove(f"{name}/{MANIFEST}")  # first, so that nobody finds half of it
        self.storage.remove_folder(name)
        self.contents.drop(name)


def _folder(name: str) -> str:
    """Return the checkpoint's folder that a file is in."""
    return "/".join(name.split("/")[:3])

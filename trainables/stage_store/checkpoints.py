"""Checkpoints of unfinished stages, from which another process or host can continue.

    checkpoints/<key>/<step>-<generation of the lease>/   files and manifest

A checkpoint is complete when its manifest exists. The last two are kept: if the newer one is damaged,
the older one is used. All are removed when the stage is committed.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trainables.errors import LeaseLostError
from trainables.stage_store.contents import Contents
from trainables.stage_store.leases import Leases
from trainables.stage_store.manifest import (
    MANIFEST,
    USUAL_VERSION,
    CheckpointManifest,
    Damaged,
    StoredCheckpoint,
    files_of,
)
from trainables.storage import Storage

_KEY = re.compile(r"[0-9a-f]{64}")
log = logging.getLogger(__name__)

_KEPT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """The checkpoints of a store."""

    storage: Storage
    """Holds their files."""
    contents: Contents
    """Downloads and checks their files."""
    leases: Leases
    """Decides which process can write them."""

    def put(self, key: str, *, step: int, folder: Path, token: str, lineage: dict[str, str]) -> None:
        """Store a checkpoint, and remove all older ones except the last. See `StageStore.put_checkpoint`.

        Args:
            key: The stage's key.
            step: Optimiser steps taken so far.
            folder: Its files; removed by this call.
            token: The token of the lease's holder.
            lineage: Key -> digest of each stage that it was made from.
        """
        files = files_of(folder)
        manifest = CheckpointManifest(version=USUAL_VERSION, key=key, files=files, step=step, lineage=lineage)
        (folder / MANIFEST).write_bytes(manifest.written())
        newest = self.leases.newest(key)
        if newest is None or newest.holder is None or newest.holder.token != token:
            raise LeaseLostError(key)
        name = f"checkpoints/{key}/{step:010d}-{newest.number:08d}"
        self.storage.publish(folder, to=name, part="", last=MANIFEST)  # False: this holder stored this step before
        shutil.rmtree(folder, ignore_errors=True)
        complete = self._names(key)
        for old in complete[:-_KEPT]:
            self._remove(old)

    def newest(
        self, key: str, *, may_remove: bool, damage_of: Callable[[Mapping[str, str]], Damaged | None]
    ) -> StoredCheckpoint | None:
        """Return the newest checkpoint that is complete and was made from the present stages, or None.

        Args:
            key: The stage's key.
            may_remove: Whether the caller holds the lease, so that unusable checkpoints can be removed.
            damage_of: Returns why a lineage cannot be used, or None.
        """
        for name in reversed(self._names(key)):
            found = self._look(name, key=key, damage_of=damage_of)
            if isinstance(found, StoredCheckpoint):
                return found
            log.warning("checkpoint %s of stage %s is damaged (%s); an older one is used", name, key[:12], found.reason)
            if may_remove:
                self._remove(name)
        return None

    def remove(self, key: str) -> int:
        """Remove all checkpoints of a stage, complete or not; return their size in bytes."""
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
            if not _KEY.fullmatch(key):
                continue  # no xstilts wrote it
            sizes[key] = sizes.get(key, 0) + entry.num_bytes
        return sizes

    def _names(self, key: str) -> list[str]:
        entries = self.storage.entries(f"checkpoints/{key}")
        names = (entry.name for entry in entries)
        return sorted(_folder(name) for name in names if name == f"{_folder(name)}/{MANIFEST}")

    def _look(
        self, name: str, *, key: str, damage_of: Callable[[Mapping[str, str]], Damaged | None]
    ) -> StoredCheckpoint | Damaged:
        data = self.storage.read(f"{name}/{MANIFEST}")
        if data is None:
            return Damaged("it was removed")
        manifest = CheckpointManifest.read(data, key=key)
        if isinstance(manifest, Damaged):
            return manifest
        if damage := damage_of(manifest.lineage):
            return damage
        folder = self.contents.fetch(name, manifest=manifest)
        return folder if isinstance(folder, Damaged) else StoredCheckpoint(folder=folder, step=manifest.step)

    def _remove(self, name: str) -> None:
        self.storage.remove(f"{name}/{MANIFEST}")  # first, so that no process finds a part of it
        self.storage.remove_folder(name)
        self.contents.drop(name)


def _folder(name: str) -> str:
    """Return the folder of the checkpoint that a file belongs to."""
    return "/".join(name.split("/")[:3])

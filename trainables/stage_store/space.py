"""What a store holds and how much room it takes; checking all of it, and removing safely while others work."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trainables.stage_store.checkpoints import Checkpoints
from trainables.stage_store.contents import Contents
from trainables.stage_store.leases import Leases
from trainables.stage_store.manifest import MANIFEST, Manifest, StageFacts, StoredStage
from trainables.stage_store.uses import Uses
from trainables.storage import Entry, Storage

_OF_A_STAGE = re.compile(r"([0-9a-f]{64})-")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedStage:
    """A complete stage, unverified."""

    key: str
    """Content key."""
    num_bytes: int
    """Of all its files, manifest included."""
    facts: StageFacts | None
    """What its maker said; None when the manifest cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The room that a store's stages, checkpoints and leftovers take."""

    storage: Storage
    """Where they are."""
    root: Path
    """Folder on this machine with scratch."""
    contents: Contents
    """What was downloaded."""
    leases: Leases
    """Who makes stages."""
    uses: Uses
    """Who reads them."""
    checkpoints: Checkpoints
    """Of unfinished stages."""
    look: Callable[[str], StoredStage | str | None]
    """Hashes a stage anew: the stage, what is wrong with it, or None when there is none."""

    def stages(self) -> dict[str, ListedStage]:
        """Return key -> stage, for every stage that has a manifest."""
        sizes: dict[str, int] = {}
        whole: list[str] = []
        for entry in self.storage.entries("stages"):
            key = entry.name.split("/")[2]
            sizes[key] = sizes.get(key, 0) + entry.num_bytes
            if entry.name == f"{stage_folder(key)}/{MANIFEST}":
                whole.append(key)
        return {key: ListedStage(key=key, num_bytes=sizes[key], facts=self._facts(key)) for key in whole}

    def verify(self, key: str) -> str | None:
        """Return what is wrong with a stage, or None. Every byte is read; nothing is set aside."""
        found = self.look(key)
        return found if isinstance(found, str) else None

    def is_busy(self, key: str) -> bool:
        """Return whether a stage is under a lease or in use, as far as can be told without taking the lease."""
        return self.leases.holder(key) is not None or key in self.uses.in_use()

    def remove(self, key: str) -> int:
        """Remove a stage unless it is under a lease or in use. Return the bytes that this freed.

        Its manifest is hidden before the uses are read: see `uses`.
        """
        lease = self.leases.try_lease(key)
        if lease is None:
            return 0
        name = f"{stage_folder(key)}/{MANIFEST}"
        with lease:
            manifest = self.storage.read(name)
            if manifest is None:
                return 0
            num_bytes = _total(self.storage.entries(stage_folder(key)))
            self.storage.remove(name)
            if key in self.uses.in_use():
                self.storage.create(name, manifest)
                return 0
            self.storage.remove_folder(stage_folder(key))
            self.contents.drop(stage_folder(key))
            return num_bytes

    def remove_checkpoints(self, key: str) -> int:
        """Remove the checkpoints of a stage unless it is being made. Return the bytes that this freed."""
        lease = self.leases.try_lease(key)
        if lease is None:
            return 0
        with lease:
            return self.checkpoints.remove(key)

    def leftovers(self) -> dict[str, int]:
        """Return name -> bytes of what no stage needs: stages set aside, and scratch of makers that were killed."""
        sizes: dict[str, int] = {}
        for entry in self.storage.entries("damaged"):
            name = "/".join(entry.name.split("/")[:2])
            sizes[name] = sizes.get(name, 0) + entry.num_bytes
        for folder in (self.root / "work").glob("*-*"):
            if _OF_A_STAGE.match(folder.name):
                sizes[f"work/{folder.name}"] = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        return sizes

    def remove_leftover(self, name: str) -> bool:
        """Remove what `leftovers` named, unless its stage is being made. Return whether it went."""
        of = _OF_A_STAGE.match(name.rsplit("/", 1)[1])
        lease = self.leases.try_lease(of.group(1)) if of else None
        if lease is None:
            return False
        with lease:
            if name.startswith("work/"):
                shutil.rmtree(self.root / name, ignore_errors=True)
            else:
                self.storage.remove_folder(name)
        return True

    def _facts(self, key: str) -> StageFacts | None:
        data = self.storage.read(f"{stage_folder(key)}/{MANIFEST}")
        manifest = Manifest.read(data, key=key) if data is not None else None
        return manifest.facts if isinstance(manifest, Manifest) else None


def stage_folder(key: str) -> str:
    """Return the name of a stage's folder in a storage."""
    return f"stages/{key[:2]}/{key}"


def _total(entries: list[Entry]) -> int:
    return sum(entry.num_bytes for entry in entries)

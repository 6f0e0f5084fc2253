"""The space that a store takes: lists, verifies and removes stages while other processes work."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from trainables.stage_store.checkpoints import Checkpoints
from trainables.stage_store.contents import Contents
from trainables.stage_store.leases import Leases
from trainables.stage_store.manifest import MANIFEST, Damaged, Manifest, StageFacts, StoredStage
from trainables.stage_store.shared_tensors import SharedTensors
from trainables.stage_store.uses import Uses
from trainables.storage import Entry, Storage

_IN_A_STAGE = re.compile(r"stages/(?P<start>[0-9a-f]{2})/(?P<key>[0-9a-f]{64})/.")
_OF_A_STAGE = re.compile(r"([0-9a-f]{64})-")
_DAMAGED_CACHES = "cache/damaged"
"""Folder below a store's local folder; `trainables.data.sealed_cache` quarantines there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedStage:
    """A complete stage, unverified."""

    key: str
    """Content key."""
    num_bytes: int
    """Size of all files in its folder, manifest included."""
    facts: StageFacts | None
    """The facts in its manifest; None when the manifest cannot be read."""
    shared: str | None = None
    """Name of the tensors that it shares with other stages; None: it shares none."""
    shared_bytes: int = 0
    """Their size, which counts once for all stages that share them; it is not part of `num_bytes`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The stages, checkpoints and leftovers of a store, and their sizes."""

    storage: Storage
    """Holds their files."""
    root: Path
    """Local folder with scratch."""
    contents: Contents
    """The local copies."""
    leases: Leases
    """The leases of stages that are being made."""
    uses: Uses
    """The sessions of processes that read stages."""
    checkpoints: Checkpoints
    """The checkpoints of unfinished stages."""
    look: Callable[[str], StoredStage | Damaged | None]
    """Hashes a stage anew: returns the stage, `Damaged`, or None when there is none."""
    shared: SharedTensors
    """The tensors that stages share."""

    def stages(self, *, known: Mapping[str, ListedStage] | None = None) -> dict[str, ListedStage]:
        """Return key -> stage, for every stage that has a manifest.

        Args:
            known: An earlier result: the manifest of a stage of the same size is not read again.
        """
        known = known or {}
        sizes: dict[str, int] = {}
        complete: list[str] = []
        for entry in self.storage.entries("stages"):
            key = key_of(entry.name)
            if key is None:
                continue
            sizes[key] = sizes.get(key, 0) + entry.num_bytes
            if entry.name == f"{stage_folder(key)}/{MANIFEST}":
                complete.append(key)
        listed = {key: self._listed(key, num_bytes=sizes[key], before=known.get(key)) for key in complete}
        shared = self.shared.sizes() if any(stage.shared for stage in listed.values()) else {}
        return {
            key: replace(stage, shared_bytes=shared.get(stage.shared, 0)) if stage.shared else stage
            for key, stage in listed.items()
        }

    def _listed(self, key: str, *, num_bytes: int, before: ListedStage | None) -> ListedStage:
        if before is not None and before.num_bytes == num_bytes:
            return before
        manifest = self._manifest(key)
        if manifest is None:
            return ListedStage(key=key, num_bytes=num_bytes, facts=None)
        return ListedStage(key=key, num_bytes=num_bytes, facts=manifest.facts, shared=manifest.shares)

    def verify(self, key: str) -> str | None:
        """Return why a stage is damaged, or None. It reads every byte, and quarantines nothing."""
        found = self.look(key)
        return found.reason if isinstance(found, Damaged) else None

    def is_busy(self, key: str) -> bool:
        """Return whether a stage has a lease or is in use; this does not take the lease."""
        return self.leases.holder(key) is not None or key in self.uses.in_use()

    def remove(self, key: str) -> int:
        """Remove a stage unless it has a lease or is in use; return the bytes that this freed.

        It hides the manifest before it reads the uses: see `uses`.
        """
        lease = self.leases.try_lease(key)
        if lease is None:
            return 0
        name = f"{stage_folder(key)}/{MANIFEST}"
        with lease:
            manifest = self.storage.read(name)
            if manifest is None:
                return 0
            of_stage = Manifest.read(manifest, key=key)
            shared = of_stage.shares if isinstance(of_stage, Manifest) else None
            num_bytes = _total(self.storage.entries(stage_folder(key)))
            # This process can have been suspended since it read the manifest: then the stage can be another's by now.
            if not lease.is_held() or self.storage.read(name) != manifest:
                return 0
            self.storage.remove(name)
            if key in self.uses.in_use():
                self.storage.create(name, manifest)
                return 0
            if not lease.is_held():  # this process was suspended, and another one may have made the stage again
                return 0
            self.storage.remove_folder(stage_folder(key))
            self.contents.drop(stage_folder(key))
            return num_bytes + (self.shared.release(shared, key=key) if shared else 0)

    def remove_checkpoints(self, key: str) -> int:
        """Remove the checkpoints of a stage unless the stage is being made; return the bytes that this freed."""
        lease = self.leases.try_lease(key)
        if lease is None:
            return 0
        with lease:
            return self.checkpoints.remove(key)

    def leftovers(self) -> dict[str, int]:
        """Return name -> bytes of what nothing needs.

        Quarantined stages and caches, scratch of killed processes, and shared tensors that no stage shares.
        """
        sizes: dict[str, int] = {}
        for entry in self.storage.entries("damaged"):
            name = "/".join(entry.name.split("/")[:2])
            sizes[name] = sizes.get(name, 0) + entry.num_bytes
        for folder in (self.root / "work").glob("*-*"):
            if _OF_A_STAGE.match(folder.name):
                sizes[f"work/{folder.name}"] = _size_of(folder)
        for place in (self.root / _DAMAGED_CACHES).glob("*"):
            sizes[f"{_DAMAGED_CACHES}/{place.name}"] = _size_of(place)
        unused = ((name, size) for name, size in self.shared.sizes().items() if not self.shared.has_sharers(name))
        return sizes | {f"shared/{name[:2]}/{name}": size for name, size in unused}

    def remove_leftover(self, name: str) -> bool:
        """Remove one of `leftovers`, unless its stage is being made; return whether it was removed."""
        if name.startswith(f"{_DAMAGED_CACHES}/"):  # nobody reads a quarantined cache, so it needs no lease
            return _is_removed(self.root / name)
        if name.startswith("shared/"):
            return self.shared.remove_unused(name.rsplit("/", 1)[1]) > 0
        stage_key = _OF_A_STAGE.match(name.rsplit("/", 1)[1])
        lease = self.leases.try_lease(stage_key.group(1)) if stage_key else None
        if lease is None:
            return False
        with lease:
            if name.startswith("work/"):
                shutil.rmtree(self.root / name, ignore_errors=True)
            else:
                self.storage.remove_folder(name)
        return True

    def _manifest(self, key: str) -> Manifest | None:
        data = self.storage.read(f"{stage_folder(key)}/{MANIFEST}")
        manifest = Manifest.read(data, key=key) if data is not None else None
        return manifest if isinstance(manifest, Manifest) else None


def bytes_of(stages: Iterable[ListedStage]) -> int:
    """Return the size of stages; tensors that several of them share count once."""
    listed = list(stages)
    shared = {stage.shared: stage.shared_bytes for stage in listed if stage.shared}
    return sum(stage.num_bytes for stage in listed) + sum(shared.values())


def stage_folder(key: str) -> str:
    """Return the name of a stage's folder in a storage."""
    return f"stages/{key[:2]}/{key}"


def key_of(name: str) -> str | None:
    """Return the stage that a file in a storage is of; None for a file that no xstilts wrote, such as `.DS_Store`."""
    found = _IN_A_STAGE.match(name)
    return found["key"] if found and found["key"].startswith(found["start"]) else None


def _size_of(place: Path) -> int:
    return sum(path.stat().st_size for path in (place, *place.rglob("*")) if path.is_file())


def _is_removed(place: Path) -> bool:
    if place.is_dir():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)
    return not place.exists()


def _total(entries: list[Entry]) -> int:
    return sum(entry.num_bytes for entry in entries)

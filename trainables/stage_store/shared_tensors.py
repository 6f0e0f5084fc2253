"""The tensors that several stages share: a store holds them once.

    shared/<first two digits>/<name>/     manifest.json and shared.safetensors
    sharers/<name>/<stage key>            one mark for each stage that shares them

The name is the checksum of the file, so stages that share the same tensors need not know each other. Shared tensors are
complete when their manifest exists. A process that makes a stage writes the stage's mark *before* it looks for them. A
process that removes them hides their manifest first and reads the marks *after*, and restores the manifest if a stage
shares them. So in any order, no stage loses them. A mark counts if its stage shares them or is being made. Writing and
removing them needs the lease of their name; to remove the mark of a stage that is gone needs the lease of the stage.
"""

from __future__ import annotations

import logging
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trainables.processes import is_known_dead
from trainables.stage_store.checksums import FileEntry, file_entry
from trainables.stage_store.contents import Contents
from trainables.stage_store.leases import Lease, Leases
from trainables.stage_store.manifest import MANIFEST, MANIFEST_VERSION, Damaged, SharedManifest, SharedPart
from trainables.storage import Storage
from trainables.tensor_files import OWN, SHARED, WHOLE, Place, Split, checksum, split, whole_pieces, write

log = logging.getLogger(__name__)

_WAIT_SECONDS = 0.1
_MAX_LOOKS = 50
_IN_SHARED = re.compile(r"shared/[0-9a-f]{2}/(?P<name>[0-9a-f]{64})/.")
_MARK = re.compile(r"sharers/[0-9a-f]{64}/(?P<key>[0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedTensors:
    """The shared tensors of a store."""

    storage: Storage
    """Holds them."""
    contents: Contents
    """Downloads and checks them."""
    leases: Leases
    """Leases of stages, and of the names of shared tensors."""
    root: Path
    """Local folder with scratch."""
    shared_by: Callable[[str], str | None]
    """Returns the name of the tensors that a complete stage shares; None: it shares none, or is not complete."""
    keys: Callable[[], Iterator[str]]
    """Returns the keys of complete stages."""

    def separate(self, key: str, *, folder: Path, start: Place) -> tuple[SharedPart, Path] | None:
        """Take the tensors that a finished stage shares with its start out of its folder, and keep them in the store.

        Args:
            key: The stage's key; the caller holds its lease.
            folder: Its work folder, changed in place.
            start: The encoder that its weights were trained from.

        Returns:
            What its manifest says of them, and the local folder that holds them; None if the folder stays as it is,
            because there are no weights, or too few are shared.
        """
        if not (folder / WHOLE).is_file():
            return None
        try:
            return self._separated(key, folder=folder, start=start)
        except (OSError, EOFError) as error:  # a full disk, or a start that is gone: sharing only saves space
            log.warning("stage %s is kept whole: %s", key[:12], error)
            (folder / OWN).unlink(missing_ok=True)
            return None

    def fetch(self, name: str, *, again: bool = False) -> Path | Damaged | None:
        """Return a local folder with shared tensors, the reason why they cannot be used, or None if there are none.

        Args:
            name: Their name.
            again: Ignore earlier hashes and downloads.
        """
        data = self.storage.read(f"{_folder(name)}/{MANIFEST}")
        if data is None:
            return None
        manifest = SharedManifest.read(data, key=name)
        if isinstance(manifest, Damaged):
            return manifest
        if {file: entry.sha256 for file, entry in manifest.files.items()} != {SHARED: name}:
            return Damaged("their manifest has changed")
        return self.contents.fetch(_folder(name), manifest=manifest, part=manifest.part, again=again)

    def complete(
        self, whole: FileEntry, part: SharedPart, *, folder: Path, again: set[str] | None = None
    ) -> Path | Damaged:
        """Return a local folder with the tensors that a stage shares, or the reason why its weights are not whole.

        Args:
            whole: Size and checksum of the stage's whole file of weights.
            part: What its manifest says of them.
            folder: Local folder of the stage; its files were checked.
            again: Hash them anew, unless this set has their name, which is added; and check the whole weights.
        """
        found = self._found(part.tensors, again=again is not None and part.tensors not in again)
        if not isinstance(found, Path):
            problem = f"are damaged: {found.reason}" if found else "are missing"
            return Damaged(f"the tensors that it shares {problem}", of_shared=True)
        if again is not None:
            again.add(part.tensors)
            if checksum(whole_pieces(Place(folder, found))) != (whole.num_bytes, whole.sha256):
                return Damaged("its own tensors and those that it shares are not its weights")
        return found

    def release(self, name: str, *, key: str) -> int:
        """Note that a removed stage shares tensors no more, and remove them if no stage does; return the freed bytes.

        Args:
            name: Their name.
            key: The stage's key; the caller holds its lease.
        """
        self.storage.remove(f"sharers/{name}/{key}")
        return self.remove_unused(name)

    def remove_unused(self, name: str) -> int:
        """Remove shared tensors unless a stage shares them; return the freed bytes."""
        lease = self.leases.try_lease(name)
        if lease is None:
            return 0
        manifest_name = f"{_folder(name)}/{MANIFEST}"
        with lease:
            if self._has_sharers_left(name) or self._has_marked_again(name):
                return 0
            num_bytes = sum(entry.num_bytes for entry in self.storage.entries(_folder(name)))
            manifest = self.storage.read(manifest_name)
            self.storage.remove(manifest_name)
            if self._has_sharers_left(name) or not lease.is_held():
                if manifest is not None:
                    self.storage.create(manifest_name, manifest)
                return 0
            self._clear(name)
            return num_bytes

    def has_sharers(self, name: str) -> bool:
        """Return whether a stage shares tensors, or is being made and may share them; this takes no lease."""
        marked = any(self.shared_by(key) == name or self._is_held(key) for key in self._marks(name))
        return marked or any(self._unmarked_sharers(name))

    def sizes(self) -> dict[str, int]:
        """Return name -> bytes of all shared tensors in the store."""
        sizes: dict[str, int] = {}
        for entry in self.storage.entries("shared"):
            if found := _IN_SHARED.match(entry.name):
                sizes[found["name"]] = sizes.get(found["name"], 0) + entry.num_bytes
        return sizes

    def _separated(self, key: str, *, folder: Path, start: Place) -> tuple[SharedPart, Path] | None:
        whole = folder / WHOLE
        found = split(whole, start=start)
        if found is None:
            return None
        num_bytes, name = checksum(found.shared_pieces())
        self.storage.write(f"sharers/{name}/{key}", b"")
        place = self._find_or_make(name, found, num_bytes=num_bytes)
        write(found.own_pieces(), folder / OWN)
        own, expected = file_entry(folder / OWN), file_entry(whole)
        if checksum(whole_pieces(Place(folder, place))) != (expected.num_bytes, expected.sha256):
            log.warning("stage %s is kept whole: what was read back of the tensors that it shares differs", key[:12])
            (folder / OWN).unlink()
            return None
        whole.unlink()
        return SharedPart(tensors=name, own=own), place

    def _found(self, name: str, *, again: bool) -> Path | Damaged | None:
        """Return shared tensors as `fetch` does; wait while a process has hidden them that tried to remove them."""
        for _ in range(_MAX_LOOKS):
            found = self.fetch(name, again=again)
            if found is not None or not self._is_held(name):
                return found
            time.sleep(_WAIT_SECONDS)
        return self.fetch(name, again=again)

    def _marks(self, name: str) -> Iterator[str]:
        marks = (_MARK.fullmatch(entry.name) for entry in self.storage.entries(f"sharers/{name}"))
        return (mark["key"] for mark in marks if mark)

    def _is_held(self, key: str) -> bool:
        """Return whether a process holds the lease of a stage, or of the name of shared tensors."""
        holder = self.leases.holder(key)
        return holder is not None and not is_known_dead(holder.process)

    def _has_sharers_left(self, name: str) -> bool:
        """Return whether a mark counts; those before it that do not are removed."""
        return any(self._is_sharer(key, name=name) for key in self._marks(name))

    def _unmarked_sharers(self, name: str) -> Iterator[str]:
        """Yield the stages that share tensors, whatever marks say: who copies a store can lose its empty files."""
        return (key for key in self.keys() if self.shared_by(key) == name)

    def _has_marked_again(self, name: str) -> bool:
        """Write the marks of stages that lack theirs; return whether there are such stages."""
        unmarked = list(self._unmarked_sharers(name))
        for key in unmarked:
            self.storage.write(f"sharers/{name}/{key}", b"")
        return bool(unmarked)

    def _is_sharer(self, key: str, *, name: str) -> bool:
        if self.shared_by(key) == name:
            return True
        lease = self.leases.try_lease(key)
        if lease is None:
            return True  # it is being made
        with lease:
            if self.shared_by(key) == name:
                return True
            self.storage.remove(f"sharers/{name}/{key}")
        return False

    def _find_or_make(self, name: str, found: Split, *, num_bytes: int) -> Path:
        place = self.fetch(name)
        if isinstance(place, Path):
            return place
        with self._lease(name):
            place = self.fetch(name)  # another process can have made them while this one waited
            if isinstance(place, Path):
                return place
            if place is not None:
                target = f"damaged/{name}-{uuid.uuid4().hex[:8]}"
                log.warning("shared tensors %s are damaged (%s); moved to %s", name[:12], place.reason, target)
                self.storage.move(_folder(name), to=target, first=MANIFEST)
            return self._make(name, found, num_bytes=num_bytes)

    def _make(self, name: str, found: Split, *, num_bytes: int) -> Path:
        folder, part = self.root / "work" / f"{name}-{uuid.uuid4().hex[:8]}", self.storage.part()
        folder.mkdir()
        try:
            write(found.shared_pieces(), folder / SHARED)
            files = {SHARED: FileEntry(num_bytes=num_bytes, sha256=name)}
            manifest = SharedManifest(version=MANIFEST_VERSION, key=name, files=files, part=part)
            (folder / MANIFEST).write_bytes(manifest.written())
            if self.storage.local(_folder(name)) is None:
                self._clear(name)
            if not self.storage.publish(folder, to=_folder(name), part=part, last=MANIFEST):
                place = self.fetch(name)  # another host's: a network disk can show them late
                if isinstance(place, Path):
                    return place
                self._clear(name)
                self.storage.publish(folder, to=_folder(name), part=part, last=MANIFEST)
            return self.contents.keep(folder, folder=_folder(name))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _clear(self, name: str) -> None:
        """Remove what a killed process left of shared tensors."""
        self.storage.remove_folder(_folder(name))
        self.contents.drop(_folder(name))

    def _lease(self, name: str) -> Lease:
        while (lease := self.leases.try_lease(name)) is None:
            time.sleep(_WAIT_SECONDS)
        return lease


def _folder(name: str) -> str:
    return f"shared/{name[:2]}/{name}"

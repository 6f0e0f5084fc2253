"""The local files of stages and checkpoints: those of a disk, or downloads from a bucket."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

from trainables.names import path_below
from trainables.stage_store.manifest import MANIFEST, Damaged, Sealed, damage_of_files
from trainables.storage import Storage, unreadable


class Contents:
    """Finds, checks and downloads files.

    Args:
        storage: Holds the files.
        root: Local folder for downloads; files keep the names that they have in the storage.
    """

    def __init__(self, storage: Storage, *, root: Path) -> None:
        self._storage, self._root = storage, root

    def fetch(self, folder: str, *, manifest: Sealed, part: str = "", again: bool = False) -> Path | Damaged:
        """Return a local folder whose files match the manifest, or the reason why they do not.

        Args:
            folder: Name of the stage's or checkpoint's folder in the storage.
            manifest: Its manifest.
            part: Subfolder that holds the files.
            again: Ignore earlier hashes and downloads.

        Raises:
            StoreUnusableError: This user has no right to read them.
        """
        if place := self._storage.local(folder):
            try:
                return damage_of_files(place / part, files=manifest.stored, again=again) or place / part
            except PermissionError as error:  # not damaged: another user can read it
                raise unreadable(self._storage.url, error) from error
        copy = self._copy(folder)
        if again or damage_of_files(copy, files=manifest.stored, again=False):
            return self._download(f"{folder}/{part}" if part else folder, manifest=manifest, to=copy)
        return copy

    def keep(self, made: Path, *, folder: str) -> Path:
        """Return a local folder with the files of a folder that was just published; nothing is downloaded."""
        if place := self._storage.local(folder):
            return place
        copy = self._copy(folder)
        _replace(copy, by=made)
        return copy

    def drop(self, folder: str) -> None:
        """Remove the downloads of a folder."""
        if self._storage.local(folder) is None:
            shutil.rmtree(self._copy(folder), ignore_errors=True)

    def _copy(self, folder: str) -> Path:
        """Return where the downloads of a folder are: names come from the listing of a bucket."""
        return path_below(self._root, folder, where=f"the store {self._storage.url!r}")

    def _download(self, source: str, *, manifest: Sealed, to: Path) -> Path | Damaged:
        fresh = self._root / "work" / f"download-{uuid.uuid4().hex}"
        try:
            for name in manifest.stored:
                (fresh / name).parent.mkdir(parents=True, exist_ok=True)
                if not self._storage.download(f"{source}/{name}", to=fresh / name):
                    return Damaged(f"{name} is missing")
            fresh.mkdir(parents=True, exist_ok=True)
            if damage := damage_of_files(fresh, files=manifest.stored, again=True):
                return damage
            (fresh / MANIFEST).write_bytes(manifest.written())
            _replace(to, by=fresh)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return to


def _replace(folder: Path, *, by: Path) -> None:
    """Replace a folder by another. If two processes do this, one wins; both have the same files."""
    old = folder.parent / f".old-{uuid.uuid4().hex}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():
        folder.rename(old)
    try:
        by.rename(folder)
    except OSError:
        if not folder.exists():
            raise
    shutil.rmtree(old, ignore_errors=True)

"""The files of stages and checkpoints on this machine: in place on a disk, downloaded from a bucket."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

from trainables.stage_store.manifest import MANIFEST, Sealed, problem_of_files
from trainables.storage import Storage, unreadable


class Contents:
    """Finds, checks and downloads files.

    Args:
        storage: Where they are.
        root: Local folder; what is downloaded goes below it under the names that it has in the storage.
    """

    def __init__(self, storage: Storage, *, root: Path) -> None:
        self._storage, self._root = storage, root

    def fetch(self, folder: str, *, manifest: Sealed, part: str = "", again: bool = False) -> Path | str:
        """Return a local folder whose files are as the manifest says, or what is wrong with them.

        Args:
            folder: Name of the stage's or checkpoint's folder in the storage.
            manifest: Its manifest.
            part: Where below the folder the files are.
            again: Trust nothing that was hashed or downloaded before.

        Raises:
            StoreUnusableError: This user may not read them.
        """
        if place := self._storage.local(folder):
            try:
                return problem_of_files(place / part, manifest=manifest, again=again) or place / part
            except PermissionError as error:  # not damaged: another user may read it
                raise unreadable(self._storage.url, error) from error
        copy = self._root / folder
        if again or problem_of_files(copy, manifest=manifest, again=False):
            return self._download(f"{folder}/{part}" if part else folder, manifest=manifest, to=copy)
        return copy

    def keep(self, made: Path, *, folder: str) -> Path:
        """Return where a folder that was just published can be read without downloading it."""
        if place := self._storage.local(folder):
            return place
        copy = self._root / folder
        _replace(copy, by=made)
        return copy

    def drop(self, folder: str) -> None:
        """Remove what was downloaded of a folder."""
        if self._storage.local(folder) is None:
            shutil.rmtree(self._root / folder, ignore_errors=True)

    def _download(self, source: str, *, manifest: Sealed, to: Path) -> Path | str:
        fresh = self._root / "work" / f"download-{uuid.uuid4().hex}"
        try:
            for name in manifest.files:
                (fresh / name).parent.mkdir(parents=True, exist_ok=True)
                if not self._storage.download(f"{source}/{name}", to=fresh / name):
                    return f"{name} is missing"
            fresh.mkdir(parents=True, exist_ok=True)
            if problem := problem_of_files(fresh, manifest=manifest, again=True):
                return problem
            (fresh / MANIFEST).write_bytes(manifest.written())
            _replace(to, by=fresh)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return to


def _replace(folder: Path, *, by: Path) -> None:
    """Put a folder in another's place. Of two processes that do so one wins; both bring the same files."""
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

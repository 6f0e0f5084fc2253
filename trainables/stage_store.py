"""Where stages are kept: find one, make one while holding its lease, commit it.

A stage is complete when its manifest exists in its folder. The manifest lists every file with size and SHA-256, and is
written last, in a folder of its own that is then moved into place by one atomic rename; so a reader sees a whole stage
or none, and a crash leaves only scratch under `work/`. A stage whose files no longer match its manifest is moved to
`damaged/`, named in a warning, and made again.

Any number of processes of one host may share a store. A lease is an advisory lock on a file: the kernel releases it
when its holder dies, however it dies. Stores that several hosts share need the leases of a later version.

    store/
      stages/<first two digits>/<key>/manifest.json, weights, scores
      work/<key>-<random>/          scratch of stages being made
      leases/<key>
      damaged/<key>-<random>/
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

from pydantic import Field, ValidationError

from trainables.config.frozen import FrozenModel
from trainables.errors import StoreUnusableError
from trainables.results import Phase, TaskTraining

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1
_PARTS = ("stages", "work", "leases", "damaged")
_READ_BYTES = 1 << 20


class FileEntry(FrozenModel):
    """One file of a stage."""

    num_bytes: int = Field(ge=0)
    """Size."""
    sha256: str
    """Checksum, in hexadecimal."""


class StageFacts(FrozenModel):
    """What its maker says of a stage."""

    phase: Phase
    """Phase that it is."""
    parent: str | None
    """Key of the stage it started from."""
    steps: int = Field(ge=0)
    """Optimiser steps taken."""
    seconds: float = Field(ge=0)
    """Wall time that making it took."""
    scores: dict[str, float]
    """Task or language -> score (0..1)."""
    counts: dict[str, int]
    """Task -> examples trained on; language -> items scored."""
    tasks: dict[str, TaskTraining] = Field(default_factory=dict[str, TaskTraining])
    """Trained task -> weight, counts and losses; empty for evaluation and in stages of earlier versions."""
    made_with: dict[str, str]
    """Ranks, ZeRO stage, threads, versions: for the record, not for the key."""


class Manifest(FrozenModel):
    """What makes a stage complete."""

    version: int
    """Format of this manifest."""
    key: str
    """The stage's content key."""
    facts: StageFacts
    """What its maker says."""
    files: dict[str, FileEntry]
    """Relative path -> size and checksum."""


class StoredStage(FrozenModel):
    """A complete stage, checked on reading."""

    folder: Path = Field(strict=False)
    """Where its files are."""
    facts: StageFacts
    """What its maker said."""


class StageStore:
    """A store in a local folder.

    Args:
        root: The folder; made on first use.

    Raises:
        StoreUnusableError: The folder cannot be made or written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        try:
            for name in _PARTS:
                (self.root / name).mkdir(parents=True, exist_ok=True)
            probe = self.root / "work" / f".probe-{uuid.uuid4().hex}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            msg = f"the store {str(root)!r} cannot be written ({error.strerror}); free it, or choose another by --store"
            raise StoreUnusableError(msg) from error

    def find(self, key: str) -> StoredStage | None:
        """Return the complete stage with this key, or None. Its checksums are verified."""
        folder = self._folder(key)
        if not folder.exists():
            return None
        problem, manifest = _inspect(folder, key)
        if manifest is None:
            self._set_aside(folder, problem)
            return None
        return StoredStage(folder=folder, facts=manifest.facts)

    @contextlib.contextmanager
    def lease(self, key: str) -> Generator[None]:
        """Hold the right to make a stage; waits while another process holds it."""
        with (self.root / "leases" / key).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def work_folder(self, key: str) -> Generator[Path]:
        """Give a scratch folder on the store's disk, removed afterwards unless it was committed.

        The caller holds the stage's lease, so what lies here of the same stage is of a process that was killed.
        """
        for left in (self.root / "work").glob(f"{key}-*"):
            shutil.rmtree(left, ignore_errors=True)
        folder = self.root / "work" / f"{key}-{uuid.uuid4().hex[:8]}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def commit(self, key: str, *, folder: Path, facts: StageFacts) -> StoredStage:
        """Make a finished work folder the stage of this key; the caller holds its lease.

        Args:
            key: The stage's content key.
            folder: Its work folder, holding all files but the manifest.
            facts: What to say of it.
        """
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        for path in paths:
            _sync(path)
        files = {str(path.relative_to(folder)): _entry(path) for path in paths}
        manifest = Manifest(version=MANIFEST_VERSION, key=key, facts=facts, files=files)
        _write_durably(folder / MANIFEST, manifest.model_dump_json(indent=1))
        final = self._folder(key)
        final.parent.mkdir(exist_ok=True)
        folder.rename(final)
        _sync(final.parent)
        return StoredStage(folder=final, facts=facts)

    def keys(self) -> Iterator[str]:
        """Yield the keys of complete stages, unverified."""
        return (path.parent.name for path in sorted(self.root.glob(f"stages/*/*/{MANIFEST}")))

    def _folder(self, key: str) -> Path:
        return self.root / "stages" / key[:2] / key

    def _set_aside(self, folder: Path, problem: str) -> None:
        aside = self.root / "damaged" / f"{folder.name}-{uuid.uuid4().hex[:8]}"
        with contextlib.suppress(FileNotFoundError):  # another process was first
            folder.rename(aside)
        log.warning("stage %s is damaged (%s); set aside in %s, it is made again", folder.name[:12], problem, aside)


def check_store(root: Path) -> None:
    """Check that a store could be made or written in a folder, without making anything.

    Raises:
        StoreUnusableError: It could not.
    """
    root = root.absolute()
    for folder in (root, *(root / name for name in _PARTS)):
        if problem := why_not_writable(folder):
            msg = f"the store {str(root)!r} cannot be used: {problem}; free it, or choose another by --store"
            raise StoreUnusableError(msg)


def why_not_writable(folder: Path) -> str | None:
    """Return why a folder cannot be made or written in, or None when it can. Leaves nothing behind."""
    nearest = next(each for each in (folder, *folder.parents) if each.exists())
    if not nearest.is_dir():
        return f"{str(nearest)!r} is a file"
    try:
        # Trying says more than the permission bits: root may write everywhere but on a read-only or special disk.
        with tempfile.TemporaryFile(dir=nearest):
            return None
    except OSError as error:
        return f"{str(nearest)!r} cannot be written ({error.strerror})"


def _inspect(folder: Path, key: str) -> tuple[str, Manifest | None]:
    """Return ("", manifest) for a whole stage, or what is wrong with it and None."""
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return "its manifest cannot be read", None
    if manifest.key != key:
        return f"its manifest is of stage {manifest.key[:12]}", None
    for name, entry in manifest.files.items():
        if not (folder / name).is_file():
            return f"{name} is missing", None
        if _entry(folder / name) != entry:
            return f"{name} has changed", None
    return "", manifest


def _entry(path: Path) -> FileEntry:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return FileEntry(num_bytes=path.stat().st_size, sha256=digest.hexdigest())


def _write_durably(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

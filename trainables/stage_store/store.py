"""Where stages are kept: find one, make one while holding its lease, commit it.

A stage is complete when its manifest exists. The manifest lists every file with size and SHA-256 and is written last:
on a disk in a folder that is then moved into place by one atomic rename, in a bucket by an exclusive creation after all
files. So a reader sees a whole stage or none, and a crash leaves only scratch. What is found is checked. A stage whose
files do not match its manifest, or whose parent is not the one it was made from, is moved to `damaged/`, named in a
warning, and made again; only who holds its lease moves it, so that a slow reader cannot move one just made anew.

Any number of processes and hosts may share a store; `leases` says how. Who reads stages works inside `using()`, so that
`remove` leaves them alone; `uses` says how.

    stages/<first two digits>/<key>/    manifest.json and the stage's files
    checkpoints/<key>/                  of stages that are being made
    holders/<key>/, leases/             who holds leases
    users/, locks/                      who reads
    damaged/<key>-<random>/             set aside
    work/, cache/                       scratch and encoded data; on this machine, also for a bucket
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path

from trainables.errors import LeaseLostError, StoreUnusableError
from trainables.stage_store.checkpoints import Checkpoints
from trainables.stage_store.contents import Contents
from trainables.stage_store.heartbeat import Timing
from trainables.stage_store.leases import Holder, Lease, Leases
from trainables.stage_store.manifest import (
    MANIFEST,
    MANIFEST_VERSION,
    Manifest,
    StageFacts,
    StoredCheckpoint,
    StoredStage,
    files_of,
)
from trainables.stage_store.space import Space, stage_folder
from trainables.stage_store.uses import Uses
from trainables.storage import open_storage, why_not_writable

log = logging.getLogger(__name__)

_FOLDERS = ("stages", "work", "leases", "damaged")
_KNOWS_LINEAGE = 3
"""Version of the manifest from which it lists all that a stage was made from."""
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.05, 1.0


class StageStore:
    """A store in a folder or a bucket.

    Args:
        place: A folder, made on first use; or `s3://BUCKET/PREFIX`, with credentials from AWS_* variables.
        cache: Local folder for what is downloaded from a bucket, and for scratch; None takes one in the user's cache
            folder. A store in a folder keeps them in itself.
        timing: Heartbeat and expiry of leases; the same in all processes that share the store.
        read_only: Only stages are looked for; nothing is made or set aside, and nobody is told that they are used.

    Raises:
        StoreUnusableError: It cannot be made, reached or written.
    """

    def __init__(
        self,
        place: str | Path,
        *,
        cache: Path | None = None,
        timing: Timing | None = None,
        read_only: bool = False,
    ) -> None:
        self._storage, self._is_read_only = open_storage(place), read_only
        if not read_only:
            self._storage.check()
        self.url = self._storage.url
        """What another process opens it by."""
        self.root = self._storage.local("") or _cache_folder(self.url, cache=cache, read_only=read_only)
        """Folder on this machine: the store itself, or a bucket's downloads and scratch."""
        if not read_only:
            _make_folders(self.root, url=self.url)
        self.timing = timing or Timing()
        self._contents = Contents(self._storage, root=self.root)
        self._leases = Leases(self._storage, timing=self.timing)
        self._uses = Uses(self._storage, timing=self.timing)
        self._checkpoints = Checkpoints(storage=self._storage, contents=self._contents, leases=self._leases)
        self._held: dict[str, Lease] = {}
        self._lineages: dict[str, dict[str, str]] = {}

    def find(self, key: str) -> StoredStage | None:
        """Return the complete stage with this key, or None. It is whole, and so is what it was made from.

        A damaged stage is set aside, unless another holds its lease: it will be.

        Raises:
            StoreUnusableError: A newer xstilts wrote it.
        """
        self._uses.add(key)
        found = self._look(key)
        if isinstance(found, str):
            found = self._look_with_lease(key, problem=found)
        if found is not None:
            self._lineages[key] = {**found.lineage, key: found.digest}
        return found

    def using(self) -> contextlib.AbstractContextManager[None]:
        """Open a session: what is found or made inside is not removed by others until its end."""
        return self._uses.session()

    @contextlib.contextmanager
    def lease(self, key: str) -> Generator[Lease]:
        """Hold the right to make a stage; waits while another holder has it."""
        wait, said = _FIRST_WAIT_SECONDS, False
        while (lease := self.try_lease(key)) is None:
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS, self.timing.heartbeat_seconds)
            if wait == _LONGEST_WAIT_SECONDS and not said:
                said = self._say_who_is_waited_for(key)
        with lease:
            yield lease

    def try_lease(self, key: str, *, expired: str | None = None) -> Lease | None:
        """Return the right to make a stage, or None when another holder has it; `holder` says who.

        The caller releases it, or uses it in a `with` block.

        Args:
            key: The stage's key.
            expired: What `expired_lease` of another process returned: that holder is dead unless it has stirred since.
        """
        lease = self._leases.try_lease(key, expired=expired)
        if lease is not None:
            self._held[key] = lease
        return lease

    def has(self, key: str) -> bool:
        """Return whether a stage looks complete: its manifest is there, unverified."""
        return self._storage.read(f"{stage_folder(key)}/{MANIFEST}") is not None

    def could_lease(self, key: str) -> bool:
        """Return whether nobody holds a stage's lease, so that whoever takes it now is likely to get it.

        As `try_lease`, it notices by itself when a holder on another host has died: keep one store object to ask.
        """
        return self._leases.is_free(key)

    def expired_lease(self, key: str) -> str | None:
        """Return what names the lease of a stage that this object has seen expire, for another process to take it."""
        return self._leases.expired(key)

    def holder(self, key: str) -> Holder | None:
        """Return who holds a stage's lease, or None. It may have died since its last heartbeat."""
        return self._leases.holder(key)

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
        """Make a finished work folder the stage of this key, and remove its checkpoints.

        A stage that is complete already stays as it is and is returned.

        Args:
            key: The stage's content key.
            folder: Its work folder, holding all files but the manifest; used up.
            facts: What to say of it.

        Raises:
            LeaseLostError: The caller does not hold its lease, or does so no more.
        """
        self._uses.add(key)
        if isinstance(found := self._look(key), StoredStage):
            return found
        self._require_lease(key)
        manifest = self._manifest(key, folder=folder, facts=facts)
        (folder / MANIFEST).write_bytes(manifest.written())
        self._require_lease(key)  # hashing took its time
        stored = self._publish(manifest, folder=folder)
        self._checkpoints.remove(key)
        self._lineages[key] = {**stored.lineage, key: stored.digest}
        return stored

    def put_checkpoint(
        self, key: str, *, step: int, folder: Path, token: str | None = None, made_from: Sequence[str] = ()
    ) -> None:
        """Store a checkpoint of a stage that is being made; the last two are kept.

        Args:
            key: The stage's key.
            step: Optimiser steps taken so far.
            folder: Its files; used up. Best under `root / "work"`, from where it need not be copied.
            token: `Lease.token` of the holder, where that is another process; None: this store object holds it.
            made_from: Keys of the stages that its making started from; it is not continued once they hold other files.

        Raises:
            LeaseLostError: That holder has the lease no more.
        """
        held = self._held.get(key)
        token = token or (held.token if held else "")
        self._checkpoints.put(key, step=step, folder=folder, token=token, lineage=self._joint_lineage(made_from))

    def newest_checkpoint(self, key: str) -> StoredCheckpoint | None:
        """Return the newest checkpoint of a stage that can be continued, or None.

        One that is damaged, or was made from a stage that since holds other files, is named in a warning.
        """
        held = self._held.get(key)
        is_held = held is not None and held.is_held()
        return self._checkpoints.newest(key, may_remove=is_held, problem_of=self._problem_of_lineage)

    @property
    def space(self) -> Space:
        """The room that it takes: lists, verifies, removes."""
        return Space(
            storage=self._storage,
            root=self.root,
            contents=self._contents,
            leases=self._leases,
            uses=self._uses,
            checkpoints=self._checkpoints,
            look=lambda key: self._look(key, again=True),
        )

    def keys(self) -> Iterator[str]:
        """Yield the keys of complete stages, unverified."""
        entries = self._storage.entries("stages")
        return (name.split("/")[2] for entry in entries if (name := entry.name).endswith(f"/{MANIFEST}"))

    def _look(self, key: str, *, again: bool = False) -> StoredStage | str | None:
        """Return the stage, what is wrong with it, or None when there is none."""
        data = self._storage.read(f"{stage_folder(key)}/{MANIFEST}")
        if data is None:
            return None
        manifest = Manifest.read(data, key=key)
        if isinstance(manifest, str):
            return manifest
        if problem := self._problem_of_parents(manifest):
            return problem
        files = self._contents.fetch(stage_folder(key), manifest=manifest, part=manifest.part, again=again)
        return files if isinstance(files, str) else _stored(manifest, folder=files)

    def _problem_of_parents(self, manifest: Manifest) -> str | None:
        """Return what is wrong with what a stage was made from, as far as the store still has it."""
        if manifest.version < _KNOWS_LINEAGE:
            return self._problem_of_parent_chain(manifest)
        return self._problem_of_lineage(manifest.lineage)

    def _problem_of_lineage(self, lineage: Mapping[str, str]) -> str | None:
        for key, digest in lineage.items():
            ancestor = self._read_manifest(key)
            if ancestor is not None and ancestor.digest != digest:
                return _made_anew(ancestor)
        return None

    def _problem_of_parent_chain(self, manifest: Manifest) -> str | None:
        while manifest.facts.parent is not None:
            parent = self._read_manifest(manifest.facts.parent)
            if parent is None:
                return None
            if manifest.parent_digest not in {None, parent.digest}:
                return _made_anew(parent)
            manifest = parent
        return None

    def _read_manifest(self, key: str) -> Manifest | None:
        data = self._storage.read(f"{stage_folder(key)}/{MANIFEST}")
        manifest = Manifest.read(data, key=key) if data is not None else None
        return manifest if isinstance(manifest, Manifest) else None

    def _look_with_lease(self, key: str, *, problem: str) -> StoredStage | None:
        if self._is_read_only:
            log.warning("stage %s is damaged (%s); a search that needs it makes it again", key[:12], problem)
            return None
        held = self._held.get(key)
        if held is not None and held.is_held():
            return self._whole_or_set_aside(key)
        lease = self._leases.try_lease(key)
        if lease is None:
            log.warning("stage %s is damaged (%s); the holder of its lease sees to it", key[:12], problem)
            return None
        with lease:
            return self._whole_or_set_aside(key)

    def _whole_or_set_aside(self, key: str) -> StoredStage | None:
        found = self._look(key)
        if not isinstance(found, str):
            return found
        self._set_aside(key, problem=found)
        return None

    def _set_aside(self, key: str, *, problem: str) -> None:
        aside = f"damaged/{key}-{uuid.uuid4().hex[:8]}"
        self._storage.move(stage_folder(key), to=aside, first=MANIFEST)
        self._contents.drop(stage_folder(key))
        log.warning("stage %s is damaged (%s); set aside in %s, it is made again", key[:12], problem, aside)

    def _say_who_is_waited_for(self, key: str) -> bool:
        if holder := self.holder(key):
            log.warning(
                "stage %s is being made by process %d on %s; waiting for it (if it has died: at most %g s more)",
                key[:12],
                holder.pid,
                holder.host,
                self.timing.expiry_seconds,
            )
        return holder is not None

    def _require_lease(self, key: str) -> None:
        held = self._held.get(key)
        if held is None or not held.is_held():
            raise LeaseLostError(key)

    def _manifest(self, key: str, *, folder: Path, facts: StageFacts) -> Manifest:
        lineage = self._joint_lineage([one for one in (facts.parent, facts.trunk) if one])
        return Manifest(
            version=MANIFEST_VERSION,
            key=key,
            facts=facts,
            files=files_of(folder),
            parent_digest=lineage.get(facts.parent) if facts.parent else None,
            lineage=lineage,
            part=self._storage.part(),
        )

    def _joint_lineage(self, made_from: Sequence[str]) -> dict[str, str]:
        return {key: digest for one in made_from for key, digest in self._lineage(one).items()}

    def _lineage(self, key: str) -> dict[str, str]:
        """Return what a stage and its ancestors held when it was found here: they may have been made again since."""
        if key not in self._lineages and isinstance(found := self._look(key), StoredStage):
            self._lineages[key] = {**found.lineage, key: found.digest}
        return self._lineages.get(key, {})

    def _publish(self, manifest: Manifest, *, folder: Path) -> StoredStage:
        key = manifest.key
        for _ in range(2):
            if self._storage.publish(folder, to=stage_folder(key), part=manifest.part, last=MANIFEST):
                return _stored(manifest, folder=self._contents.keep(folder, folder=stage_folder(key)))
            found = self._look(key)
            if isinstance(found, StoredStage):
                return found
            self._set_aside(key, problem=found or "its manifest is missing")
        raise LeaseLostError(key)


def _stored(manifest: Manifest, *, folder: Path) -> StoredStage:
    return StoredStage(folder=folder, facts=manifest.facts, digest=manifest.digest, lineage=manifest.lineage)


def _made_anew(ancestor: Manifest) -> str:
    return f"{ancestor.facts.phase} stage {ancestor.key[:12]} in its lineage was since made with other files"


def _cache_folder(url: str, *, cache: Path | None, read_only: bool) -> Path:
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xstilts"
    folder = (cache or user).absolute() / hashlib.sha256(url.encode()).hexdigest()[:16]
    if not read_only or why_not_writable(folder) is None:
        return folder
    scratch = Path(tempfile.mkdtemp(prefix="xstilts-downloads-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    return scratch


def _make_folders(root: Path, *, url: str) -> None:
    try:
        for name in _FOLDERS:
            (root / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the store {url!r} cannot use the folder {str(root)!r} ({error.strerror}); choose another by --store"
        raise StoreUnusableError(msg) from error

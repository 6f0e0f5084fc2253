"""The stage store: finds a stage, or commits one that was made under its lease.

A stage is complete when its manifest exists. The manifest lists every file with size and SHA-256 and is written last:
on a disk in a folder that one atomic rename then moves into place, in a bucket by an exclusive creation after all
files. So a reader sees a complete stage or none, and a crash leaves only scratch. `find` checks the files. A stage
whose files do not match its manifest, or whose parent has changed since, is quarantined: it is moved to `damaged/`,
named in a warning, and made again. Only the holder of its lease moves it, so that a slow reader cannot move a new one.

Any number of processes and hosts can share a store (`leases`). A process that reads stages works inside `using()`, so
that `remove` keeps them (`uses`).

    stages/<first two digits>/<key>/    manifest.json and the stage's files
    shared/, sharers/                   tensors that stages share (`shared_tensors`), and which stages share them
    checkpoints/<key>/                  checkpoints of stages that are being made
    holders/<key>/, leases/             holders of leases
    users/, locks/                      sessions of processes that read
    sweeps/                             notes of the sweeps that have used the store
    damaged/<key>-<random>/             quarantined stages
    work/, cache/                       scratch and encoded data; on this machine, also for a bucket
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import time
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path

from trainables.errors import LeaseLostError
from trainables.stage_store.checkpoints import Checkpoints
from trainables.stage_store.contents import Contents
from trainables.stage_store.heartbeat import LeaseTimes
from trainables.stage_store.leases import Holder, Lease, Leases
from trainables.stage_store.lineage import damage_of_lineage, damage_of_parents
from trainables.stage_store.manifest import (
    MANIFEST,
    MANIFEST_VERSION,
    Damaged,
    Manifest,
    StageFacts,
    StoredCheckpoint,
    StoredStage,
    files_of,
    version_of,
)
from trainables.stage_store.quarantine import Judged, Quarantine
from trainables.stage_store.shared_tensors import SharedTensors
from trainables.stage_store.space import Space, key_of, stage_folder
from trainables.stage_store.store_folders import cache_folder, make_folders
from trainables.stage_store.sweep_notes import SweepNotes
from trainables.stage_store.uses import Uses
from trainables.storage import open_storage
from trainables.tensor_files import WHOLE, Place

log = logging.getLogger(__name__)

_MAX_LOOKS = 3
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.05, 1.0


class StageStore:
    """A store in a folder or a bucket.

    Args:
        place: A folder, made on first use; or `s3://BUCKET/PREFIX`, with credentials from AWS_* variables.
        cache: Local folder for downloads from a bucket and for scratch; None: a folder in the user's cache. A store
            in a folder keeps its scratch inside itself.
        times: Heartbeat and expiry times of leases; the same in all processes that share the store.
        read_only: Only look for stages: make and quarantine nothing, and do not mark them as used.

    Raises:
        StoreUnusableError: It cannot be made, reached or written.
    """

    def __init__(
        self,
        place: str | Path,
        *,
        cache: Path | None = None,
        times: LeaseTimes | None = None,
        read_only: bool = False,
    ) -> None:
        self._storage, self._is_read_only = open_storage(place), read_only
        if not read_only:
            self._storage.check()
        self.url = self._storage.url
        """Path or URL by which another process opens it."""
        self.root = self._storage.local("") or cache_folder(self.url, cache=cache, read_only=read_only)
        """Local folder: the store itself, or the downloads and scratch of a bucket."""
        if not read_only:
            make_folders(self.root, url=self.url)
        self.times = times or LeaseTimes()
        self._contents = Contents(self._storage, root=self.root)
        self._leases = Leases(self._storage, times=self.times)
        self._uses = Uses(self._storage, times=self.times)
        self._checkpoints = Checkpoints(storage=self._storage, contents=self._contents, leases=self._leases)
        self._quarantine = Quarantine(storage=self._storage, contents=self._contents, look=self._look)
        self._shared = SharedTensors(
            storage=self._storage,
            contents=self._contents,
            leases=self._leases,
            root=self.root,
            shared_by=self._shared_by,
            keys=self.keys,
        )
        self._held: dict[str, Lease] = {}
        self._lineages: dict[str, dict[str, str]] = {}

    def find(self, key: str) -> StoredStage | None:
        """Return the complete stage with this key, or None; its files and its lineage are checked.

        A damaged stage is quarantined, unless another process holds its lease: that one quarantines it.

        Raises:
            StoreUnusableError: A newer xstilts wrote it.
        """
        self._uses.add(key)
        found = self._look(key)
        if isinstance(found, Damaged):
            found = self._look_with_lease(key, damage=found)
        if found is not None:
            self._lineages[key] = {**found.lineage, key: found.digest}
        return found

    def using(self) -> contextlib.AbstractContextManager[None]:
        """Open a session: other processes do not remove the stages that are found or made inside, until it ends."""
        return self._uses.session()

    @contextlib.contextmanager
    def lease(self, key: str) -> Generator[Lease]:
        """Hold the lease of a stage; wait while another process holds it."""
        wait, has_logged = _FIRST_WAIT_SECONDS, False
        while (lease := self.try_lease(key)) is None:
            time.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS, self.times.heartbeat_seconds)
            if wait == _LONGEST_WAIT_SECONDS and not has_logged:
                has_logged = self._log_holder(key)
        with lease:
            yield lease

    def try_lease(self, key: str, *, expired: str | None = None) -> Lease | None:
        """Return the lease of a stage, or None when another process holds it (`holder`).

        The caller releases it, or uses it in a `with` block.

        Args:
            key: The stage's key.
            expired: The result of `expired_lease` in another process: that holder is dead unless it has written since.
        """
        lease = self._leases.try_lease(key, expired=expired)
        if lease is not None:
            self._held[key] = lease
        return lease

    def has(self, key: str) -> bool:
        """Return whether a stage's manifest exists; its files are not checked."""
        return self._storage.read(f"{stage_folder(key)}/{MANIFEST}") is not None

    def could_lease(self, key: str) -> bool:
        """Return whether no process holds a stage's lease, so that `try_lease` is likely to succeed.

        Like `try_lease`, it detects that a holder on another host has died: use the same store object each time.
        """
        return self._leases.is_free(key)

    def expired_lease(self, key: str) -> str | None:
        """Return the fingerprint of a lease that this object has seen expire, so that another process can take it."""
        return self._leases.expired(key)

    def holder(self, key: str) -> Holder | None:
        """Return the holder of a stage's lease, or None. It can have died since its last heartbeat."""
        return self._leases.holder(key)

    @contextlib.contextmanager
    def work_folder(self, key: str) -> Generator[Path]:
        """Make a scratch folder on the store's disk; it is removed afterwards unless it was committed.

        The caller holds the stage's lease, so older scratch of the same stage is from a process that was killed.
        """
        for leftover in (self.root / "work").glob(f"{key}-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        folder = self.root / "work" / f"{key}-{uuid.uuid4().hex[:8]}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def commit(self, key: str, *, folder: Path, facts: StageFacts, start: Place | None = None) -> StoredStage:
        """Publish a finished work folder as the stage of this key, and remove its checkpoints.

        A stage that is already complete is returned unchanged.

        Args:
            key: The stage's content key.
            folder: Its work folder with all files except the manifest; removed by this call.
            facts: How it was made, and what it measured.
            start: The encoder that its weights were trained from: tensors that did not change are kept apart, and only
                once for all stages. None: the stage is kept whole.

        Raises:
            LeaseLostError: The caller does not hold its lease, or has lost it.
        """
        self._uses.add(key)
        if isinstance(found := self._look(key), StoredStage):
            return found
        self._require_lease(key)
        manifest, shared = self._manifest(key, folder=folder, facts=facts), None
        if start is not None and (separated := self._shared.separate(key, folder=folder, start=start)):
            part, shared = separated
            manifest = manifest.model_copy(update={"version": MANIFEST_VERSION, "shared": part})
        (folder / MANIFEST).write_bytes(manifest.written())
        self._require_lease(key)  # hashing takes long
        stored = self._publish(manifest, folder=folder, shared=shared)
        self._checkpoints.remove(key)
        self._lineages[key] = {**stored.lineage, key: stored.digest}
        return stored

    def put_checkpoint(
        self, key: str, *, step: int, folder: Path, token: str | None = None, made_from: Sequence[str] = ()
    ) -> None:
        """Store a checkpoint of a stage that is being made, and keep the last two.

        Args:
            key: The stage's key.
            step: Optimiser steps taken so far.
            folder: Its files; removed by this call. A folder under `root / "work"` need not be copied.
            token: `Lease.token` of the holder, if that is another process; None: this store object holds the lease.
            made_from: Keys of the stages that it was made from; if their files change, the checkpoint is not used.

        Raises:
            LeaseLostError: That holder has lost the lease.
        """
        held = self._held.get(key)
        token = token or (held.token if held else "")
        self._checkpoints.put(key, step=step, folder=folder, token=token, lineage=self._joint_lineage(made_from))

    def newest_checkpoint(self, key: str) -> StoredCheckpoint | None:
        """Return the newest usable checkpoint of a stage, or None.

        A damaged one, or one made from a stage whose files changed since, is named in a warning.
        """
        held = self._held.get(key)
        is_held = held is not None and held.is_held()
        return self._checkpoints.newest(key, may_remove=is_held, damage_of=self._damage_of_lineage)

    @property
    def sweep_notes(self) -> SweepNotes:
        """Which sweeps have used the store."""
        return SweepNotes(self._storage)

    @property
    def space(self) -> Space:
        """Lists, verifies and removes stages."""
        hashed: set[str] = set()
        return Space(
            storage=self._storage,
            root=self.root,
            contents=self._contents,
            leases=self._leases,
            uses=self._uses,
            checkpoints=self._checkpoints,
            look=lambda key: self._look(key, again=hashed),
            shared=self._shared,
        )

    def keys(self) -> Iterator[str]:
        """Yield the keys of complete stages; their files are not checked."""
        names = (entry.name for entry in self._storage.entries("stages"))
        found = ((name, key_of(name)) for name in names)
        return (key for name, key in found if key is not None and name == f"{stage_folder(key)}/{MANIFEST}")

    def _look(self, key: str, folder: str = "", *, again: set[str] | None = None) -> StoredStage | Damaged | None:
        """Return the stage in a folder or in its own, why it cannot be used, or None when there is none.

        Args:
            key: The stage's key.
            folder: Folder in the storage; empty for its own.
            again: Hash all files anew, but of the shared tensors only those that this set lacks; it is filled.
        """
        folder = folder or stage_folder(key)
        data = self._storage.read(f"{folder}/{MANIFEST}")
        if data is None:
            return None
        manifest = Manifest.read(data, key=key)
        if isinstance(manifest, Damaged):
            return manifest
        if damage := damage_of_parents(manifest, read=self._read_manifest):
            return damage
        files = self._contents.fetch(folder, manifest=manifest, part=manifest.part, again=again is not None)
        if isinstance(files, Damaged) or manifest.shared is None:
            return files if isinstance(files, Damaged) else _stored(manifest, folder=files)
        shared = self._shared.complete(manifest.files[WHOLE], manifest.shared, folder=files, again=again)
        return shared if isinstance(shared, Damaged) else _stored(manifest, folder=files, shared=shared)

    def _damage_of_lineage(self, lineage: Mapping[str, str]) -> Damaged | None:
        return damage_of_lineage(lineage, read=self._read_manifest)

    def _shared_by(self, key: str) -> str | None:
        manifest = self._read_manifest(key)
        return manifest.shares if manifest is not None else None

    def _read_manifest(self, key: str) -> Manifest | None:
        data = self._storage.read(f"{stage_folder(key)}/{MANIFEST}")
        manifest = Manifest.read(data, key=key) if data is not None else None
        return manifest if isinstance(manifest, Manifest) else None

    def _look_with_lease(self, key: str, *, damage: Damaged) -> StoredStage | None:
        if self._is_read_only:
            log.warning("stage %s is damaged (%s); a search that needs it makes it again", key[:12], damage.reason)
            return None
        held = self._held.get(key)
        if held is not None and held.is_held():
            return self._whole_or_quarantined(key)
        lease = self._leases.try_lease(key)
        if lease is None:
            log.warning("stage %s is damaged (%s); the holder of its lease quarantines it", key[:12], damage.reason)
            return None
        with lease:
            return self._whole_or_quarantined(key)

    def _whole_or_quarantined(self, key: str) -> StoredStage | None:
        for _ in range(_MAX_LOOKS):
            found = self._look_at_same(key)
            if not isinstance(found, Judged):
                return found
            if found.damage.of_shared:
                log.warning("stage %s cannot be read (%s); it is made again if needed", key[:12], found.damage.reason)
                return None
            if self._quarantine.move(key, found):
                return None
        return None

    def _look_at_same(self, key: str) -> StoredStage | Judged | None:
        """Return the stage, or why it cannot be used with the manifest that was judged."""
        judged = self._storage.read(f"{stage_folder(key)}/{MANIFEST}")
        found = self._look(key)
        return Judged(found, judged) if isinstance(found, Damaged) else found

    def _log_holder(self, key: str) -> bool:
        if holder := self.holder(key):
            log.warning(
                "stage %s is being made by process %d on %s; waiting for it (if it has died: at most %g s longer)",
                key[:12],
                holder.pid,
                holder.host,
                self.times.expiry_seconds,
            )
        return holder is not None

    def _require_lease(self, key: str) -> None:
        held = self._held.get(key)
        if held is None or not held.is_held():
            raise LeaseLostError(key)

    def _manifest(self, key: str, *, folder: Path, facts: StageFacts) -> Manifest:
        lineage = self._joint_lineage([key for key in (facts.parent, facts.trunk, *facts.parts) if key])
        return Manifest(
            version=version_of(facts),
            key=key,
            facts=facts,
            files=files_of(folder),
            parent_digest=lineage.get(facts.parent) if facts.parent else None,
            lineage=lineage,
            part=self._storage.part(),
        )

    def _joint_lineage(self, made_from: Sequence[str]) -> dict[str, str]:
        return {key: digest for ancestor in made_from for key, digest in self._lineage(ancestor).items()}

    def _lineage(self, key: str) -> dict[str, str]:
        """Return the digests of a stage and its ancestors when it was found: they can have been made again since."""
        if key not in self._lineages and isinstance(found := self._look(key), StoredStage):
            self._lineages[key] = {**found.lineage, key: found.digest}
        return self._lineages.get(key, {})

    def _publish(self, manifest: Manifest, *, folder: Path, shared: Path | None) -> StoredStage:
        key = manifest.key
        for _ in range(2):
            if self._storage.publish(folder, to=stage_folder(key), part=manifest.part, last=MANIFEST):
                place = self._contents.keep(folder, folder=stage_folder(key))
                return _stored(manifest, folder=place, shared=shared)
            found = self._look_at_same(key) or Judged(Damaged("its manifest is missing"), None)
            if isinstance(found, StoredStage):
                return found
            self._quarantine.move(key, found)
        raise LeaseLostError(key)


def _stored(manifest: Manifest, *, folder: Path, shared: Path | None = None) -> StoredStage:
    facts, lineage = manifest.facts, manifest.lineage
    return StoredStage(folder=folder, facts=facts, digest=manifest.digest, lineage=lineage, shared=shared)

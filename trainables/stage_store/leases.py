"""Leases: the right of one process to make a stage, also across hosts. A holder that dies loses its lease.

A lease has generations. Taking one is the exclusive creation of `holders/<key>/<generation>`, so of several
processes one wins; the highest generation counts. Its holder rewrites that file every few seconds with a count that
grows. The lease is free when the holder releases it, or when an observer has seen no new count for the expiry time on
its *own* monotonic clock: the clocks of two hosts are never compared, and a monotonic clock cannot jump. On storages
with locks, a holder also locks `leases/<key>`, and the kernel frees the lock when the process dies: a lease whose
holder was on this host is then free at once. A bucket has no locks; there the lease is free at once if the holder's
process is known to have ended.

A holder that was counted as dead (a suspended laptop, a lost network) finds this out by `is_held` before it commits.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import uuid
from dataclasses import dataclass
from platform import node
from types import TracebackType
from typing import Self

from pydantic import Field, ValidationError

from trainables.config.frozen import FrozenModel
from trainables.processes import identity, is_known_dead
from trainables.stage_store.heartbeat import Heartbeat, LeaseTimes, this_machine
from trainables.storage import HostLock, Storage

_NUMBERED = re.compile(r"/\d{8,}$")


class Holder(FrozenModel):
    """Who holds, or held, a lease."""

    token: str
    """Unique name of this lease as it was taken this time."""
    host: str
    """Name of the host, for messages."""
    machine: str
    """Name of the host since its boot, for comparisons."""
    pid: int
    """Process number."""
    process: str = ""
    """Unique name of the process (`trainables.processes`); empty in leases of older versions."""
    since: float
    """When the lease was taken, by the holder's clock, in seconds since 1970; for messages only."""
    beat: int = Field(default=0, ge=0)
    """Grows with every heartbeat."""
    held: bool = True
    """False after its release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """The newest generation of a lease."""

    number: int
    """Number, from 1; grows each time the lease is taken."""
    holder: Holder | None
    """None when its file cannot be read."""
    content: bytes
    """Content of its file: it changes as long as the holder is alive."""

    @property
    def fingerprint(self) -> str:
        """Hash that identifies this generation at this heartbeat."""
        return hashlib.sha256(self.content).hexdigest()


class Lease:
    """The right to make a stage, held until `release` or the end of a `with` block."""

    def __init__(self, leases: Leases, *, key: str, generation: int, holder: Holder, lock: HostLock) -> None:
        self.key, self.generation, self.token = key, generation, holder.token
        self._leases, self._holder, self._lock = leases, holder, lock
        self._heartbeat = Heartbeat(self._beat, seconds=leases.times.heartbeat_seconds)

    def is_held(self) -> bool:
        """Return whether the storage still names this holder."""
        return self._leases.is_held_by(self.token, key=self.key)

    def release(self) -> None:
        """Release the lease."""
        self._heartbeat.stop()
        try:
            self._leases.write(self._holder.model_copy(update={"held": False}), key=self.key, number=self.generation)
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()

    def _beat(self) -> None:
        self._holder = self._holder.model_copy(update={"beat": self._holder.beat + 1})
        self._leases.write(self._holder, key=self.key, number=self.generation)


class Leases:
    """The leases of a store.

    Args:
        storage: Where they are.
        times: Heartbeat and expiry.
    """

    def __init__(self, storage: Storage, *, times: LeaseTimes) -> None:
        self._storage, self.times = storage, times
        self._observed: dict[str, tuple[bytes, float]] = {}

    def try_lease(self, key: str, *, expired: str | None = None) -> Lease | None:
        """Return the lease of a stage, or None when another holder has it. See `StageStore.try_lease`."""
        lock = self._storage.lock(f"leases/{key}")
        if lock is None:
            return None
        lease = None
        try:
            lease = self._claim(key, lock=lock, expired=expired)
        finally:
            if lease is None:
                lock.release()
        return lease

    def is_free(self, key: str) -> bool:
        """Return whether a lease is free, without taking it."""
        newest = self.newest(key)
        if newest is None or (newest.holder is not None and not newest.holder.held):
            return True
        lock = self._storage.lock(f"leases/{key}")
        if lock is None:
            return False
        try:
            return self._is_free(newest, key=key)
        finally:
            lock.release()

    def expired(self, key: str) -> str | None:
        """Return the fingerprint of a lease that this object has seen without heartbeats for the expiry, or None."""
        newest = self.newest(key)
        if newest is None or newest.holder is None or not newest.holder.held or not self._is_free(newest, key=key):
            return None
        return newest.fingerprint

    def holder(self, key: str) -> Holder | None:
        """Return the holder in the lease's file, or None when the lease was released or never taken."""
        newest = self.newest(key)
        return newest.holder if newest and newest.holder and newest.holder.held else None

    def is_held_by(self, token: str, *, key: str) -> bool:
        """Return whether the newest holder of a lease is the one that a token names."""
        holder = self.holder(key)
        return holder is not None and holder.token == token

    def newest(self, key: str) -> Generation | None:
        """Return the newest generation, or None when the lease was never taken."""
        while names := [
            name for entry in self._storage.entries(f"holders/{key}") if _NUMBERED.search(name := entry.name)
        ]:
            content = self._storage.read(names[-1])
            if content is not None:  # else a newer one has just replaced it
                number = int(names[-1].rsplit("/", 1)[1])
                return Generation(number=number, holder=_parsed(content), content=content)
        return None

    def write(self, holder: Holder, *, key: str, number: int) -> None:
        """Write the file of a holder's generation. Only the holder does this."""
        self._storage.write(_name(key, number), holder.model_dump_json().encode())

    def _claim(self, key: str, *, lock: HostLock, expired: str | None) -> Lease | None:
        newest = self.newest(key)
        if newest is not None and not self._is_free(newest, key=key) and newest.fingerprint != expired:
            return None
        number = newest.number + 1 if newest else 1
        holder = Holder(
            token=uuid.uuid4().hex,
            host=node(),
            machine=this_machine(),
            pid=os.getpid(),
            process=identity(),
            since=time.time(),
        )
        if not self._storage.create(_name(key, number), holder.model_dump_json().encode()):
            return None  # another host was first
        # A holder that was counted as dead can write its old generation once more; that file is removed later.
        for entry in self._storage.entries(f"holders/{key}"):
            if entry.name < _name(key, number):
                self._storage.remove(entry.name)
        return Lease(self, key=key, generation=number, holder=holder, lock=lock)

    def _is_free(self, newest: Generation, *, key: str) -> bool:
        holder = newest.holder
        if holder is not None and not holder.held:
            return True
        if self._storage.locks_hold and holder is not None and holder.machine == this_machine():
            return True  # its lock could be taken, so its process has ended
        if holder is not None and is_known_dead(holder.process):
            return True
        content, since = self._observed.get(key, (b"", 0.0))
        if content != newest.content:
            self._observed[key] = (newest.content, time.monotonic())
            return False
        return time.monotonic() - since > self.times.expiry_seconds


def _name(key: str, number: int) -> str:
    return f"holders/{key}/{number:08d}"


def _parsed(content: bytes) -> Holder | None:
    try:
        return Holder.model_validate_json(content)
    except ValidationError:
        return None

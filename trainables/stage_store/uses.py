"""Records which stages running processes read, so that no other process removes them.

A process that works with stages opens a session. It writes a stage's key to `users/<id>` *before* it looks for the
stage. A process that removes a stage hides the manifest first and reads those files *after*. So in any order, either
the remover sees the use and restores the manifest, or the reader finds no stage and makes it again. A session whose
process died ends by its lock or by its process number on this host, and on other hosts when its file is old by the
storage's own clock.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Generator

from pydantic import ValidationError

from trainables.config.frozen import FrozenModel
from trainables.processes import identity, is_known_dead
from trainables.stage_store.heartbeat import Heartbeat, LeaseTimes, this_machine
from trainables.storage import Entry, HostLock, Storage

_FORGOTTEN_EXPIRIES = 10
"""A session of another host has ended after this many expiry times: to keep a stage too long does no harm."""


class _User(FrozenModel):
    """One session."""

    machine: str
    """Name of its host since the boot."""
    process: str = ""
    """Unique name of its process (`trainables.processes`)."""
    keys: tuple[str, ...]
    """Stages that it uses."""


class Uses:
    """The sessions of a store.

    Args:
        storage: Holds their files.
        times: Heartbeat and expiry.
    """

    def __init__(self, storage: Storage, *, times: LeaseTimes) -> None:
        self._storage, self._times = storage, times
        self._guard = threading.RLock()
        self._sessions = 0
        self._keys: set[str] = set()
        self._id = ""
        self._lock: HostLock | None = None
        self._heartbeat: Heartbeat | None = None

    @contextlib.contextmanager
    def session(self) -> Generator[None]:
        """Protect the stages that are used inside from removal. Sessions can be nested."""
        with self._guard:
            self._sessions += 1
        try:
            yield
        finally:
            self._leave()

    def add(self, key: str) -> None:
        """Mark a stage as used until the session ends; outside a session this does nothing."""
        with self._guard:
            if not self._sessions or key in self._keys:
                return
            self._keys.add(key)
            if self._heartbeat is None:
                self._id = uuid.uuid4().hex
                self._lock = self._storage.lock(f"locks/{self._id}")
                self._write()
                self._heartbeat = Heartbeat(self._write, seconds=self._times.heartbeat_seconds)
            else:
                self._write()

    def in_use(self) -> set[str]:
        """Return the stages that any live session uses. Files of sessions that have ended are removed."""
        used: set[str] = set()
        for entry in self._storage.entries("users"):
            content = self._storage.read(entry.name)
            if content is None:
                continue
            user = _parsed(content)
            if self._has_ended(entry, user=user):
                self._storage.remove(entry.name)
            elif user is not None:
                used.update(user.keys)
        return used

    def _leave(self) -> None:
        with self._guard:
            self._sessions -= 1
            if self._sessions or self._heartbeat is None:
                return
            heartbeat, self._heartbeat = self._heartbeat, None
        heartbeat.stop()  # outside the guard, because a heartbeat takes it
        self._storage.remove(f"users/{self._id}")
        self._storage.remove(f"locks/{self._id}")
        if self._lock is not None:
            self._lock.release()
        self._keys.clear()

    def _write(self) -> None:
        with self._guard:
            user = _User(machine=this_machine(), process=identity(), keys=tuple(sorted(self._keys)))
        self._storage.write(f"users/{self._id}", user.model_dump_json().encode())

    def _has_ended(self, entry: Entry, *, user: _User | None) -> bool:
        if self._storage.locks_hold and user is not None and user.machine == this_machine():
            name = f"locks/{entry.name.rsplit('/', 1)[1]}"
            lock = self._storage.lock(name)
            if lock is None:
                return False
            self._storage.remove(name)
            lock.release()
            return True
        if user is not None and is_known_dead(user.process):
            return True
        return self._storage.now() - entry.modified > _FORGOTTEN_EXPIRIES * self._times.expiry_seconds


def _parsed(content: bytes) -> _User | None:
    try:
        return _User.model_validate_json(content, strict=False)
    except ValidationError:
        return None

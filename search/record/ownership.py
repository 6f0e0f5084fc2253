"""Takes the ownership of a sweep, and keeps it with a heartbeat.

An owner counts as dead without comparing clocks of two hosts: at once if it ran on this host and its process is gone.
Otherwise only if `take_over` was requested and its heartbeat does not change for some time on the watcher's own
monotonic clock. If this is wrong, the old owner only loses its sweep: its late writes are refused.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from dataclasses import dataclass
from typing import Self

from search.errors import FencedError, SearchError, SweepOwnedError
from search.record import owner_rows
from search.record.owner_rows import Owner
from search.record.record import Record
from trainables.processes import is_known_dead

log = logging.getLogger(__name__)

BEAT_SECONDS = 2.0
"""Time between two heartbeats."""
STALE_SECONDS = 20.0
"""Time without a heartbeat after which a sweep can be taken over: ten beats, more than SQLite's usual waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatTimes:
    """The times of an owner's heartbeat."""

    beat_seconds: float = BEAT_SECONDS
    """Time between two heartbeats."""
    stale_seconds: float = STALE_SECONDS
    """Time without a heartbeat after which a sweep can be taken over."""


class Ownership:
    """One process's ownership of a sweep; a context that releases the sweep at its end. Made by `own_sweep`.

    Args:
        record: The record.
        owner: The row that this process has written.
        heartbeat: The times of its heartbeat.
    """

    def __init__(self, record: Record, *, owner: Owner, heartbeat: HeartbeatTimes) -> None:
        self.fence = owner.fence
        """Fencing number of this owner's writes."""
        self.record = record.fenced(owner.sweep, fence=owner.fence)
        """The record, for this owner's writes."""
        self._owner, self._heartbeat = owner, heartbeat
        self._lost: FencedError | None = None
        record.reserve.keep()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_beating, name=f"owner of {owner.sweep}", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def check(self) -> None:
        """Check that this process still owned the sweep at its last heartbeat.

        Raises:
            FencedError: Another process has taken it over.
        """
        if self._lost is not None:
            raise self._lost

    def close(self) -> None:
        """Stop the heartbeat and release the sweep, so that the next driver does not have to wait."""
        self._ended.set()
        self._thread.join()
        self.record.reserve.release()
        with contextlib.suppress(FencedError), self.record.writing_to(self._owner.sweep) as connection:
            owner_rows.release_owner(connection, self._owner)

    def _keep_beating(self) -> None:
        while not self._ended.wait(self._heartbeat.beat_seconds):
            try:
                with self.record.writing_to(self._owner.sweep) as connection:
                    owner_rows.beat(connection, self._owner)
                self.record.reserve.keep()
            except FencedError as error:
                self._lost = error
                return
            except SearchError as error:  # a full disk, a busy database: the next heartbeat may succeed
                log.warning("the heartbeat of sweep %s could not be written: %s", self._owner.sweep, error)


def own_sweep(
    record: Record, sweep: str, *, take_over: bool = False, heartbeat: HeartbeatTimes = HeartbeatTimes()
) -> Ownership:
    """Return this process's new ownership of a sweep: a context with a heartbeat, a fencing number, and a record.

    If the last owner has released the sweep, or its process is gone from this host, this returns at once.

    Args:
        record: The record.
        sweep: Name of the sweep.
        take_over: Whether to watch an owner on another host for `heartbeat.stale_seconds`, and to take the sweep over
            if there was no heartbeat in this time.
        heartbeat: The times of this owner's heartbeat, and how long to watch another owner.

    Raises:
        UnknownSweepError: There is no such sweep.
        SweepOwnedError: It has an owner that is alive, or may be.
    """
    last = record.owner(sweep)
    if last is not None and not _has_ended(last):
        if not take_over:
            raise SweepOwnedError(sweep, host=last.host, process=last.process, is_beating=None)
        _wait_until_stale(record, last, seconds=heartbeat.stale_seconds)
    with record.writing_to(sweep) as connection:
        now = owner_rows.read_owner(connection, sweep)
        if now != last and now is not None:  # another process was faster, or the owner is alive
            raise SweepOwnedError(sweep, host=now.host, process=now.process, is_beating=True)
        owner = owner_rows.put_owner(connection, sweep, token=secrets.token_hex(16))
    return Ownership(record, owner=owner, heartbeat=heartbeat)


def _has_ended(owner: Owner) -> bool:
    return owner.token is None or is_known_dead(owner.process)


def _wait_until_stale(record: Record, owner: Owner, *, seconds: float) -> None:
    """Return when there was no heartbeat of an owner for some seconds, or when the owner has ended.

    Raises:
        SweepOwnedError: There was a heartbeat, or the sweep has a newer owner.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(min(0.2, seconds))
        now = record.owner(owner.sweep)
        if now is None or _has_ended(now):
            return
        if now.beat != owner.beat or now.fence != owner.fence:
            raise SweepOwnedError(owner.sweep, host=now.host, process=now.process, is_beating=True)

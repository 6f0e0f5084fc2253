"""Ownership of a sweep, with its heartbeat.

Whether an owner is dead is judged without trusting clocks: at once when it ran on this host and its process is gone;
otherwise only by watching its beat stand still for a while by the watcher's own monotonic clock, and only when asked to
(`take_over`). A wrong judgement costs the old owner its sweep and nothing else: its late writes are refused.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from search.errors import FencedError, SearchError, SweepOwnedError
from search.record import owning
from search.record.owning import Owner
from trainables.processes import is_known_dead

if TYPE_CHECKING:
    from search.record.record import Record

log = logging.getLogger(__name__)

BEAT_SECONDS = 2.0
"""Time between beats."""
STALE_SECONDS = 20.0
"""How long a beat must stand still before the sweep can be taken over: ten beats, above SQLite's usual waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast owners beat and lose their sweeps."""

    beat_seconds: float = BEAT_SECONDS
    stale_seconds: float = STALE_SECONDS


class Ownership:
    """One process's ownership of a sweep; a context that lets go at its end. Made by `Record.own`.

    Args:
        record: The record.
        owner: The row that this process put there.
        pace: How fast it beats.
    """

    def __init__(self, record: Record, *, owner: Owner, pace: Pace) -> None:
        self.fence = owner.fence
        """Fencing number that the sweep's writes carry."""
        self.record = record.fenced(owner.sweep, fence=owner.fence)
        """The record, for this owner's writes."""
        self._owner, self._pace = owner, pace
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
        """Return while this process owns the sweep, as far as its last beat knows.

        Raises:
            FencedError: Another process has taken it over.
        """
        if self._lost is not None:
            raise self._lost

    def close(self) -> None:
        """Stop beating and let the sweep go, so that the next driver need not wait."""
        self._ended.set()
        self._thread.join()
        self.record.reserve.release()
        with contextlib.suppress(FencedError), self.record.writing_to(self._owner.sweep) as connection:
            owning.let_go(connection, self._owner)

    def _keep_beating(self) -> None:
        while not self._ended.wait(self._pace.beat_seconds):
            try:
                with self.record.writing_to(self._owner.sweep) as connection:
                    owning.beat(connection, self._owner)
                self.record.reserve.keep()
            except FencedError as error:
                self._lost = error
                return
            except SearchError as error:  # a full disk, a busy database: the next beat may get through
                log.warning("the beat of the owner of sweep %s could not be written: %s", self._owner.sweep, error)


def take(record: Record, sweep: str, *, take_over: bool, pace: Pace) -> Ownership:
    """Return this process's new ownership of a sweep.

    Args:
        record: The record.
        sweep: Name of the sweep.
        take_over: Watch an owner of whom nothing is known for `stale_seconds`, and take the sweep when it stands still.
        pace: How fast owners beat.

    Raises:
        UnknownSweepError: There is no such sweep.
        SweepOwnedError: It has an owner that lives, or may live.
    """
    last = record.owner(sweep)
    if last is not None and not _has_let_go(last):
        if not take_over:
            raise SweepOwnedError(sweep, host=last.host, process=last.process, is_beating=None)
        _watch(record, last, seconds=pace.stale_seconds)
    with record.writing_to(sweep) as connection:
        now = owning.read_owner(connection, sweep)
        if now != last and now is not None:  # another process was faster, or it beat after all
            raise SweepOwnedError(sweep, host=now.host, process=now.process, is_beating=True)
        owner = owning.put_owner(connection, sweep, token=secrets.token_hex(16))
    return Ownership(record, owner=owner, pace=pace)


def _has_let_go(owner: Owner) -> bool:
    return owner.token is None or is_known_dead(owner.process)


def _watch(record: Record, owner: Owner, *, seconds: float) -> None:
    """Return when an owner's beat has stood still for so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(min(0.2, seconds))
        now = record.owner(owner.sweep)
        if now is None or _has_let_go(now):
            return
        if now.beat != owner.beat or now.fence != owner.fence:
            raise SweepOwnedError(owner.sweep, host=now.host, process=now.process, is_beating=True)

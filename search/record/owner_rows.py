"""Reads and writes the owner of a sweep: one row per sweep, changed inside the caller's transaction.

Fencing numbers only grow: each new owner takes the next one. Writes under an older number are refused, so an owner that
was believed dead and continues later changes nothing (Kleppmann 2016, "How to do distributed locking").
"""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, select, update

from search.errors import FencedError
from search.record.row_writer import add_event
from search.record.rows import JsonObject
from search.record.schema import owners
from trainables.processes import identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The process that drives, or drove last, a sweep."""

    sweep: str
    fence: int
    """Its fencing number; a later owner has a higher one."""
    token: str | None
    """A secret of the owner; None after it released the sweep."""
    host: str
    process: str
    """The process's identity; see `trainables.processes`."""
    since: float
    """Time at which it became the owner, seconds since 1970."""
    beat: int
    """Heartbeat counter, which grows while the owner is alive. Others watch whether it changes, and ignore clocks."""


def read_owner(connection: Connection, sweep: str) -> Owner | None:
    """Return the sweep's last owner, or None if it never had one."""
    row = connection.execute(select(owners).where(owners.c.sweep == sweep)).mappings().one_or_none()
    return Owner(**row) if row else None


def put_owner(connection: Connection, sweep: str, *, token: str) -> Owner:
    """Make this process the sweep's owner with the next fencing number. The caller has checked the previous owner."""
    last, now = read_owner(connection, sweep), time.time()
    owner = Owner(
        sweep=sweep,
        fence=last.fence + 1 if last else 1,
        token=token,
        host=platform.node(),
        process=identity(),
        since=now,
        beat=0,
    )
    values = asdict(owner)
    mine = owners.c.sweep == sweep
    connection.execute(owners.insert().values(values) if last is None else update(owners).where(mine).values(values))
    payload: JsonObject = {"fence": owner.fence, "host": owner.host, "process": owner.process}
    add_event(connection, sweep, number=None, kind="owned", payload=payload, at=now)
    return owner


def beat(connection: Connection, owner: Owner) -> None:
    """Write a heartbeat of the owner.

    Raises:
        FencedError: The sweep has a newer owner.
    """
    check_fence(connection, owner.sweep, fence=owner.fence)
    connection.execute(update(owners).where(owners.c.sweep == owner.sweep).values(beat=owners.c.beat + 1))


def release_owner(connection: Connection, owner: Owner) -> None:
    """End an ownership. If the sweep was taken over, nothing changes."""
    mine = (owners.c.sweep == owner.sweep, owners.c.fence == owner.fence)
    connection.execute(update(owners).where(*mine).values(token=None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """The fencing number of a record's writes to one sweep."""

    sweep: str
    number: int


def check_fence(connection: Connection, sweep: str, *, fence: int) -> None:
    """Check that a fencing number is the newest one of a sweep.

    Raises:
        FencedError: The sweep has a newer owner.
    """
    owner = read_owner(connection, sweep)
    if owner is not None and owner.fence != fence:
        raise FencedError(sweep, fence=fence, owner_fence=owner.fence, owner=f"{owner.host}, {owner.process}")

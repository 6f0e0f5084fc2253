"""Who drives a sweep: one row a sweep, changed inside the caller's transaction.

A fencing number only grows: each new owner takes the next one. Whoever writes under an older number is refused, so an
owner that was taken for dead, and wakes up, changes nothing (Kleppmann 2016, "How to do distributed locking").
"""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, select, update

from search.errors import FencedError
from search.record.rows import JsonObject
from search.record.schema import owners
from search.record.writing import add_event
from trainables.processes import identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who drives, or drove, a sweep."""

    sweep: str
    fence: int
    """Its fencing number; a later owner has a higher one."""
    token: str | None
    """What only it knows; None after it let go."""
    host: str
    process: str
    """The process's identity; see `processes`."""
    since: float
    beat: int
    """Grows while it lives. Judged by whether it stands still, not by any clock of the owner's."""


def read_owner(connection: Connection, sweep: str) -> Owner | None:
    """Return the sweep's last owner, or None when it never had one."""
    row = connection.execute(select(owners).where(owners.c.sweep == sweep)).mappings().one_or_none()
    return Owner(**row) if row else None


def put_owner(connection: Connection, sweep: str, *, token: str) -> Owner:
    """Make this process the sweep's owner, with the next fencing number; the caller has judged the last one."""
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
    """Show that the owner lives.

    Raises:
        FencedError: It owns the sweep no more.
    """
    check_fence(connection, owner.sweep, fence=owner.fence)
    connection.execute(update(owners).where(owners.c.sweep == owner.sweep).values(beat=owners.c.beat + 1))


def let_go(connection: Connection, owner: Owner) -> None:
    """End an ownership; one that was taken over stays as it is."""
    mine = (owners.c.sweep == owner.sweep, owners.c.fence == owner.fence)
    connection.execute(update(owners).where(*mine).values(token=None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """Under which number a record writes to a sweep."""

    sweep: str
    number: int


def check_fence(connection: Connection, sweep: str, *, fence: int) -> None:
    """Return when nobody has owned the sweep since.

    Raises:
        FencedError: Somebody has.
    """
    owner = read_owner(connection, sweep)
    if owner is not None and owner.fence != fence:
        raise FencedError(sweep, fence=fence, owner_fence=owner.fence, owner=f"{owner.host}, {owner.process}")

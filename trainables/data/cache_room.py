"""Bounds the space of one kind of cached folders: the least recently used ones make room for a new one.

A process that uses a folder holds a shared lock beside it, so a folder in use stays. A folder that another process is
writing counts with the size of its files, which have their full size from the start. One that a killed process has left
half written is removed.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from trainables.data.made_once import SECONDS_BETWEEN_TRIES, take_lock

GIB = 1 << 30

MAX_SHARE_OF_FREE = 0.5
"""Largest share of a disk's free space that a new folder can take."""

PREFIX = "prefix"
"""The kind of cached folders whose space is bounded: vectors above frozen layers."""

_ROOM = "room.lock"


class NoRoomError(Exception):
    """A new folder does not fit; the text says why, and what can be changed."""


def using(folder: Path) -> IO[str]:
    """Keep a folder, which can be missing still, from being removed; closing the returned file ends this.

    Args:
        folder: `<cache>/<kind>/<content key>`.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    file = folder.with_suffix(".use").open("a+")  # NFS gives a shared lock on files that can be read only
    while not take_lock(file.fileno(), shared=True):  # for the moment of a removal
        time.sleep(SECONDS_BETWEEN_TRIES)
    return file


def note_use(folder: Path) -> None:
    """Make a folder the most recently used one."""
    os.utime(folder)


def remove_unused(kind: Path) -> int:
    """Remove all folders that no process uses or writes, and return the bytes that this freed.

    Each can be made again.

    Args:
        kind: `<cache>/<kind>`; it can be missing.

    Raises:
        OSError: The disk cannot be written.
    """
    return _remove_unfinished(kind) + sum(_remove_unless_used(folder) for folder in _folders(kind))


@contextmanager
def room_for(num_bytes: int, *, part: Path, folder: Path, max_bytes: int) -> Generator[None]:
    """Remove folders until a new one fits; inside the context, reserve its space by files of their full size.

    Args:
        num_bytes: Size of the new folder.
        part: Where this process writes it; it holds the lock of the folder.
        folder: Its place: `<cache>/<kind>/<content key>`.
        max_bytes: Largest size of all folders of the kind.

    Raises:
        NoRoomError: It does not fit.
    """
    if num_bytes > max_bytes:
        msg = f"they take {num_bytes / GIB:.3g} GiB, and engine.prefix_cache_gib allows {max_bytes / GIB:.3g}; raise it"
        raise NoRoomError(msg)
    kind = folder.parent
    with (kind / _ROOM).open("a+") as lock:
        while not take_lock(lock.fileno()):
            time.sleep(SECONDS_BETWEEN_TRIES)
        _remove_unfinished(kind, part=part, key=folder.name)
        _remove_oldest(kind, excess=_size(kind) + num_bytes - max_bytes, max_bytes=max_bytes)
        free = shutil.disk_usage(kind).free
        if num_bytes > free * MAX_SHARE_OF_FREE:
            msg = f"they take {num_bytes / GIB:.3g} GiB, more than half of the {free / GIB:.3g} GiB that are free"
            raise NoRoomError(f"{msg} on the disk of {str(kind)!r}; free some of it")
        yield


def _remove_unfinished(kind: Path, *, part: Path | None = None, key: str = "") -> int:
    """Remove what processes that have ended left, and return its bytes.

    Args:
        kind: `<cache>/<kind>`.
        part: What this process writes; None where it writes nothing.
        key: The folder whose lock this process has.
    """
    num_bytes = 0
    for found in kind.glob(".*.part"):
        if part is not None and found.name == part.name:
            continue
        other = found.name.split(".")[1]
        with (kind / f"{other}.lock").open("a+") as lock:
            if other == key or take_lock(lock.fileno()):
                num_bytes += _size(found)
                shutil.rmtree(found, ignore_errors=True)
    return num_bytes


def _remove_oldest(kind: Path, *, excess: int, max_bytes: int) -> None:
    """Remove the least recently used folders that nobody uses, until their sizes reach `excess`.

    Raises:
        NoRoomError: They do not.
    """
    for folder in sorted(_folders(kind), key=_last_use):
        if excess <= 0:
            return
        excess -= _remove_unless_used(folder)
    if excess > 0:
        msg = f"running trials use the {max_bytes / GIB:.3g} GiB that engine.prefix_cache_gib allows; raise it"
        raise NoRoomError(msg)


def _remove_unless_used(folder: Path) -> int:
    """Remove a folder unless a process uses it; return the bytes that this freed."""
    with folder.with_suffix(".use").open("a+") as use:
        if not take_lock(use.fileno()) or not folder.is_dir():
            return 0
        num_bytes = _size(folder)
        # Renamed first: a kill then leaves no half of a folder that looks whole.
        leaving = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.part")
        folder.rename(leaving)
        shutil.rmtree(leaving, ignore_errors=True)
        return num_bytes


def _folders(kind: Path) -> list[Path]:
    return [path for path in kind.glob("[!.]*") if path.is_dir()]


def _last_use(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _size(place: Path) -> int:
    """Return the bytes of a folder; files and folders that another process removes meanwhile do not count."""
    return sum(_file_size(Path(folder, name)) for folder, _, names in os.walk(place) for name in names)


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:  # its process has finished or removed it
        return 0

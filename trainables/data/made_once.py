"""Makes a cached folder once, while other processes that need it wait.

A folder is complete when it exists: it is written under another name, gets its checksums (`sealed_cache`), and is then
renamed. A lock lets one process write while others wait for the same folder; the kernel frees the lock of a process
that dies.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from trainables.data.sealed_cache import check_made, is_whole, write_checksums

SECONDS_BETWEEN_TRIES = 0.2


def making_once(folder: Path, *, write: Callable[[Path], Generator[None]]) -> Generator[None]:
    """Make and publish a folder, unless it exists.

    It yields where `write` yields, around the reading of checksums, and while another process makes the folder, so that
    the caller can send heartbeats.

    Args:
        folder: `<cache>/<kind>/<content key>`.
        write: Writes the folder's files into the folder that it is given.

    Raises:
        OSError: The new folder is damaged: the disk does not keep what is written.
    """
    yield
    if is_whole(folder):
        return
    yield
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        while not take_lock(lock.fileno()):
            yield
            time.sleep(SECONDS_BETWEEN_TRIES)
        if is_whole(folder):  # another process has made it meanwhile
            return
        with _part(folder) as part:
            yield from write(part)
            write_checksums(part, key=folder.name)
            part.rename(folder)
        yield
        check_made(folder)


def take_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Take the lock of an open file without waiting; return whether it was free.

    Args:
        descriptor: Descriptor of the file; closing it frees the lock.
        shared: Whether others can have the same lock, if theirs is shared too.
    """
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _part(folder: Path) -> Generator[Path]:
    part = folder.with_name(f".{folder.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part")
    part.mkdir()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)

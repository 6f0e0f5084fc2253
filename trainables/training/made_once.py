"""Makes a folder of a cache once, whichever process comes first; the others wait for it.

The folder is made under another name and then renamed, so it is complete when it exists; its checksums are checked
before it is used. The kernel frees the lock of a process that dies.
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


def making_once(folder: Path, *, compute: Callable[[Path], Generator[None]]) -> Generator[None]:
    """Compute and publish a folder of a cache, unless it exists.

    It yields after each step of the computation, around the reading of checksums, and while another process computes,
    so that the caller can send heartbeats.

    Args:
        folder: The folder, named by content.
        compute: Writes the files into the folder that it is given, and yields after each part.

    Raises:
        OSError: The new folder is damaged: the disk does not keep what is written.
    """
    yield
    if is_whole(folder):
        return
    yield
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        while not _locked(lock.fileno()):
            yield
            time.sleep(SECONDS_BETWEEN_TRIES)
        if is_whole(folder):  # another process has made it meanwhile
            return
        with _part(folder) as part:
            yield from compute(part)
            write_checksums(part, key=folder.name)
            part.rename(folder)
        yield
        check_made(folder)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _part(folder: Path) -> Generator[Path]:
    part = folder.with_name(f".{folder.name[:16]}.{os.getpid()}.{uuid.uuid4().hex[:8]}.part")
    part.mkdir()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)

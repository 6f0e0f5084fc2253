"""Computes sizes and checksums of files, and hashes an unchanged file only once."""

from __future__ import annotations

import errno
import hashlib
import time
from pathlib import Path

from pydantic import Field

from trainables.config.frozen import FrozenModel

_SETTLED_SECONDS = 2.0
"""A file that changed less than this before its hash can change again within one tick of the disk's clock."""

_known: dict[tuple[int, ...], str] = {}


class FileEntry(FrozenModel):
    """One file of a stage."""

    num_bytes: int = Field(ge=0)
    """Size."""
    sha256: str
    """Checksum, in hexadecimal."""


def file_entry(path: Path, *, again: bool = False) -> FileEntry:
    """Return a file's size and checksum.

    This process hashes a file again only if its size, times or inode differ.

    Args:
        path: The file.
        again: Hash it in any case: a disk can lose bits without an error.
    """
    facts = path.stat()
    # Change time and inode distinguish files whose modification time was set by hand. No path: a stage is renamed.
    identity = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    if again or identity not in _known:
        with path.open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
        if abs(time.time() - facts.st_ctime) < _SETTLED_SECONDS:
            return FileEntry(num_bytes=facts.st_size, sha256=checksum)
        _known[identity] = checksum
    return FileEntry(num_bytes=facts.st_size, sha256=_known[identity])


def is_of_the_disk(error: OSError) -> bool:
    """Return whether an error of reading says that the disk has lost the bytes: the file is damaged."""
    return error.errno in {errno.EIO, getattr(errno, "EUCLEAN", errno.EIO), getattr(errno, "EBADMSG", errno.EIO)}

"""Sizes and checksums of files, without hashing gigabytes again and again."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from pydantic import Field

from trainables.config.frozen import FrozenModel

_SETTLED_SECONDS = 2.0
"""A file changed later than this before it was hashed may change again within one tick of the disk's clock."""

_known: dict[tuple[int, ...], str] = {}


class FileEntry(FrozenModel):
    """One file of a stage."""

    num_bytes: int = Field(ge=0)
    """Size."""
    sha256: str
    """Checksum, in hexadecimal."""


def file_entry(path: Path, *, again: bool = False) -> FileEntry:
    """Return a file's size and checksum.

    What this process has hashed it does not hash again until size, times or place on the disk differ.

    Args:
        path: The file.
        again: Hash it in any case: a disk can lose bits without telling.
    """
    facts = path.stat()
    # Change time and inode tell apart files whose modification time was set by hand. No path: a stage is renamed.
    identity = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    if again or identity not in _known:
        with path.open("rb") as file:
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
        if abs(time.time() - facts.st_ctime) < _SETTLED_SECONDS:
            return FileEntry(num_bytes=facts.st_size, sha256=checksum)
        _known[identity] = checksum
    return FileEntry(num_bytes=facts.st_size, sha256=_known[identity])

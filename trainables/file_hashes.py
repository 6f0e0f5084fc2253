"""The hashes of files that decide keys: each process reads a file once, and again after it changes.

Each plan of a trial needs the hashes of all its data, and data can take gigabytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

MAX_FILES = 4096
"""Largest number of files whose hashes a process keeps."""


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's content.

    Raises:
        OSError: The file cannot be read.
    """
    return _file_hash(path, _version(path))


def hash_of_content(path: Path, *, read: Callable[[Path], bytes]) -> str:
    """Return the SHA-256 of what a function reads from a file, such as its decompressed content.

    Args:
        path: The file.
        read: A function of a module, which always returns the same for the same content.

    Raises:
        OSError: The file cannot be read; also what `read` raises.
    """
    return _hash_of_content(path, _version(path), read)


def _version(path: Path) -> tuple[int, ...]:
    """Return what differs after a file was changed or replaced, also by one with the same size and time."""
    facts = path.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


@lru_cache(maxsize=MAX_FILES)
def _file_hash(path: Path, version: tuple[int, ...]) -> str:
    del version  # it is an argument so that a changed file is read again
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=MAX_FILES)
def _hash_of_content(path: Path, version: tuple[int, ...], read: Callable[[Path], bytes]) -> str:
    del version
    return hashlib.sha256(read(path)).hexdigest()

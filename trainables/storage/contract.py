"""The interface of a storage: whole files by name, and folders of files.

Names are relative paths with slashes. Any number of processes and hosts can use one storage at the same time.
`write` and `create` are atomic: a reader sees the old file, the new one or none, never a part. Of several `create` of
one name exactly one succeeds; leases need only this, so every storage that has it is suitable. `publish` makes a folder
of files readable and writes its last file last: a process that reads that file finds all the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of a storage."""

    name: str
    """Relative path."""
    num_bytes: int
    """Size."""
    modified: float
    """Time of the last write, in seconds since 1970 by the storage's own clock."""


class HostLock(Protocol):
    """A lock between the processes of one host. The kernel frees it when its holder dies for any reason."""

    def release(self) -> None:
        """Release it."""
        ...


class Storage(Protocol):
    """A place for files. Implementations: a folder of a disk, a prefix of a bucket."""

    @property
    def url(self) -> str:
        """Path or URL for `open_storage`."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return a file's content, or None when there is none."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write a file, and replace an existing one."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Write a file unless one of this name exists; return whether it was written."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file if it exists."""
        ...

    def entries(self, folder: str) -> list[Entry]:
        """Return all files below a folder, at any depth, ordered by name. Files that change meanwhile can be missed."""
        ...

    def publish(self, source: Path, *, to: str, part: str, last: str) -> bool:
        """Move a local folder's files here. If `to/last` exists, return False and change no readable file.

        Args:
            source: Folder of files, with `last`; it is gone when True is returned.
            to: Folder in this storage.
            part: Result of `part()`: the subfolder of `to` for all files except `last`.
            last: Name of the file that is written last and makes the folder complete.
        """
        ...

    def part(self) -> str:
        """Return a new folder name for `publish`; empty if a folder moves as a whole and needs none."""
        ...

    def move(self, folder: str, *, to: str, first: str) -> None:
        """Move a folder; the file `first` moves before the others if they cannot move at once."""
        ...

    def remove_folder(self, folder: str) -> None:
        """Remove a folder with all its files."""
        ...

    def local(self, name: str) -> Path | None:
        """Return the local path of a file or folder, or None when it has to be downloaded."""
        ...

    def download(self, name: str, *, to: Path) -> bool:
        """Write a file's content to a local path. Return False when there is no such file."""
        ...

    def lock(self, name: str) -> HostLock | None:
        """Return a lock that this process now holds, or None when another process on this host holds it."""
        ...

    @property
    def locks_hold(self) -> bool:
        """Whether `lock` excludes other processes of this host; if not, it always returns a lock."""
        ...

    def now(self) -> float:
        """Return the time of the clock that `Entry.modified` uses."""
        ...

    def check(self) -> None:
        """Check that the storage can be read and written.

        Raises:
            StoreUnusableError: It cannot be read or written.
        """
        ...

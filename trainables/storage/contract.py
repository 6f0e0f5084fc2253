"""What a storage can do: whole files by name, and folders of them.

Names are relative paths with slashes. Any number of processes of any number of hosts may use one storage at once.
`write` and `create` are atomic: a reader sees the old file, the new one or none, never a part. Of several `create` of
one name exactly one succeeds; this is all that leases are built on, so that every storage that has it will do.
`publish` makes a folder of files readable with its last file last: whoever reads that one finds all the others.
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
    """When it was last written, in seconds since 1970 by the storage's own clock."""


class HostLock(Protocol):
    """A lock between the processes of one host. The kernel frees it when its holder dies, however it dies."""

    def release(self) -> None:
        """Give it back."""
        ...


class Storage(Protocol):
    """A place for files. Implementations: a folder of a disk, a prefix of a bucket."""

    @property
    def url(self) -> str:
        """Path or URL that `open_storage` opens it by."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return a file's content, or None when there is none."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write a file, replacing what is there."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Write a file unless there is one of this name. Return whether it was written."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is removed already."""
        ...

    def entries(self, folder: str) -> list[Entry]:
        """Return all files below a folder, at any depth, ordered by name. Files that come and go may be missed."""
        ...

    def publish(self, source: Path, *, to: str, part: str, last: str) -> bool:
        """Move a local folder's files here. Return False, changing nothing that can be read, when `to/last` exists.

        Args:
            source: Folder of files, `last` among them; used up when True is returned.
            to: Folder here.
            part: What `part()` gave: where below `to` the files but `last` go.
            last: Name of the file that is written last and makes the folder complete.
        """
        ...

    def part(self) -> str:
        """Return a new folder name for `publish`; empty where a folder moves as a whole and needs none."""
        ...

    def move(self, folder: str, *, to: str, first: str) -> None:
        """Move a folder, its file `first` before the others where they cannot be moved at once."""
        ...

    def remove_folder(self, folder: str) -> None:
        """Remove a folder with all it holds."""
        ...

    def local(self, name: str) -> Path | None:
        """Return where a file or folder is on this machine, or None when it has to be downloaded."""
        ...

    def download(self, name: str, *, to: Path) -> bool:
        """Write a file's content to a local path. Return False when there is no such file."""
        ...

    def lock(self, name: str) -> HostLock | None:
        """Return a lock that this process now holds, or None when another holder on this host has it."""
        ...

    @property
    def locks_hold(self) -> bool:
        """Whether `lock` keeps other processes of this host away; otherwise it is always given."""
        ...

    def now(self) -> float:
        """Return the time by the clock that `Entry.modified` is of."""
        ...

    def check(self) -> None:
        """Check that it can be read and written.

        Raises:
            StoreUnusableError: It cannot.
        """
        ...

"""A storage in a folder of a disk, local or shared by several hosts."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import shutil
import tempfile
import uuid
from pathlib import Path

from trainables.errors import StoreUnusableError
from trainables.storage.contract import Entry, HostLock

_PARTIAL = ".partial-"
"""Start of the names of files being written."""


class DiskStorage:
    """A storage in a folder.

    Args:
        root: The folder; `check` makes it.
    """

    locks_hold = True

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        self.url = str(self.root)

    def read(self, name: str) -> bytes | None:
        """Return a file's content, or None when there is none."""
        try:
            return (self.root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except PermissionError as error:
            raise unreadable(self.url, error) from error

    def write(self, name: str, data: bytes) -> None:
        """Write a file, replacing what is there."""
        path = self.root / name
        partial = self._partial(path, data)
        partial.replace(path)
        sync(path.parent)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file unless there is one of this name. Return whether it was written."""
        path = self.root / name
        partial = self._partial(path, data)
        try:
            os.link(partial, path)  # unlike a rename, a link never replaces; exclusive on NFS as well
        except FileExistsError:
            return False
        finally:
            partial.unlink()
        sync(path.parent)
        return True

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is removed already."""
        (self.root / name).unlink(missing_ok=True)

    def entries(self, folder: str) -> list[Entry]:
        """Return all files below a folder, at any depth, ordered by name."""
        found: list[Entry] = []
        try:
            for place, _, names in os.walk(self.root / folder, onerror=_raise_if_closed):
                for name in names:
                    with contextlib.suppress(FileNotFoundError):
                        found += self._entry(Path(place, name))
        except PermissionError as error:
            raise unreadable(self.url, error) from error
        return sorted(found, key=lambda entry: entry.name)

    def publish(self, source: Path, *, to: str, part: str, last: str) -> bool:
        """Move a local folder's files here by one rename. See the contract."""
        del part, last  # a folder moves as a whole
        for path in source.rglob("*"):
            sync(path)
        target = self.root / to
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._rename_in(source, target)
        except OSError as error:
            if error.errno in {errno.EEXIST, errno.ENOTEMPTY}:
                return False
            raise
        sync(target.parent)
        return True

    def part(self) -> str:
        """Return an empty name: a folder moves as a whole."""
        return ""

    def move(self, folder: str, *, to: str, first: str) -> None:
        """Move a folder by one rename."""
        del first
        target = self.root / to
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # another process was first
            (self.root / folder).rename(target)

    def remove_folder(self, folder: str) -> None:
        """Remove a folder with all it holds."""
        shutil.rmtree(self.root / folder, ignore_errors=True)

    def local(self, name: str) -> Path | None:
        """Return where a file or folder is."""
        return self.root / name

    def download(self, name: str, *, to: Path) -> bool:
        """Copy a file to a local path. Return False when there is no such file."""
        try:
            shutil.copyfile(self.root / name, to)
        except FileNotFoundError:
            return False
        return True

    def lock(self, name: str) -> HostLock | None:
        """Return a lock that this process now holds, or None when another holder has it."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return _FileLock(file)

    def now(self) -> float:
        """Return the time by the disk's clock: on a network disk the server's."""
        with tempfile.NamedTemporaryFile(dir=self.root, prefix=_PARTIAL) as file:
            return Path(file.name).stat().st_mtime

    def check(self) -> None:
        """Make the folder where it is missing and write a file.

        Raises:
            StoreUnusableError: It cannot be made or written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self.root, prefix=_PARTIAL):
                pass
        except OSError as error:
            step = "change its rights" if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS} else "free it"
            msg = f"the store {self.url!r} cannot be written ({error.strerror}); {step}, or choose another by --store"
            raise StoreUnusableError(msg) from error

    def _entry(self, path: Path) -> list[Entry]:
        if path.name.startswith(_PARTIAL):
            return []
        facts = path.stat()
        name = str(path.relative_to(self.root))
        return [Entry(name=name, num_bytes=facts.st_size, modified=facts.st_mtime)]

    def _partial(self, path: Path, data: bytes) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.parent / f"{_PARTIAL}{uuid.uuid4().hex}"
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            partial.unlink(missing_ok=True)  # a full disk: what fits of it would stay
            raise
        return partial

    def _rename_in(self, source: Path, target: Path) -> None:
        try:
            source.rename(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            beside = target.parent / f"{_PARTIAL}{uuid.uuid4().hex}"
            shutil.copytree(source, beside, copy_function=_copy_and_sync)
            try:
                beside.rename(target)
            except OSError:
                shutil.rmtree(beside, ignore_errors=True)
                raise
            shutil.rmtree(source, ignore_errors=True)


class _FileLock:
    """An advisory lock on an open file."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        self._file = file

    def release(self) -> None:
        """Give it back."""
        self._file.close()


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of files, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _raise_if_closed(error: OSError) -> None:
    """Refuse a folder that may not be listed: a store that seems empty would be called whole."""
    if isinstance(error, PermissionError):
        raise error


def unreadable(url: str, error: OSError) -> StoreUnusableError:
    """Return what is said where a file or folder of a store may not be read."""
    return StoreUnusableError(
        f"the store {url!r} cannot be read: {str(error.filename)!r} ({error.strerror}); this user must be allowed to "
        "read its files and to enter its folders: change their rights, or choose another by --store"
    )


def why_not_writable(folder: Path) -> str | None:
    """Return why a folder cannot be made or written in, or None when it can. Leaves nothing behind."""
    nearest = folder
    try:
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
        if not nearest.is_dir():
            return f"{str(nearest)!r} is a file"
        # Trying says more than the permission bits: root may write everywhere but on a read-only or special disk.
        with tempfile.TemporaryFile(dir=nearest):
            return None
    except OSError as error:
        return f"{str(nearest)!r} cannot be written ({error.strerror})"


def _copy_and_sync(source: str, target: str) -> str:
    shutil.copyfile(source, target)
    sync(Path(target))
    return target

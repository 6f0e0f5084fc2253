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
from collections.abc import Generator
from pathlib import Path

from trainables.errors import StoreUnusableError
from trainables.names import expanded, path_below, problem_of_name
from trainables.storage.contract import Entry, HostLock

_PARTIAL = ".partial-"
"""Prefix of the names of files that are being written."""


class DiskStorage:
    """A storage in a folder.

    Args:
        root: The folder; `check` makes it.
    """

    locks_hold = True

    def __init__(self, root: Path) -> None:
        self.root = expanded(root, what="the store").absolute()
        self.url = str(self.root)

    def read(self, name: str) -> bytes | None:
        """Return a file's content, or None when there is none."""
        try:
            return self._path(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except PermissionError as error:
            raise unreadable(self.url, error) from error

    def write(self, name: str, data: bytes) -> None:
        """Write a file, and replace an existing one."""
        path = self._path(name)
        partial = self._partial(path, data)
        with _judged_by_inode(partial, path):
            partial.replace(path)
        sync(path.parent)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file unless one of this name exists; return whether it was written."""
        path = self._path(name)
        partial = self._partial(path, data)
        try:
            with _judged_by_inode(partial, path):
                os.link(partial, path)  # unlike a rename, a link never replaces a file; also exclusive on NFS
        except FileExistsError:
            return False
        finally:
            partial.unlink()
        sync(path.parent)
        return True

    def remove(self, name: str) -> None:
        """Remove a file if it exists."""
        self._path(name).unlink(missing_ok=True)

    def entries(self, folder: str) -> list[Entry]:
        """Return all files below a folder, at any depth, ordered by name."""
        found: list[Entry] = []
        try:
            for place, folders, names in os.walk(self._path(folder), onerror=_raise_if_not_permitted):
                folders[:] = [one for one in folders if not one.startswith(".")]
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
        target = self._path(to)
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
        target = self._path(to)
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # another process was first
            self._path(folder).rename(target)

    def remove_folder(self, folder: str) -> None:
        """Remove a folder with all its files."""
        shutil.rmtree(self._path(folder), ignore_errors=True)

    def local(self, name: str) -> Path | None:
        """Return the path of a file or folder."""
        return self._path(name)

    def download(self, name: str, *, to: Path) -> bool:
        """Copy a file to a local path. Return False when there is no such file."""
        try:
            shutil.copyfile(self._path(name), to)
        except FileNotFoundError:
            return False
        return True

    def lock(self, name: str) -> HostLock | None:
        """Return a lock that this process now holds, or None when another process holds it."""
        path = self._path(name)
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
        """Make the folder if it is missing, and write a file.

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

    def _path(self, name: str) -> Path:
        """Return where a file or folder is; the empty name is the root.

        Raises:
            UnsafeNameError: The name leads out of the storage.
        """
        return path_below(self.root, name, where=f"the store {self.url!r}") if name else self.root

    def _entry(self, path: Path) -> list[Entry]:
        if path.name.startswith("."):  # being written, or of another program: `.DS_Store`, `.nfs...`, `.snapshot`
            return []
        name = str(path.relative_to(self.root))
        if problem_of_name(name) is not None:  # nobody's of ours either, such as `Icon\\r`
            return []
        facts = path.stat()
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
            partial.unlink(missing_ok=True)  # on a full disk a part of the file would stay
            raise
        return partial

    def _rename_in(self, source: Path, target: Path) -> None:
        try:
            with _judged_by_inode(source, target):
                source.rename(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            beside = target.parent / f"{_PARTIAL}{uuid.uuid4().hex}"
            shutil.copytree(source, beside, copy_function=_copy_and_sync)
            try:
                with _judged_by_inode(beside, target):
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
        """Release it."""
        self._file.close()


@contextlib.contextmanager
def _judged_by_inode(source: Path, target: Path) -> Generator[None]:
    """Take a rename or link that failed for done where the target is what the source was.

    NFS can lose the answer to what it did. Its client asks again, and the second answer is that the target exists, that
    the source is gone, or that the time is up.
    """
    before = source.stat()
    try:
        yield
    except OSError:
        with contextlib.suppress(OSError):
            after = target.stat()
            if (after.st_dev, after.st_ino) == (before.st_dev, before.st_ino):
                return
        raise


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of files, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _raise_if_not_permitted(error: OSError) -> None:
    """Raise for a folder that this user cannot list: otherwise the store would seem empty."""
    if isinstance(error, PermissionError):
        raise error


def unreadable(url: str, error: OSError) -> StoreUnusableError:
    """Return the error for a file or folder of a store that this user has no right to read."""
    return StoreUnusableError(
        f"the store {url!r} cannot be read: {str(error.filename)!r} ({error.strerror}); this user must be allowed to "
        "read its files and to enter its folders: change their rights, or choose another by --store"
    )


def why_not_writable(folder: Path) -> str | None:
    """Return why a folder cannot be made or written, or None when it can. It leaves no files."""
    nearest = folder
    try:
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
        if not nearest.is_dir():
            return f"{str(nearest)!r} is a file"
        # A real file shows more than the permission bits: root can write everywhere except on a read-only disk.
        with tempfile.TemporaryFile(dir=nearest):
            return None
    except OSError as error:
        return f"{str(nearest)!r} cannot be written ({error.strerror})"


def _copy_and_sync(source: str, target: str) -> str:
    shutil.copyfile(source, target)
    sync(Path(target))
    return target

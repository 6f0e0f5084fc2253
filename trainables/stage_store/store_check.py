"""Checks whether a store could be used, without making anything."""

from __future__ import annotations

from pathlib import Path

from trainables.errors import StoreUnusableError
from trainables.storage import is_remote, open_storage, unreadable, why_not_writable

_FOLDERS = ("", "stages", "work", "leases", "damaged", "checkpoints", "holders", "users", "locks", "cache", "shared")


def check_store(place: str | Path) -> None:
    """Check that a store can be made or written in a folder, or that a bucket can be reached.

    Raises:
        StoreUnusableError: It cannot.
    """
    storage = open_storage(place)
    root = storage.local("")
    if root is None:
        storage.check()
        return
    for name in _FOLDERS:
        if problem := why_not_writable(root / name):
            msg = f"the store {storage.url!r} cannot be used: {problem}; free it, or choose another by --store"
            raise StoreUnusableError(msg)


def is_there(place: str | Path) -> bool:
    """Return whether there can be a store at a place. Call it before opening, because that makes the store.

    Raises:
        StoreUnusableError: The place is a file, or this user has no right to read it.
    """
    if is_remote(str(place)):
        return True
    storage = open_storage(place)
    root = storage.local("")
    try:
        if root is None or root.is_dir():
            return True
        if root.exists():
            msg = f"the store {storage.url!r} is a file; name the folder of a store by --store"
            raise StoreUnusableError(msg)
    except PermissionError as error:
        raise unreadable(storage.url, error) from error
    except OSError as error:  # a name that is too long, a disk that fails
        msg = f"the store {storage.url!r} cannot be used ({error.strerror}); choose another by --store"
        raise StoreUnusableError(msg) from error
    return False

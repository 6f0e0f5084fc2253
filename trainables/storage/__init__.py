"""Files by name, on a disk or in a bucket: the one door to object stores."""

from trainables.storage.contract import Entry, HostLock, Storage
from trainables.storage.disk import DiskStorage, unreadable, why_not_writable
from trainables.storage.opening import is_remote, open_storage

__all__ = ["DiskStorage", "Entry", "HostLock", "Storage", "is_remote", "open_storage", "unreadable", "why_not_writable"]

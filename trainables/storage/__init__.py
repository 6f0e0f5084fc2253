"""Reads and writes files by name, on a disk or in a bucket. The only package that uses object stores."""

from trainables.storage.addresses import is_remote, open_storage
from trainables.storage.contract import Entry, HostLock, Storage
from trainables.storage.disk import DiskStorage, unreadable, why_not_writable

__all__ = ["DiskStorage", "Entry", "HostLock", "Storage", "is_remote", "open_storage", "unreadable", "why_not_writable"]

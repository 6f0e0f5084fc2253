"""Opens the storage that a path or URL names."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from trainables.errors import StoreUnusableError
from trainables.storage.contract import Storage
from trainables.storage.disk import DiskStorage


def is_remote(place: str) -> bool:
    """Return whether a store's place is a bucket."""
    return "://" in place and not place.startswith("file://")


def open_storage(place: str | Path) -> Storage:
    """Return the storage at a path, a `file://` URL or an `s3://bucket/prefix` URL.

    Raises:
        StoreUnusableError: The URL has another scheme.
    """
    text = str(place)
    if not is_remote(text):
        return DiskStorage(Path(unquote(urlsplit(text).path) if text.startswith("file://") else text))
    if text.startswith("s3://"):
        from trainables.storage.bucket import BucketStorage

        return BucketStorage(text)
    msg = f"the store {text!r} is of an unknown kind; give a folder's path, or s3://BUCKET/PREFIX, by --store"
    raise StoreUnusableError(msg)

"""The local folders of a store."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from trainables.errors import StoreUnusableError
from trainables.storage import why_not_writable

_FOLDERS = ("stages", "work", "leases", "damaged")


def cache_folder(url: str, *, cache: Path | None, read_only: bool) -> Path:
    """Return the local folder for the downloads and the scratch of a bucket."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xstilts"
    folder = (cache or user).absolute() / hashlib.sha256(url.encode()).hexdigest()[:16]
    if not read_only or why_not_writable(folder) is None:
        return folder
    scratch = Path(tempfile.mkdtemp(prefix="xstilts-downloads-"))
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    return scratch


def make_folders(root: Path, *, url: str) -> None:
    """Make the folders of a store.

    Raises:
        StoreUnusableError: They cannot be made.
    """
    try:
        for name in _FOLDERS:
            (root / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the store {url!r} cannot use the folder {str(root)!r} ({error.strerror}); choose another by --store"
        raise StoreUnusableError(msg) from error

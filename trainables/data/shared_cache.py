"""The folder of encoded data that the stores of a machine can share (`XSTILTS_CACHE`).

Encoded splits, features of images and vectors of a teacher are named by their content, so that they serve every store.
Each store keeps its own by default.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from trainables.errors import UnavailableError
from trainables.names import expanded

VARIABLE = "XSTILTS_CACHE"

SharedKind = Literal["encoded", "vision", "teacher"]
"""Kinds of cached folders that stores can share."""


def named_cache() -> Path | None:
    """Return the folder that `XSTILTS_CACHE` names, which may be missing; None if the variable is not set.

    Raises:
        InputError: The variable holds no path.
    """
    value = os.environ.get(VARIABLE, "")
    return expanded(value, what=VARIABLE).absolute() if value else None


def shared_cache() -> Path | None:
    """Return the folder that `XSTILTS_CACHE` names, made if it is missing; None if the variable is not set.

    Raises:
        InputError: The variable holds no path.
        UnavailableError: The folder cannot be made or written.
    """
    folder = named_cache()
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        problem = None if os.access(folder, os.W_OK | os.X_OK) else "it cannot be written"
    except OSError as error:
        problem = error.strerror or str(error)
    if problem is not None:
        msg = (
            f"the folder of encoded data cannot be used: {VARIABLE} is {str(folder)!r} ({problem}); name another "
            "folder, or unset the variable: each store then keeps its own"
        )
        raise UnavailableError(msg)
    return folder


def cached_kind(kind: SharedKind, *, cache: Path) -> Path:
    """Return the folder that holds a kind's cached folders: in `XSTILTS_CACHE` where it is set.

    Args:
        kind: What is cached.
        cache: The store's own cache.

    Raises:
        UnavailableError: `XSTILTS_CACHE` names a folder that cannot be used.
    """
    return (shared_cache() or cache) / kind

"""Imports Ray's modules for clusters, with token authentication switched on.

Ray reads its environment variables when it is imported, so the other modules of this package import Ray only from here.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import secrets
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any  # Ray's modules carry no types

from search.errors import InputError
from trainables.names import expanded


def token_file() -> Path:
    """Return the file of the cluster's token, at the place where Ray looks for it."""
    return expanded(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token", what="RAY_AUTH_TOKEN_PATH")


def make_token() -> Path:
    """Return the file of the cluster's token; if there is none, create it so that only its owner can read it."""
    path = token_file()
    with contextlib.suppress(FileExistsError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    return path


def ray_module(name: str) -> Any:
    """Return one of Ray's modules.

    Raises:
        InputError: Ray's packages for clusters are not installed.
    """
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        msg = f"{error.name} is not installed, and clusters need it; install it: pip install 'xstilts[cluster]'"
        raise InputError(msg) from None


@contextlib.contextmanager
def stdout_to_stderr() -> Generator[None]:
    """Redirect stdout to stderr while the block runs: Ray and its ssh print to stdout, which is for results."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)

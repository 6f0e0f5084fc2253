"""The door to Ray's cluster parts: its modules, imported with token authentication on.

Ray reads its environment when it is imported, so nobody else here imports it.
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


def token_file() -> Path:
    """Return the file that holds the cluster's token, as Ray finds it too."""
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()


def make_token() -> Path:
    """Return the file of the token; makes one, readable by its owner alone, where there is none."""
    path = token_file()
    with contextlib.suppress(FileExistsError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    return path


def ray_module(name: str) -> Any:
    """Return one of Ray's modules.

    Raises:
        InputError: Ray's cluster parts are not installed.
    """
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        msg = f"{error.name} is missing, which clusters need; install it with: pip install 'xstilts[cluster]'"
        raise InputError(msg) from None


@contextlib.contextmanager
def chatter_to_stderr() -> Generator[None]:
    """Send what Ray and its ssh print to stderr meanwhile: stdout is for results."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)

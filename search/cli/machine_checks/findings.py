"""The result of one check of `xstilts doctor`, and the child processes that checks run in."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec

from pydantic import Field

from trainables.config.frozen import FrozenModel

IMPORT_SECONDS = 120
"""Time limit of a child process that imports a library, in seconds; a busy machine needs much of it."""


class Finding(FrozenModel):
    """The result of one check."""

    what: str
    """Name of the check."""
    works: bool
    """Whether a search can use what was checked."""
    said: str
    """What was found, with the next step where it does not work."""
    numbers: dict[str, float] = Field(default_factory=dict[str, float])
    """Name with its unit -> measured value."""


def in_child(code: str, *, seconds: float = IMPORT_SECONDS) -> subprocess.CompletedProcess[str] | str:
    """Run Python code in a child process; return the ended process, or in one line why it failed.

    Args:
        code: Python code.
        seconds: Time limit in seconds.
    """
    command = [sys.executable, "-c", code]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)  # noqa: S603  our own code
    except subprocess.TimeoutExpired:
        return f"no answer in {seconds:g} s"
    return ended if ended.returncode == 0 else describe_failure(ended)


def describe_failure(process: subprocess.CompletedProcess[str]) -> str:
    """Return in one line how a process failed: the signal, or the last line of its standard error."""
    if process.returncode < 0:
        return f"its process ended by {signal.Signals(-process.returncode).name}"
    return (process.stderr.strip().splitlines() or [f"exit code {process.returncode}"])[-1]


def versions_of(packages: tuple[str, ...]) -> str:
    """Return the versions of packages in one line, with `not installed` for a missing package."""
    return ", ".join(f"{name} {_version(name)}" for name in packages)


def is_installed(package: str) -> bool:
    """Return whether a package is installed."""
    return find_spec(package) is not None


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"

"""What doctor says of one thing that it looked at, and the processes in which it looks."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec

from pydantic import Field

from trainables.config.frozen import FrozenModel

IMPORT_SECONDS = 120
"""How long a child process may take that imports a vendor, on a machine that may be busy."""


class Finding(FrozenModel):
    """One thing that was checked."""

    what: str
    """Name of the check."""
    works: bool
    """Whether a search can go on with it."""
    said: str
    """What was found, and the next step where it does not work."""
    numbers: dict[str, float] = Field(default_factory=dict[str, float])
    """What was measured, with its unit in the name."""


def in_child(code: str, *, seconds: float = IMPORT_SECONDS) -> subprocess.CompletedProcess[str] | str:
    """Return the ended child, or in one line why it failed.

    Args:
        code: Python that the child runs.
        seconds: How long it may take.
    """
    command = [sys.executable, "-c", code]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)  # noqa: S603  our own code
    except subprocess.TimeoutExpired:
        return f"no answer in {seconds:g} s"
    return ended if ended.returncode == 0 else how_it_ended(ended)


def how_it_ended(process: subprocess.CompletedProcess[str]) -> str:
    """Return in one line how a process failed: by which signal, or what it said last."""
    if process.returncode < 0:
        return f"its process ended by {signal.Signals(-process.returncode).name}"
    return (process.stderr.strip().splitlines() or [f"exit code {process.returncode}"])[-1]


def versions_of(packages: tuple[str, ...]) -> str:
    """Return the versions of packages in a line; one that is missing is said to be."""
    return ", ".join(f"{name} {_version(name)}" for name in packages)


def is_installed(package: str) -> bool:
    """Return whether a package is here."""
    return find_spec(package) is not None


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"

"""Ray clusters of this machine alone, each in a process of its own, which ends when its standard input closes."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import IO, Any

from tests.end_to_end.drivers import SECONDS, environment

LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Has Ray take loopback for every host's address, which it does by default on other systems."""


@contextlib.contextmanager
def running_cluster(module: str, *words: str, folder: Path) -> Generator[tuple[dict[str, Any], IO[str]]]:
    """Run a module that starts a cluster, and give what it says of it: its first line, and the others as they come.

    Args:
        module: Name of the module in this folder; it writes JSON, one line each.
        words: Arguments of the module.
        folder: The home of its process.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.end_to_end.{module}", *words],
        cwd=Path(__file__).parents[2],
        env=environment(folder) | LOOPBACK,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline()), process.stdout
    finally:
        process.stdin.close()
        process.wait(SECONDS)

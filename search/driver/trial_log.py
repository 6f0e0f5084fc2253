"""Writes a trial's log: details of a failure that its message does not hold."""

from __future__ import annotations

import contextlib
import datetime as dt
from pathlib import Path


def add_to_log(path: Path, *, title: str, text: str) -> None:
    """Append an entry to a trial's log. If the disk cannot be written, the entry is dropped and nothing is raised.

    Args:
        path: The file; its folder is created if it is missing.
        title: What happened, in one line.
        text: The details.
    """
    now = dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(f"{now} {title}\n{text.rstrip()}\n\n")

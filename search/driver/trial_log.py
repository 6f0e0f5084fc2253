"""A trial's log: what is worth knowing of a failure beyond its message."""

from __future__ import annotations

import contextlib
import datetime as dt
from pathlib import Path


def add_to_log(path: Path, *, title: str, text: str) -> None:
    """Append to a trial's log; a disk that cannot take it loses the log and nothing else.

    Args:
        path: The file; its folder is made.
        title: What happened, in a line.
        text: The rest.
    """
    now = dt.datetime.now(tz=dt.UTC).isoformat(timespec="seconds")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(f"{now} {title}\n{text.rstrip()}\n\n")

"""Reports the progress of a running trial. A lost report has no effect on the trial."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from trainables.config.frozen import FrozenModel
from trainables.results import Phase


class Progress(FrozenModel):
    """Progress of a trial in its current phase."""

    phase: Phase
    step: int
    """Steps done (training) or items scored (evaluation)."""
    num_steps: int
    """Steps or items of the whole phase."""
    loss: float | None = None
    """Mean training loss since the last report."""
    seconds_left: float | None = None
    """Estimate for the rest of this phase, from its speed so far."""


class ProgressSink(Protocol):
    """Receives progress, at most a few times a second. It must not raise and must not block."""

    def __call__(self, progress: Progress, /) -> None:
        """Receive one report."""
        ...


def ignore_progress(progress: Progress, /) -> None:
    """Ignore a report."""


class ProgressFile:
    """Keeps the newest report in one JSON file, replaced atomically.

    Args:
        path: The file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)

    def __call__(self, progress: Progress, /) -> None:
        """Write one report; on a full or read-only disk the report is lost, and the trial continues."""
        part = self.path.with_suffix(f".{os.getpid()}.part")
        try:
            part.write_text(progress.model_dump_json())
            part.replace(self.path)
        except OSError:
            return

    def read(self) -> Progress | None:
        """Return the newest report, or None when there is none."""
        try:
            return Progress.model_validate_json(self.path.read_text())
        except (OSError, ValueError):
            return None

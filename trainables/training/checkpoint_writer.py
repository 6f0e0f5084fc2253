"""Checkpoints inside a stage: when one is due, and writing it while training goes on.

Rank 0 leaves each in a folder of its own under `places.checkpoints`, named by its step and complete once it has that
name. The trial's process, which holds the stage's lease, moves them into the store (`trials/checkpoint_keeper.py`);
it asks for a last one, and the end of training, by the file `stop`.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError

if TYPE_CHECKING:
    from trainables.training.training_state import TrainingState

log = logging.getLogger(__name__)

STOP = "stop"
"""Name of the file that asks the ranks to leave a checkpoint and to stop."""

GO_ON, KEEP, STOP_NOW = 0.0, 1.0, 2.0
"""What rank 0 wishes after a step: nothing, a checkpoint, or a checkpoint and the end."""


class CheckpointWriter:
    """Rank 0's side of it.

    Args:
        folder: Where checkpoints are left, or None for no checkpoints.
        seconds: Time from one to the next.
    """

    def __init__(self, folder: Path | None, *, seconds: float) -> None:
        self._folder, self._seconds = folder, seconds
        self._last = time.monotonic()
        self._thread: threading.Thread | None = None

    def wish(self) -> float:
        """Return what should happen after this step."""
        if self._folder is None:
            return GO_ON
        if (self._folder / STOP).exists():
            return STOP_NOW
        is_busy = self._thread is not None and self._thread.is_alive()
        return KEEP if not is_busy and time.monotonic() - self._last >= self._seconds else GO_ON

    def write(self, state: TrainingState, *, wait: bool) -> None:
        """Write a checkpoint in the background; with `wait`, return when it is there.

        One that cannot be written in the background is named in a warning: training goes on without it.

        Raises:
            OSError, SafetensorError: It was to be waited for, and could not be written.
        """
        self.finish()
        self._last = time.monotonic()
        if wait:
            self._publish(state)
            return
        self._thread = threading.Thread(target=self._publish_or_warn, args=(state,), daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Return when nothing is being written any more."""
        if self._thread is not None:
            self._thread.join()

    def _publish_or_warn(self, state: TrainingState) -> None:
        try:
            self._publish(state)
        except (OSError, SafetensorError) as error:
            log.warning("a checkpoint at step %d could not be written (%s); training goes on", state.step, error)

    def _publish(self, state: TrainingState) -> None:
        from trainables.training.training_state import (
            write_state,  # needs torch, which the trial's process does without
        )

        assert self._folder is not None  # noqa: S101  (else nothing is ever wished)
        part = self._folder / f".{state.step:09d}.part"
        part.mkdir(parents=True, exist_ok=True)
        write_state(state, part)
        part.rename(self._folder / f"{state.step:09d}")

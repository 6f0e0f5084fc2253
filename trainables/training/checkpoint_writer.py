"""Decides when a checkpoint inside a stage is due, and writes it while training continues.

Rank 0 writes each into its own folder under `places.checkpoints`. The folder gets its name, the step, when it is
complete. The trial's process holds the stage's lease and moves the folders into the store
(`trials/checkpoint_keeper.py`). It requests a last checkpoint and the end of training by the file `stop`.
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
"""Name of the file that requests a last checkpoint and the end of training."""

CONTINUE, CHECKPOINT, STOP_NOW = 0.0, 1.0, 2.0
"""Rank 0's request after a step: nothing, a checkpoint, or a checkpoint and the end."""


USUAL_SECONDS = 180.0
"""Time between two checkpoints where they are cheap."""

LARGEST_SHARE = 0.02
"""Largest share of the training time that checkpoints take where the time between them is not given."""


class CheckpointWriter:
    """Writes the checkpoints of rank 0.

    A checkpoint costs the time in which training stands still while the state is copied, and the processor time of the
    thread that writes it, which training on the CPU goes without.

    Args:
        folder: Folder for checkpoints, or None for no checkpoints.
        seconds: Time between two checkpoints; None: 180 s, or longer where they would take more than 2 % of the time.
    """

    def __init__(self, folder: Path | None, *, seconds: float | None) -> None:
        self._folder, self._seconds = folder, seconds
        self._last = time.monotonic()
        self._thread: threading.Thread | None = None
        self.cost = 0.0
        """Cost of the last checkpoint in seconds; of one that is being written, what is known of it."""

    @property
    def seconds(self) -> float:
        """Time between two checkpoints, in seconds."""
        return self._seconds if self._seconds is not None else max(USUAL_SECONDS, self.cost / LARGEST_SHARE)

    def request(self) -> float:
        """Return the request after this step: CONTINUE, CHECKPOINT or STOP_NOW."""
        if self._folder is None:
            return CONTINUE
        if (self._folder / STOP).exists():
            return STOP_NOW
        is_busy = self._thread is not None and self._thread.is_alive()
        return CHECKPOINT if not is_busy and time.monotonic() - self._last >= self.seconds else CONTINUE

    def write(self, state: TrainingState, *, wait: bool, copy_seconds: float = 0.0) -> None:
        """Write a checkpoint in the background; with `wait`, return when it is complete.

        If a write in the background fails, a warning names the checkpoint, and training continues.

        Args:
            state: A copy of the state.
            wait: Whether to return when it is written.
            copy_seconds: How long training stood still for the copy.

        Raises:
            OSError, SafetensorError: With `wait`, the checkpoint could not be written.
        """
        self.finish()
        self._last, self.cost = time.monotonic(), copy_seconds
        if wait:
            self._publish(state)
            return
        self._thread = threading.Thread(target=self._publish_or_warn, args=(state,), daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait for the write in the background."""
        if self._thread is not None:
            self._thread.join()

    def _publish_or_warn(self, state: TrainingState) -> None:
        try:
            self._publish(state)
        except (OSError, SafetensorError) as error:
            log.warning("a checkpoint at step %d could not be written (%s); training continues", state.step, error)
        finally:
            self.cost += time.thread_time()

    def _publish(self, state: TrainingState) -> None:
        from trainables.training.training_state import (
            write_state,  # needs torch, which the trial's process does without
        )

        assert self._folder is not None  # noqa: S101  (otherwise no checkpoint is requested)
        part = self._folder / f".{state.step:09d}.part"
        part.mkdir(parents=True, exist_ok=True)
        write_state(state, part)
        part.rename(self._folder / f"{state.step:09d}")

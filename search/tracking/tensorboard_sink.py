"""Writes a TensorBoard run for each trial while it runs: losses by step, scores by rung, and parameters as text."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from search.tracking.messages import Message
from search.tracking.sink import SinkPlace
from search.tracking.trial_updates import TrialUpdate, update_of

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

MAX_OPEN = 16
"""Runs whose files are open at the same time; the least recently used one is closed."""


class TensorBoardSink:
    """See the module. A run that is continued gets another file, which TensorBoard shows as the same run.

    Args:
        place: The sweep, and the folder of its runs.
    """

    def __init__(self, place: SinkPlace) -> None:
        self._make = _writer_class()
        self._folder = Path(place.target) / place.sweep
        self._writers: dict[int, SummaryWriter] = {}

    def send(self, messages: Sequence[Message], /) -> None:
        """Write messages, and flush the files."""
        written: set[int] = set()
        for message in messages:
            update = update_of(message)
            if update is not None:
                self._write(update)
                written.add(update.trial)
        for trial in written & self._writers.keys():
            self._writers[trial].flush()

    def close(self) -> None:
        """Close all files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _write(self, update: TrialUpdate) -> None:
        writer = self._writer(update.trial)
        for metric in update.metrics:
            writer.add_scalar(metric.name, metric.value, global_step=metric.step, walltime=metric.time)
        if update.parameters:
            lines = "\n".join(f"- {name}: {value}" for name, value in update.parameters.items())
            writer.add_text("parameters", lines, walltime=update.time)
        if update.ended:
            writer.close()
            del self._writers[update.trial]

    def _writer(self, trial: int) -> SummaryWriter:
        writer = self._writers.pop(trial, None)
        if writer is None:
            # Names of files have seconds only: without a suffix, a file that is made again at once would be replaced.
            folder, suffix = str(self._folder / f"trial-{trial:05}"), f".{uuid.uuid4().hex[:8]}"
            writer = self._make(folder, filename_suffix=suffix)
        self._writers[trial] = writer  # the last one is the most recently used
        while len(self._writers) > MAX_OPEN:
            oldest = next(iter(self._writers))
            self._writers.pop(oldest).close()
        return writer


def _writer_class() -> type[SummaryWriter]:
    """Return tensorboardX's writer, without importing torch.

    tensorboardX imports torch wherever it is installed, to write tensors. Here it writes numbers and text, and torch
    would be most of what the tracking process costs: seconds, and hundreds of MB.
    """
    is_hidden = "torch" not in sys.modules
    if is_hidden:
        sys.modules["torch"] = None  # pyright: ignore[reportArgumentType]  as Python documents it: not importable
    try:
        from tensorboardX import SummaryWriter
    finally:
        if is_hidden:
            del sys.modules["torch"]
    return SummaryWriter

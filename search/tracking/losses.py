"""Collects the losses of running trials from their progress files, and keeps them until every sink has them.

Losses are no events of the record: there are many, and the record must not grow with them. They are kept in a file of
one message a line, which only grows. A line without its end belongs to a process that was killed, and is left out.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from pydantic import ValidationError

from search.live_view import read_progress
from search.tracking.messages import LOSS, Message

_MAX_BYTES = 1 << 20
"""Bytes that are read at a time."""


class LossCollector:
    """Appends each new report of a running trial to the file of losses.

    Args:
        sweep: Name of the sweep.
        progress: Folder with a progress file for each running trial.
        file: The file of losses.
    """

    def __init__(self, sweep: str, *, progress: Path, file: Path) -> None:
        self._sweep, self._progress, self._file = sweep, progress, file
        self._last: dict[int, tuple[str, int]] = {}
        file.parent.mkdir(parents=True, exist_ok=True)
        size = file.stat().st_size if file.exists() else 0
        self._next = size
        if size and not file.read_bytes().endswith(b"\n"):
            self._append("\n")

    def collect(self) -> int:
        """Append what is new, and return how much; on a full disk it is lost."""
        lines = [line for path in self._paths() if (line := self._line(path)) is not None]
        with contextlib.suppress(OSError):
            self._append("".join(lines))
        return len(lines)

    def _paths(self) -> list[Path]:
        return sorted(path for path in self._progress.glob("*.json") if path.stem.isdigit())

    def _line(self, path: Path) -> str | None:
        number, progress = int(path.stem), read_progress(path)
        if progress is None or progress.loss is None or self._last.get(number) == (progress.phase, progress.step):
            return None
        self._last[number] = (progress.phase, progress.step)
        message = Message(
            sweep=self._sweep,
            id=self._next,
            time=time.time(),
            trial=number,
            kind=LOSS,
            payload={
                "phase": progress.phase,
                "step": progress.step,
                "num_steps": progress.num_steps,
                "loss": progress.loss,
            },
        )
        self._next += 1
        return f"{message.model_dump_json()}\n"

    def _append(self, text: str) -> None:
        if text:
            with self._file.open("a", encoding="utf-8") as opened:
                opened.write(text)


def read_losses(file: Path, *, start: int) -> tuple[list[Message], int]:
    """Return the messages in the file of losses from a byte on, and the byte after the last one."""
    try:
        with file.open("rb") as opened:
            opened.seek(start)
            chunk = opened.read(_MAX_BYTES)
    except OSError:
        return [], start
    whole = chunk[: chunk.rfind(b"\n") + 1]
    messages: list[Message] = []
    for line in whole.splitlines():
        with contextlib.suppress(ValidationError):
            messages.append(Message.model_validate_json(line))
    return messages, start + len(whole)

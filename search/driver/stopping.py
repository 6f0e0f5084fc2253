"""Signals of a sweep: once ends it with checkpoints, twice ends it now.

Handlers only take note and touch a file, which the running trials look at; the driver's main thread goes on in Ray Tune
until the last of them has given its place back. What has not stopped after SECONDS_TO_STOP is ended as by a second
signal: a spot machine goes away 20 s or more after it said so.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

SECONDS_TO_STOP = 15.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Takes SIGINT and SIGTERM while a sweep runs; in the main thread.

    Args:
        file: What running trials look at; made when the sweep is asked to stop, and removed in the end.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        """What running trials look at."""
        self.is_asked = False
        """Whether the sweep was asked to stop."""
        self._timer = threading.Timer(SECONDS_TO_STOP, _thread.interrupt_main)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.unlink(missing_ok=True)
        self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self.file.unlink(missing_ok=True)

    def stop_now(self) -> None:
        """End what the main thread does, as by a second signal; from another thread."""
        self.is_asked = True
        _thread.interrupt_main()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True
        self.file.touch()
        self._timer.start()
        sys.stderr.write("Stopping: running trials leave a checkpoint. Once more to stop now.\n")

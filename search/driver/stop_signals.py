"""Handles SIGINT and SIGTERM of a sweep: the first signal stops it after checkpoints, the second stops it at once.

The handlers only set a flag and create a file, which the running trials check. The driver's main thread stays in Ray
Tune until the last running trial is re-queued. Trials that have not stopped after SECONDS_TO_STOP are ended as if a
second signal had come: a spot machine is removed 20 s or more after its notice.
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


class StopSignals:
    """Handles SIGINT and SIGTERM while a sweep runs; a context for the main thread.

    Args:
        file: The file that running trials check; created when the sweep is asked to stop, and removed at the end.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        """The file that running trials check."""
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
        """Interrupt the main thread as a second signal would; call it from another thread."""
        self.is_asked = True
        _thread.interrupt_main()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self.is_asked:
            raise KeyboardInterrupt
        self.is_asked = True
        self.file.touch()
        self._timer.start()
        sys.stderr.write("Stopping: running trials save a checkpoint. Press Ctrl-C again to stop at once.\n")

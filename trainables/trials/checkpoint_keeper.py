"""Moves the checkpoints of rank 0 into the store, and asks the ranks to stop. Runs in the trial's process."""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from trainables.errors import LeaseLostError
from trainables.stage_store import StageStore
from trainables.training.checkpoint_writer import STOP

log = logging.getLogger(__name__)

SECONDS_BETWEEN_CHECKS = 0.5


class StopRequest:
    """A request to a trial to stop. Signal handlers use it, so nothing here blocks.

    Args:
        file: Another process makes this file to request a stop; None: only this process can.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file, self._is_made = file, False
        self.can_be_kept = False
        """Whether a stage is in training now, so that it can leave a checkpoint before it stops."""

    @property
    def is_made(self) -> bool:
        """Whether a stop was requested."""
        return self._is_made or (self._file is not None and self._file.exists())

    def make(self) -> None:
        """Request a stop.

        Raises:
            KeyboardInterrupt: No stage is in training, or a stop was requested before.
        """
        if self._is_made or not self.can_be_kept:
            raise KeyboardInterrupt
        self._is_made = True


@contextlib.contextmanager
def keeping_checkpoints(
    store: StageStore, *, key: str, made_from: Sequence[str], folder: Path, stop: StopRequest
) -> Generator[None]:
    """Move checkpoints into the store while a stage is being made; the last ones before this returns.

    Args:
        store: Holds the stage's lease.
        key: The stage's key.
        made_from: Keys of the stages that this stage is made from.
        folder: Rank 0 writes them here; made and removed by this function.
        stop: When it is made, the ranks leave a checkpoint and stop.
    """
    folder.mkdir()
    ended = threading.Event()

    def put_all() -> None:
        for path in sorted(folder.glob("[0-9]*")):
            store.put_checkpoint(key, step=int(path.name), folder=path, made_from=made_from)

    keeper = threading.Thread(target=_keep, args=(key, folder), kwargs={"put": put_all, "stop": stop, "ended": ended})
    keeper.start()
    stop.can_be_kept = True
    try:
        yield
    finally:
        stop.can_be_kept = False
        ended.set()
        keeper.join()
        shutil.rmtree(folder, ignore_errors=True)


def _keep(key: str, folder: Path, *, put: Callable[[], None], stop: StopRequest, ended: threading.Event) -> None:
    try:
        while not ended.wait(SECONDS_BETWEEN_CHECKS):
            if stop.is_made:
                (folder / STOP).touch()
            put()
        put()
    except LeaseLostError:
        log.warning("stage %s: another process has taken over its lease; no more checkpoints are kept here", key[:12])
    except OSError as error:
        # Training continues: a crash would lose more, and the commit reports the disk's error.
        log.warning("stage %s: a checkpoint could not be stored (%s); none are kept until its end", key[:12], error)

"""The trial's side of checkpoints: moves what rank 0 leaves into the store, and asks the ranks to stop."""

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

SECONDS_BETWEEN_LOOKS = 0.5


class StopRequest:
    """Asks a trial to stop. Signal handlers use it: nothing here blocks.

    Args:
        file: Also asked by whoever makes this file; None is a request of this process alone.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file, self._is_made = file, False
        self.can_be_kept = False
        """Whether a stage trains now, which leaves a checkpoint before it stops."""

    @property
    def is_made(self) -> bool:
        """Whether it was asked to stop."""
        return self._is_made or (self._file is not None and self._file.exists())

    def make(self) -> None:
        """Ask it to stop.

        Raises:
            KeyboardInterrupt: There is nothing to leave a checkpoint of, or it was asked before.
        """
        if self._is_made or not self.can_be_kept:
            raise KeyboardInterrupt
        self._is_made = True


@contextlib.contextmanager
def keeping_checkpoints(
    store: StageStore, *, key: str, made_from: Sequence[str], folder: Path, stop: StopRequest
) -> Generator[None]:
    """Put checkpoints into the store while a stage is being made, and the last ones before returning.

    Args:
        store: Holds the stage's lease.
        key: The stage's key.
        made_from: Keys of the stages that its making starts from.
        folder: Where rank 0 leaves them; made here and removed at the end.
        stop: When it is made, the ranks are asked to leave a checkpoint and stop.
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
        while not ended.wait(SECONDS_BETWEEN_LOOKS):
            if stop.is_made:
                (folder / STOP).touch()
            put()
        put()
    except LeaseLostError:
        log.warning("stage %s: another process has taken it over; no more checkpoints are kept here", key[:12])
    except OSError as error:
        # Training goes on: a crash would cost more of it, and the commit says what is wrong with the disk.
        log.warning("stage %s: a checkpoint could not be stored (%s); none are kept until its end", key[:12], error)

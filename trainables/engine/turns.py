"""Makes ranks wait for each other outside collectives, so that one rank can work for any time.

A collective fails after the group's timeout (half an hour), and the first encoding of a large task can take longer.
Here a waiting rank polls the store of the process group, which works across hosts. A working rank writes heartbeats to
the store, and the waiting ranks pass them on to the watchdog: so a rank that hangs is detected as in a training step.
The error of one rank is raised on all ranks, so the first rank that answers reports the cause.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch.distributed as dist
from torch.distributed import distributed_c10d

from trainables.config.frozen import FrozenModel
from trainables.errors import InputError, RunError
from trainables.monitoring.watchdog import SECONDS_BETWEEN_HEARTBEATS, listening, send_heartbeat

T = TypeVar("T")

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.002, 0.25
"""Time between two reads of the store."""

_DONE = "done"


class _Failure(FrozenModel):
    """Why a rank could not do its part; the other ranks raise the same error."""

    text: str
    """Message of the error."""
    is_input: bool = False
    """Whether the user's input is wrong."""
    is_memory: bool = False
    """Whether Python itself had no memory left."""
    error_number: int | None = None
    """`errno` of an OSError."""

    @staticmethod
    def of(error: Exception) -> _Failure:
        """Return the failure of an error."""
        if isinstance(error, InputError | RunError):
            return _Failure(text=str(error), is_input=isinstance(error, InputError))
        number = error.errno if isinstance(error, OSError) else None
        text = str(error) if number is not None else f"{type(error).__name__}: {error}"
        return _Failure(text=text, is_memory=isinstance(error, MemoryError), error_number=number)

    def error(self) -> Exception:
        """Return an error of the same kind."""
        if self.is_input:
            return InputError(self.text)
        if self.is_memory:
            return MemoryError(self.text)
        return RunError(self.text) if self.error_number is None else OSError(self.error_number, self.text)


_numbers = itertools.count()
"""Numbers of meetings: every rank of a group has the same meetings in the same order."""


class _Meeting:
    """One time that all ranks do something and wait for each other."""

    def __init__(self) -> None:
        self._number = next(_numbers)
        # The store of the process group; torch has no public name for it.
        self._store = distributed_c10d._get_default_store()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        self._num_heartbeats, self._last_heartbeat = 0, time.monotonic()

    def do(self, work: Callable[[], T]) -> T:
        """Do this rank's part, and publish its end to the other ranks."""
        rank = dist.get_rank()
        try:
            with listening(lambda: self._send_heartbeat(rank)):
                result = work()
        except Exception as error:
            self._store.set(self._end(rank), _Failure.of(error).model_dump_json())
            raise
        self._store.set(self._end(rank), _DONE)
        return result

    def wait_for(self, ranks: Iterable[int]) -> None:
        """Return when ranks have done their parts.

        Raises:
            InputError, RunError, OSError, MemoryError: The error of one of them.
        """
        heartbeats = dict.fromkeys(ranks, b"")
        pause = _FIRST_PAUSE_SECONDS
        while heartbeats:
            for rank in list(heartbeats):
                heartbeats = self._check_rank(rank, heartbeats)
            if heartbeats:
                time.sleep(pause)
                pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)

    def _check_rank(self, rank: int, heartbeats: dict[int, bytes]) -> dict[int, bytes]:
        """Read one rank's state; return the last heartbeat of each rank that has not finished."""
        if self._store.check([self._end(rank)]):
            end = self._store.get(self._end(rank)).decode()
            if end != _DONE:
                raise _Failure.model_validate_json(end).error()
            send_heartbeat()
            return {other: last for other, last in heartbeats.items() if other != rank}
        heartbeat = self._store.get(self._life(rank)) if self._store.check([self._life(rank)]) else b""
        if heartbeat != heartbeats[rank]:
            send_heartbeat()
        return heartbeats | {rank: heartbeat}

    def _send_heartbeat(self, rank: int) -> None:
        if time.monotonic() - self._last_heartbeat >= SECONDS_BETWEEN_HEARTBEATS:
            self._num_heartbeats, self._last_heartbeat = self._num_heartbeats + 1, time.monotonic()
            self._store.set(self._life(rank), str(self._num_heartbeats))

    def _end(self, rank: int) -> str:
        return f"xstilts/{self._number}/{rank}/end"

    def _life(self, rank: int) -> str:
        return f"xstilts/{self._number}/{rank}/life"


def in_turns(work: Callable[[], T]) -> T:
    """Do some work on rank 0, then on the others; return when all have done it. Every rank calls it.

    So files that a host's ranks share are made once, and a rank that does not see rank 0's disk makes its own.

    Args:
        work: It uses no collective, and calls `send_heartbeat` if it takes long.

    Raises:
        InputError, RunError, OSError, MemoryError: The error of this rank or of another one.
    """
    if dist.get_world_size() == 1:
        return work()
    meeting = _Meeting()
    if dist.get_rank() != 0:
        meeting.wait_for([0])
    result = meeting.do(work)
    meeting.wait_for(range(dist.get_world_size()))
    return result


def meet() -> None:
    """Return when every rank has called it, after any time."""
    if dist.get_world_size() > 1:
        meeting = _Meeting()
        meeting.do(lambda: None)
        meeting.wait_for(range(dist.get_world_size()))

"""Ranks that wait for each other outside of collectives, so that one of them may take as long as it needs.

A collective that is left waiting counts as broken after the group's timeout (half an hour), and encoding a large task
for the first time can take longer. Here a rank that waits asks the store through which the group has met, now and then;
that works across hosts. A rank that works leaves a word there whenever it gets further, by which those that wait know
that the group goes on: a rank that hangs is found out as it would be in a step. The error of a rank becomes the error
of all, so that whichever of them answers first says what happened.
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
from trainables.monitoring.liveness import SECONDS_BETWEEN_SIGNS, goes_on, telling

T = TypeVar("T")

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.002, 0.25
"""Between two looks into the store."""

_DONE = "done"


class _Failure(FrozenModel):
    """Why a rank could not do its part, for the others to raise as well."""

    text: str
    """What the error says."""
    is_input: bool = False
    """Whether the user's input is wrong."""
    is_memory: bool = False
    """Whether Python itself had no memory left."""
    error_number: int | None = None
    """The system's, of an OSError."""

    @staticmethod
    def of(error: Exception) -> _Failure:
        """Return what is to be told of an error."""
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
"""Of this process's meetings: every rank of a group holds the same ones in the same order."""


class _Meeting:
    """One time that all ranks do something and wait for each other."""

    def __init__(self) -> None:
        self._number = next(_numbers)
        # The store through which the group has met; a public name for it exists only where one makes it oneself.
        self._store = distributed_c10d._get_default_store()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        self._told, self._told_at = 0, time.monotonic()

    def do(self, work: Callable[[], T]) -> T:
        """Do this rank's part and tell the others how it ended."""
        rank = dist.get_rank()
        try:
            with telling(lambda: self._tell(rank)):
                result = work()
        except Exception as error:
            self._store.set(self._end(rank), _Failure.of(error).model_dump_json())
            raise
        self._store.set(self._end(rank), _DONE)
        return result

    def wait_for(self, ranks: Iterable[int]) -> None:
        """Return when ranks have done their parts.

        Raises:
            InputError, RunError, OSError, MemoryError: What one of them raised.
        """
        words = dict.fromkeys(ranks, b"")
        pause = _FIRST_PAUSE_SECONDS
        while words:
            for rank in list(words):
                words = self._heard(rank, words)
            if words:
                time.sleep(pause)
                pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)

    def _heard(self, rank: int, words: dict[int, bytes]) -> dict[int, bytes]:
        """Return the last words of the ranks that are still waited for, after a look at one of them."""
        if self._store.check([self._end(rank)]):
            end = self._store.get(self._end(rank)).decode()
            if end != _DONE:
                raise _Failure.model_validate_json(end).error()
            goes_on()
            return {other: word for other, word in words.items() if other != rank}
        word = self._store.get(self._life(rank)) if self._store.check([self._life(rank)]) else b""
        if word != words[rank]:
            goes_on()
        return words | {rank: word}

    def _tell(self, rank: int) -> None:
        if time.monotonic() - self._told_at >= SECONDS_BETWEEN_SIGNS:
            self._told, self._told_at = self._told + 1, time.monotonic()
            self._store.set(self._life(rank), str(self._told))

    def _end(self, rank: int) -> str:
        return f"xstilts/{self._number}/{rank}/end"

    def _life(self, rank: int) -> str:
        return f"xstilts/{self._number}/{rank}/life"


def in_turns(work: Callable[[], T]) -> T:
    """Do something on rank 0, then on the others, and return once all have done it. Every rank calls it.

    So what a host's ranks share is made once, and a rank that does not see rank 0's disk makes it for itself.

    Args:
        work: Holds no collective; it calls `goes_on` while it takes long.

    Raises:
        InputError, RunError, OSError, MemoryError: What this rank or another raised.
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
    """Return once every rank has called it, however long one of them takes until then."""
    if dist.get_world_size() > 1:
        meeting = _Meeting()
        meeting.do(lambda: None)
        meeting.wait_for(range(dist.get_world_size()))

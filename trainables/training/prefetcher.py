"""Makes the next items of a sequence in a thread, while the caller works with the one before.

The order of items is that of the sequence. The bound on finished items limits memory. An error of the sequence is
raised where its item would have come, so the items before it are used as without a thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

ITEMS_AHEAD = 4
"""Finished items that wait for the caller: batches of one pass each."""


class Prefetcher(Generic[T]):
    """An iterator over the items of a generator that runs in a thread of its own.

    Use it as a context manager: at the end, the generator is closed and its thread has ended, whatever happened.

    Args:
        items: Makes the items; it is run and closed in the thread.
        depth: Largest number of finished items that wait.
        in_thread: Called in the thread before the first item, for example to select a device.
    """

    def __init__(
        self, items: Generator[T], *, depth: int = ITEMS_AHEAD, in_thread: Callable[[], None] = lambda: None
    ) -> None:
        self._items, self._depth, self._in_thread = items, depth, in_thread
        self._changed = threading.Condition()
        self._ready: deque[T] = deque()
        self._error: BaseException | None = None
        self._is_closed = self._has_ended = False
        self.num_waits = 0
        """How often the caller had to wait for an item."""
        self._thread = threading.Thread(target=self._make, name="prefetcher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._is_closed = True
            self._ready.clear()
            self._changed.notify_all()
        self._thread.join()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        """Return the next item.

        Raises:
            StopIteration: There is no other.
            BaseException: What the generator raised, after the items before it.
        """
        with self._changed:
            if not self._ready and not self._has_ended:
                self.num_waits += 1
                self._changed.wait_for(lambda: self._ready or self._has_ended)
            if self._ready:
                item = self._ready.popleft()
                self._changed.notify_all()
                return item
            error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration

    def _make(self) -> None:
        try:
            self._in_thread()
            for item in self._items:
                if not self._put(item):
                    break
        except BaseException as error:  # noqa: BLE001  (the caller's thread raises it)
            self._error = error
        finally:
            self._items.close()
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()

    def _put(self, item: T) -> bool:
        """Add an item when there is room; return whether another is wanted."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or len(self._ready) < self._depth)
            if not self._is_closed:
                self._ready.append(item)
                self._changed.notify_all()
            return not self._is_closed

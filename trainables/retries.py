"""When a stage whose ranks are lost again and again is given up. Pure."""

from __future__ import annotations

from trainables.errors import RankLostError

MAX_LOST = 3
"""How often ranks may be lost, one time after the other without progress between, before it is not tried again."""


def ignore_lost(stage: str, error: RankLostError) -> None:
    """Tell nobody."""
    del stage, error


class Retries:
    """Counts lost ranks without progress: a stage that ends its ranks itself must not do so for ever."""

    def __init__(self) -> None:
        self._num, self._reached = 0, -1

    def add(self, error: RankLostError, *, reached: int) -> None:
        """Count lost ranks.

        Args:
            error: What was lost.
            reached: Steps that are kept; more than the last time is progress.

        Raises:
            RankLostError: They were lost once too often.
        """
        self._num = 1 if reached > self._reached else self._num + 1
        self._reached = max(reached, self._reached)
        if self._num >= MAX_LOST:
            raise error

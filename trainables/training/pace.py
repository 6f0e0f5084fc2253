"""Measures how fast a stretch of steps trains each task."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from trainables.data.batch_plan import Block
from trainables.results import TaskPace


@dataclass(slots=True, kw_only=True)
class PaceMeter:
    """Counts what a stretch trains; its clock starts with it."""

    num_ranks: int
    """Ranks that share each step; all have about the same tokens."""
    clock: Callable[[], float] = time.monotonic
    """Seconds."""
    _tokens: Counter[str] = field(default_factory=Counter[str])
    _examples: Counter[str] = field(default_factory=Counter[str])
    _started: float | None = None

    def add(self, task: str, *, num_tokens: int) -> None:
        """Count a pass of this rank."""
        if self._started is None:
            self._started = self.clock()
        self._tokens[task] += num_tokens

    def end_step(self, blocks: Iterable[Block]) -> None:
        """Count the examples of a step."""
        for block in blocks:
            self._examples[block.task] += len(block.indices)

    def paces(self) -> dict[str, TaskPace]:
        """Return task -> its pace until now; empty before the first pass."""
        if self._started is None:
            return {}
        seconds, total = self.clock() - self._started, max(1, self._tokens.total())
        return {
            task: TaskPace(
                num_examples=self._examples[task],
                num_tokens=num_tokens * self.num_ranks,
                seconds=seconds * num_tokens / total,
            )
            for task, num_tokens in self._tokens.items()
        }

"""Counts the steps, examples and losses of each task of a phase."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from trainables.data.batch_plan import Block
from trainables.results import TaskTraining

SHARE_OF_ENDS = 0.1
"""A task's first and last loss are means over this share of its steps."""


@dataclass(slots=True, kw_only=True)
class TaskTally:
    """One task: the steps that held its examples, with their number and mean loss."""

    steps: list[int] = field(default_factory=list[int])
    """Steps, counted from 0."""
    counts: list[int] = field(default_factory=list[int])
    """Examples of the task in each of the steps."""
    losses: list[float] = field(default_factory=list[float])
    """Mean loss of these examples, in nats."""

    def training(self, *, weight: float, size: int, num_unreadable: int = 0) -> TaskTraining:
        """Return the summary for a stage's facts.

        Args:
            weight: The task's intended share of the examples.
            size: Examples of its encoded training split.
            num_unreadable: Examples that the split lacks because an image cannot be decoded.
        """
        ends = max(1, round(SHARE_OF_ENDS * len(self.losses)))
        return TaskTraining(
            weight=weight,
            size=size,
            num_examples=sum(self.counts),
            num_steps=len(self.steps),
            first_loss=statistics.fmean(self.losses[:ends]) if self.losses else None,
            last_loss=statistics.fmean(self.losses[-ends:]) if self.losses else None,
            num_unreadable=num_unreadable,
        )


class Tally:
    """The counts of all tasks of a phase.

    Args:
        tasks: Their names.
    """

    def __init__(self, tasks: Iterable[str]) -> None:
        self.tasks = {task: TaskTally() for task in tasks}

    def add(self, step: int, *, blocks: Iterable[Block], loss_sums: Mapping[str, float]) -> None:
        """Count a step.

        Args:
            step: Its number.
            blocks: Its blocks.
            loss_sums: Task -> sum of its examples' losses, over all ranks.
        """
        counts: dict[str, int] = {}
        for block in blocks:
            counts[block.task] = counts.get(block.task, 0) + len(block.indices)
        for task, count in counts.items():
            tally = self.tasks[task]
            tally.steps.append(step)
            tally.counts.append(count)
            tally.losses.append(loss_sums[task] / count)

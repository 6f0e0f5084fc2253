"""Computes what a merge or an average says about the training of its parts. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any  # Any: fields of StageMeasurements, which checks them

from trainables.results import TaskTraining
from trainables.stage_store import StageFacts


def combined_training(
    parts: Sequence[StageFacts], *, weights: Sequence[float], are_ends: Sequence[bool]
) -> dict[str, Any]:
    """Return `tasks`, `counts` and `split_rows` of a stage that combines others.

    A task's weight is its weight in each part times the part's; its counts are summed over the parts, and its losses
    are the means. What a checkpoint of a run counts, the next one of the run counts too: only the last one is summed.
    The scores of parts are not those of the combination and are left out.

    Args:
        parts: What the combined stages measured.
        weights: Their weights, which sum to 1.
        are_ends: Whether each part is no checkpoint that another part continues.
    """
    names = dict.fromkeys(name for part in parts for name in part.tasks)
    tasks = {name: _over_parts(name, parts=parts, weights=weights, are_ends=are_ends) for name in sorted(names)}
    rows = dict.fromkeys(rows for part in parts for rows in part.split_rows)
    return {
        "tasks": tasks,
        "counts": {name: training.num_examples for name, training in tasks.items()},
        "split_rows": tuple(rows),
    }


def _over_parts(
    name: str, *, parts: Sequence[StageFacts], weights: Sequence[float], are_ends: Sequence[bool]
) -> TaskTraining:
    found = [(part.tasks[name], weight) for part, weight in zip(parts, weights, strict=True) if name in part.tasks]
    trainings = [
        part.tasks[name] for part, is_end in zip(parts, are_ends, strict=True) if is_end and name in part.tasks
    ]
    return TaskTraining(
        weight=min(1.0, math.fsum(training.weight * weight for training, weight in found)),
        size=trainings[0].size,
        num_examples=sum(training.num_examples for training in trainings),
        num_steps=sum(training.num_steps for training in trainings),
        first_loss=_mean([training.first_loss for training in trainings]),
        last_loss=_mean([training.last_loss for training in trainings]),
        num_unreadable=trainings[0].num_unreadable,
    )


def _mean(losses: Sequence[float | None]) -> float | None:
    known = [loss for loss in losses if loss is not None]
    return statistics.fmean(known) if known else None

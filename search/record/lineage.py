"""What a trial's stages are, and cost it, after it reports a lineage. Pure: the tables only keep the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from search.record.rows import StageRow
from trainables.results import StageRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """A trial's stages over its rungs."""

    here: tuple[StageRow, ...]
    """The rung's rows, in order."""
    cost_paid_seconds: float
    """Seconds of the distinct stages that the trial made, over all rungs and attempts."""
    steps_paid: int
    """Optimiser steps of them."""


def merge(before: Sequence[StageRow], *, trial: int, rung: int, stages: Sequence[StageRun]) -> Lineage:
    """Return a trial's lineage at a rung after it reported it.

    A stage that an earlier attempt or rung of the same trial made stays paid by this trial, though the later one found
    it in the store. Stages of an earlier attempt that are not in the lineage stay, behind it: they were paid for.

    Args:
        before: The trial's rows of all rungs, ordered by rung and position.
        trial: Its number.
        rung: The rung that is reported.
        stages: The whole lineage there.
    """
    paid = {row.key: (row.seconds, row.steps) for row in before if not row.reused}
    paid |= {stage.key: (stage.seconds, stage.steps) for stage in stages if not stage.reused}
    new_keys = {stage.key for stage in stages}
    rows = [
        _row(stage, trial=trial, rung=rung, position=position, reused=stage.key not in paid)
        for position, stage in enumerate(stages)
    ]
    left = [row for row in before if row.rung == rung and row.key not in new_keys and not row.reused]
    rows += [replace(row, position=position) for position, row in enumerate(left, start=len(rows))]
    return Lineage(
        here=tuple(rows),
        # Exactly rounded, so that the order of the rows does not matter.
        cost_paid_seconds=math.fsum(seconds for seconds, _ in paid.values()),
        steps_paid=sum(steps for _, steps in paid.values()),
    )


def with_stage(before: Sequence[StageRow], *, rung: int, stage: StageRun) -> list[StageRun]:
    """Return the lineage to report at a rung when a trial has one more stage."""
    return [*(row.run for row in before if row.rung == rung and row.key != stage.key), stage]


def _row(stage: StageRun, *, trial: int, rung: int, position: int, reused: bool) -> StageRow:
    return StageRow(
        trial=trial,
        rung=rung,
        position=position,
        phase=stage.phase,
        key=stage.key,
        steps=stage.steps,
        seconds=stage.seconds,
        reused=reused,
        is_trunk=stage.is_trunk,
        steps_before=stage.steps_before,
        seconds_before=stage.seconds_before,
        further=stage.further,
    )

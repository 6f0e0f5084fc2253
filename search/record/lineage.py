"""Computes a trial's stages and their cost after it reports a lineage. Pure: the tables store the result."""

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
    """Rows of the reported rung, in order."""
    cost_paid_seconds: float
    """Seconds of the distinct stages that the trial made, over all rungs and attempts."""
    steps_paid: int
    """Optimiser steps of these stages."""


def merge(before: Sequence[StageRow], *, trial: int, rung: int, stages: Sequence[StageRun]) -> Lineage:
    """Return a trial's lineage after it reported one rung.

    A stage that an earlier attempt or rung of the same trial made still counts as paid by this trial, although the
    later attempt found it in the store. Stages of an earlier attempt that are not in the new lineage are kept at its
    end: they were paid for.

    Args:
        before: The trial's rows of all rungs, ordered by rung and position.
        trial: The trial's number.
        rung: The reported rung.
        stages: The whole lineage at this rung.
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
        # fsum rounds exactly, so the order of the rows does not matter.
        cost_paid_seconds=math.fsum(seconds for seconds, _ in paid.values()),
        steps_paid=sum(steps for _, steps in paid.values()),
    )


def with_stage(before: Sequence[StageRow], *, rung: int, stage: StageRun) -> list[StageRun]:
    """Return a trial's lineage at a rung with one more stage."""
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

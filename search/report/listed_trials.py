"""All trials of a sweep, in every state, for the table of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.query.query_results import tasks_of
from search.record import JsonObject, StageRow, TrialRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTrial:
    """One trial in any state."""

    number: int
    family: str
    state: str
    """State of the trial, or `excluded`."""
    problem: str
    """Why it failed or is excluded; empty without a problem."""
    rung: int | None
    """Highest rung at which it was measured."""
    score: float | None
    """The sweep's objective at that rung, 0..1."""
    tasks: tuple[str, ...]
    """Intermediate tasks; none for family `none`."""
    languages: Mapping[str, float]
    """Language -> score at that rung, 0..1."""
    assignment: JsonObject
    """Parameter of the space -> value."""
    config: JsonObject
    """The full TrialConfig."""
    seconds: float
    """Seconds of the stages that it made."""
    alone_seconds: float
    """Seconds of all stages of its lineage, without sharing."""
    stages: tuple[StageRow, ...]
    """Lineage at the highest rung that it started, in order."""


def list_trials(
    rows: Sequence[TrialRow], *, results: Mapping[int, JsonObject], stages: Sequence[StageRow]
) -> tuple[ListedTrial, ...]:
    """Return all trials of a sweep by number.

    Args:
        rows: The sweep's trials.
        results: Number -> result at the highest rung, of those that were measured.
        stages: Their lineages at all rungs.
    """
    lineages: dict[int, list[StageRow]] = {}
    for stage in stages:
        lineages.setdefault(stage.trial, []).append(stage)
    return tuple(
        _listed(
            row,
            result=results.get(row.number, {}),
            stages=_highest(lineages.get(row.number, [])),
        )
        for row in sorted(rows, key=lambda row: row.number)
    )


def numbers_of(result: JsonObject) -> dict[str, float]:
    """Return language -> score, 0..1, of a stored result."""
    languages = result.get("languages")
    scores = languages if isinstance(languages, dict) else {}
    return {code: value for code, value in scores.items() if isinstance(value, float | int)}


def _listed(row: TrialRow, *, result: JsonObject, stages: tuple[StageRow, ...]) -> ListedTrial:
    return ListedTrial(
        number=row.number,
        family=row.family,
        state="excluded" if row.set_aside else row.state,
        problem=row.set_aside or row.error or "",
        rung=row.rung,
        score=row.score,
        tasks=tuple(tasks_of(row.config)),
        languages=numbers_of(result),
        assignment=row.assignment,
        config=row.config,
        seconds=row.cost_paid_seconds,
        alone_seconds=row.cost_if_alone_seconds,
        stages=stages,
    )


def _highest(stages: Sequence[StageRow]) -> tuple[StageRow, ...]:
    """Return the lineage of the highest rung."""
    rung = max((stage.rung for stage in stages), default=0)
    return tuple(sorted((stage for stage in stages if stage.rung == rung), key=lambda stage: stage.position))

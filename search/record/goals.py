"""What a trial scored and cost, as values of SQL."""

from __future__ import annotations

from typing import Any  # SQLAlchemy's expressions are generic over the value's type

from sqlalchemy import ColumnElement, select

from search.record.schema import scores, trials

_COSTS = {"seconds": trials.c.cost_if_alone_seconds, "steps": trials.c.steps_if_alone}


def goal_column(goal: str) -> ColumnElement[Any]:
    """Return the SQL value of an objective of a sweep, at the highest rung of a trial.

    Args:
        goal: `average`, `english`, `worst`, `seconds` or `steps`.
    """
    found = _COSTS.get(goal)
    return metric_column(goal) if found is None else found


def metric_column(metric: str, *, language: str = "", rung: int | None = None) -> ColumnElement[Any]:
    """Return the SQL value of what a trial scored.

    Args:
        metric: Its name in the table of scores.
        language: Of which language, where it is of one.
        rung: At which; None takes the trial's highest.
    """
    of_trial = (
        scores.c.sweep == trials.c.sweep,
        scores.c.trial == trials.c.number,
        scores.c.rung == (trials.c.rung if rung is None else rung),
    )
    found = select(scores.c.value).where(*of_trial, scores.c.metric == metric, scores.c.language == language)
    return found.correlate(trials).scalar_subquery()

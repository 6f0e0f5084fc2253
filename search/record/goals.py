"""SQL expressions of a trial's scores and costs."""

from __future__ import annotations

from typing import Any  # SQLAlchemy's expressions are generic over the value's type

from sqlalchemy import ColumnElement, select

from search.record.schema import scores, trials

_COSTS = {"seconds": trials.c.cost_if_alone_seconds, "steps": trials.c.steps_if_alone}


def goal_column(goal: str) -> ColumnElement[Any]:
    """Return the SQL expression of a sweep's objective, at the highest rung of a trial.

    Args:
        goal: A score or a cost of `spaces.objectives`.
    """
    found = _COSTS.get(goal)
    return metric_column(goal) if found is None else found


def metric_column(metric: str, *, language: str = "", rung: int | None = None) -> ColumnElement[Any]:
    """Return the SQL expression of a trial's score.

    Args:
        metric: Name of the metric in the table `scores`.
        language: The language, for a metric of one language; else empty.
        rung: The rung; None takes the trial's highest.
    """
    of_trial = (
        scores.c.sweep == trials.c.sweep,
        scores.c.trial == trials.c.number,
        scores.c.rung == (trials.c.rung if rung is None else rung),
    )
    found = select(scores.c.value).where(*of_trial, scores.c.metric == metric, scores.c.language == language)
    return found.correlate(trials).scalar_subquery()

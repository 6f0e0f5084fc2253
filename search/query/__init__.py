"""Queries of the record: the best configurations, the progress of a sweep, and everything about one trial."""

from search.query.best import best, best_at_rung, best_of_families, pareto, pareto_goals, scores
from search.query.filters import describe_columns
from search.query.query_results import (
    BestOfFamily,
    BestTrial,
    Incident,
    RungScore,
    StageOfTrial,
    SweepStatus,
    TrialReport,
)
from search.query.sweep_status import quarantined_places, report_trial, sweep_status, sweep_statuses
from search.query.table import TrialTable, trial_table

__all__ = [
    "BestOfFamily",
    "BestTrial",
    "Incident",
    "RungScore",
    "StageOfTrial",
    "SweepStatus",
    "TrialReport",
    "TrialTable",
    "best",
    "best_at_rung",
    "best_of_families",
    "describe_columns",
    "pareto",
    "pareto_goals",
    "quarantined_places",
    "report_trial",
    "scores",
    "sweep_status",
    "sweep_statuses",
    "trial_table",
]

"""Questions to the record: which configurations are best, how a sweep stands, what one trial was."""

from search.query.answers import BestOfFamily, BestTrial, Happening, RungScore, StageOfTrial, SweepStatus, TrialReport
from search.query.best import best, best_at_rung, best_of_families, pareto, pareto_goals
from search.query.filters import describe_columns
from search.query.standing import places_set_apart, report_trial, sweep_status, sweep_statuses
from search.query.table import TrialTable, trial_table

__all__ = [
    "BestOfFamily",
    "BestTrial",
    "Happening",
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
    "places_set_apart",
    "report_trial",
    "sweep_status",
    "sweep_statuses",
    "trial_table",
]

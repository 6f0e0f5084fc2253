"""The record: what every sweep, trial and measurement was, in SQL."""

from search.record.record import Record, open_record
from search.record.rows import (
    STATES,
    Curve,
    Event,
    JsonObject,
    Measurement,
    Objective,
    Proposal,
    Seen,
    StageRow,
    State,
    SweepRow,
    TrialRow,
    score_of,
)

__all__ = [
    "STATES",
    "Curve",
    "Event",
    "JsonObject",
    "Measurement",
    "Objective",
    "Proposal",
    "Record",
    "Seen",
    "StageRow",
    "State",
    "SweepRow",
    "TrialRow",
    "open_record",
    "score_of",
]

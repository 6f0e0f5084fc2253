"""The record: what every sweep, trial and measurement was, in SQL."""

from search.record.device_faults import SetApart, fault_payload
from search.record.history import History, HistoryRow
from search.record.ownership import Ownership, Pace
from search.record.owning import Owner
from search.record.record import Record, open_record
from search.record.rows import (
    STATES,
    Curve,
    Event,
    JsonObject,
    Measurement,
    Objective,
    Proposal,
    Revision,
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
    "History",
    "HistoryRow",
    "JsonObject",
    "Measurement",
    "Objective",
    "Owner",
    "Ownership",
    "Pace",
    "Proposal",
    "Record",
    "Revision",
    "Seen",
    "SetApart",
    "StageRow",
    "State",
    "SweepRow",
    "TrialRow",
    "fault_payload",
    "open_record",
    "score_of",
]

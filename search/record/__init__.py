"""The record: the SQL database that holds sweeps, trials, measurements and events."""

from search.record.device_faults import QuarantinedPlace, fault_payload
from search.record.history import History, HistoryRow
from search.record.owner_rows import Owner
from search.record.ownership import HeartbeatTimes, Ownership, own_sweep
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
    "HeartbeatTimes",
    "History",
    "HistoryRow",
    "JsonObject",
    "Measurement",
    "Objective",
    "Owner",
    "Ownership",
    "Proposal",
    "QuarantinedPlace",
    "Record",
    "Revision",
    "Seen",
    "StageRow",
    "State",
    "SweepRow",
    "TrialRow",
    "fault_payload",
    "open_record",
    "own_sweep",
    "score_of",
]

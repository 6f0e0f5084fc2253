"""Compares groups of trials: effects with intervals, and verdicts.

The computation is pure: no disk, no clock, and random numbers only from a fixed seed. `run_reader` reads the trials
from a record and a store; `comparison` combines both.
"""

from __future__ import annotations

from search.compare.comparison_result import Comparison, Confirmation, GroupComparison, Protocol, ProtocolRow, Verdict

__all__ = ["Comparison", "Confirmation", "GroupComparison", "Protocol", "ProtocolRow", "Verdict"]

"""Comparing groups of trials: effects with intervals, and verdicts.

Numbers only: no disk, no clock, no randomness but that of a fixed seed. `reading` takes the trials from a record and a
store, `asking` puts both together.
"""

from __future__ import annotations

from search.compare.answers import Comparison, Confirmation, GroupComparison, Protocol, ProtocolRow, Verdict

__all__ = ["Comparison", "Confirmation", "GroupComparison", "Protocol", "ProtocolRow", "Verdict"]

"""Comparing groups of trials: effects with intervals, and verdicts. Numbers only: no disk, no clock, no randomness but
that of a fixed seed. `search.compare.reading` takes the trials from a record and a store.
"""

from __future__ import annotations

from search.compare.answers import Comparison, GroupComparison, Protocol, ProtocolRow, Verdict

__all__ = ["Comparison", "GroupComparison", "Protocol", "ProtocolRow", "Verdict"]

"""Runs a search, records it, and answers questions about it: Ray Tune, Optuna, SQL, command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search.query.frames import Sweep

__all__ = ["open_sweep"]


def open_sweep(name: str, *, record: str | None = None) -> Sweep:
    """Return a sweep to ask about in Python: `search.open_sweep("demo").trials()` is a pandas frame.

    Args:
        name: Its name.
        record: Path or URL of the record; None takes that of XSTILTS_HOME.

    Raises:
        RecordMissingError: There is no such record.
        UnknownSweepError: It has no such sweep.
    """
    from search.query import frames  # `import search` alone must stay light

    return frames.open_sweep(name, record=record)

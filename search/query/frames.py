"""Pandas frames of a sweep: its views, with the same columns as in `xstilts sql`, and any other table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any  # Any: a cell of JSON has no static type

from search.query.table import trial_table
from search.query.views import VIEWS, ViewName, read_view
from search.record import Record

if TYPE_CHECKING:
    import pandas as pd

_JSON = ("assignment", "config", "payload")


def view_frame(record: Record, *, sweep: str, view: ViewName) -> pd.DataFrame:
    """Return a view of a sweep; columns of JSON hold dictionaries.

    Raises:
        UnknownSweepError: There is no such sweep.
    """
    import pandas as pd

    rows = read_view(record, sweep=sweep, view=view)
    frame = pd.DataFrame(rows, columns=list(VIEWS[view].columns))
    for column in frame.columns.intersection(list(_JSON)):
        frame[column] = pd.Series([_loaded(text) for text in frame[column]], index=frame.index, dtype=object)
    return frame


def table_frame(record: Record, *, sweep: str, every_rung: bool) -> pd.DataFrame:
    """Return all trials of a sweep as `trial_table` does.

    Raises:
        UnknownSweepError: There is no such sweep.
    """
    table = trial_table(record, sweep=sweep, every_rung=every_rung)
    return frame_of(table.columns, table.rows)


def frame_of(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """Return a table as a frame."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(columns))


def _loaded(text: str) -> Any:
    return json.loads(text)

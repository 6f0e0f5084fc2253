"""A sweep for notebooks: its views as pandas frames, with the words of `xstilts sql`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any  # Any: a cell of JSON has no static type

from search.query.table import trial_table
from search.query.views import VIEWS, ViewName, read_view
from search.record import open_record

if TYPE_CHECKING:
    import pandas as pd

_JSON = ("assignment", "config", "payload")


class Sweep:
    """One sweep of a record. Every question reads the record as it is then, and changes nothing.

    Made by `search.open_sweep`.

    Args:
        name: Its name.
        record: Path or URL of the record.
    """

    def __init__(self, name: str, *, record: str) -> None:
        self.name, self.record = name, record

    def trials(self) -> pd.DataFrame:
        """Return one row a trial; `assignment` and `config` are dictionaries."""
        return self._frame("trials")

    def scores(self) -> pd.DataFrame:
        """Return one row a trial, rung, metric and language."""
        return self._frame("scores")

    def stages(self) -> pd.DataFrame:
        """Return one row a trial, rung and stage of its lineage."""
        return self._frame("stages")

    def events(self) -> pd.DataFrame:
        """Return one row an event, in order; `payload` is a dictionary."""
        return self._frame("events")

    def table(self, *, every_rung: bool = False) -> pd.DataFrame:
        """Return one row a trial with its score in each language and its parameters as columns.

        Args:
            every_rung: One row a trial and rung.
        """
        import pandas as pd

        with open_record(self.record, read_only=True) as opened:
            table = trial_table(opened, sweep=self.name, every_rung=every_rung)
        return pd.DataFrame(table.rows, columns=list(table.columns))

    def _frame(self, view: ViewName) -> pd.DataFrame:
        import pandas as pd

        with open_record(self.record, read_only=True) as opened:
            rows = read_view(opened, sweep=self.name, view=view)
        frame = pd.DataFrame(rows, columns=list(VIEWS[view].columns))
        for column in frame.columns.intersection(list(_JSON)):
            frame[column] = pd.Series([_loaded(text) for text in frame[column]], index=frame.index, dtype=object)
        return frame


def open_sweep(name: str, *, record: str | None = None) -> Sweep:
    """Return a sweep to ask about in Python.

    Args:
        name: Its name.
        record: Path or URL of the record; None takes that of XSTILTS_HOME.

    Raises:
        RecordMissingError: There is no such record.
        UnknownSweepError: It has no such sweep.
    """
    from search.home import find_home

    place = find_home(record=record).record
    with open_record(place, read_only=True) as opened:
        opened.sweep(name)
    return Sweep(name, record=place)


def _loaded(text: str) -> Any:
    return json.loads(text)

"""A sweep as pandas frames."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pandas as pd
import pytest

import search
from search.errors import UnknownSweepError
from search.query.sql import run_sql
from search.query.views import VIEWS
from search.record import Record
from tests.search_tests.building import proposal, result


@pytest.fixture
def filled(record: Record) -> Record:
    """Trials 0 (text, 0.5) and 1 (none, 0.6) finished, 2 proposed."""
    for number, family in enumerate(("text", "none", "text")):
        record.propose("demo", proposal=proposal(family, learning_rate=0.1))
        if number < 2:
            record.start("demo", number=number)
            record.finish("demo", number=number, result=result(0.5 + number / 10))
    return record


@pytest.mark.parametrize("view", VIEWS)
def test_a_frame_has_the_words_and_rows_of_sql(filled: Record, new_place: Callable[[], str], view: str) -> None:
    frame: pd.DataFrame = getattr(search.open_sweep("demo", record=new_place()), view)()
    found = run_sql(filled, sweep="demo", statement=f"SELECT * FROM {view}", limit=1000, seconds=10)  # noqa: S608
    assert (tuple(frame.columns), len(frame)) == (found.columns, len(found.rows))
    first = found.columns[0]
    assert list(frame[first]) == [row[0] for row in found.rows]


def test_trials_can_be_grouped_and_json_is_there_as_dictionaries(filled: Record, new_place: Callable[[], str]) -> None:
    frame = search.open_sweep("demo", record=new_place()).trials()
    assert frame.groupby("family").score.mean().to_dict() == {"none": 0.6, "text": 0.5}
    assert frame.config[0] == filled.trial("demo", number=0).config
    assert frame.assignment[0] == {"family": "text", "learning_rate": 0.1}


def test_the_table_has_languages_and_parameters(filled: Record, new_place: Callable[[], str]) -> None:
    assert len(filled.trials("demo")) == 3
    frame = search.open_sweep("demo", record=new_place()).table()
    assert list(frame.de[:2]) == [0.5, 0.6]
    assert list(frame.learning_rate) == [0.1, 0.1, 0.1]


def test_an_unknown_sweep_is_refused_at_once(filled: Record, new_place: Callable[[], str]) -> None:
    assert filled.sweep("demo").name == "demo"
    with pytest.raises(UnknownSweepError, match="did you mean 'demo'"):
        search.open_sweep("dem", record=new_place())


def test_importing_search_loads_nothing() -> None:
    code = "import search, sys; print(*(name for name in sys.modules if name.startswith(('search.', 'pandas'))))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == []

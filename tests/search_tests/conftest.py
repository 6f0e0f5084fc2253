"""A record to test with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from search.record import Record, open_record
from search.record.schema import METADATA


@pytest.fixture
def new_place(tmp_path: Path) -> Callable[[], str]:
    """The place of this test's record; XSTILTS_TEST_POSTGRES (URL of a scratch database) runs the contract there."""
    url = os.environ.get("XSTILTS_TEST_POSTGRES")
    if url is None:
        return lambda: str(tmp_path / "record.db")
    with open_record(url) as record:
        METADATA.drop_all(record.engine)
    return lambda: url


@pytest.fixture
def record(new_place: Callable[[], str]) -> Iterator[Record]:
    with open_record(new_place()) as opened:
        opened.put_sweep("demo", spec={"trials": 4, "space": {"a": 1}}, objective="average", planned_trials=4)
        yield opened

"""A record to test with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from search.record import Record, open_record


@pytest.fixture
def new_place(tmp_path: Path) -> Callable[[], str]:
    """Places for records; XSTILTS_TEST_POSTGRES (a URL of an empty database) runs the contract there."""
    return lambda: os.environ.get("XSTILTS_TEST_POSTGRES") or str(tmp_path / "record.db")


@pytest.fixture
def record(new_place: Callable[[], str]) -> Iterator[Record]:
    with open_record(new_place()) as opened:
        opened.put_sweep("demo", spec={"trials": 4, "space": {"a": 1}}, objective="average", planned_trials=4)
        yield opened

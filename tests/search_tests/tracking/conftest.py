"""A home with a sweep whose events are to be reported, and a web service that receives them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from search.home import Home, find_home
from search.record import open_record
from tests.search_tests.building import proposal, result
from tests.search_tests.tracking.receiving import Service, running_service


@pytest.fixture
def service() -> Iterator[Service]:
    with running_service() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with a sweep `demo`: trial 0 (text) is finished, trial 1 has failed."""
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    found = find_home()
    found.scratch.mkdir(parents=True)
    with open_record(found.record) as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=8)
    finish(found, 0)
    with open_record(found.record) as record:
        record.propose("demo", proposal=proposal("none"))
        record.start("demo", number=1)
        record.fail("demo", number=1, error="the loss is not finite at step 3")
    return found


def finish(home: Home, number: int, score: float = 0.5) -> None:
    """Add a trial that finishes."""
    with open_record(home.record) as record:
        record.propose("demo", proposal=proposal("text", **{"target.learning_rate": 0.001}))
        record.start("demo", number=number)
        record.finish("demo", number=number, result=result(score))


def last_event(home: Home) -> int:
    with open_record(home.record, read_only=True) as record:
        return record.events("demo")[-1].id

"""A record that any released version wrote opens, reads and continues."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import inspect

from search.errors import RecordOlderError
from search.query import best, report_trial, sweep_status
from search.record import open_record
from search.record.integrity.audit import audit
from search.record.schema import METADATA
from tests.search_tests.building import result

GOLDEN = Path(__file__).parents[2] / "golden"


VERSIONS = (1, 2)
"""Released versions of the schema before the newest."""


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> int:
    return request.param


def load_golden(place: str, *, version: int) -> None:
    """Write the record of a released schema version to a place."""
    if "://" not in place:
        with sqlite3.connect(place) as connection:
            connection.executescript((GOLDEN / f"record_{version}_sqlite.sql").read_text())
        return
    import psycopg

    with psycopg.connect(place.replace("+psycopg", "")) as connection:
        connection.execute((GOLDEN / f"record_{version}_postgresql.sql").read_bytes())


def test_a_record_of_an_older_schema_opens_and_keeps_what_it_says(version: int, new_place: Callable[[], str]) -> None:
    load_golden(new_place(), version=version)

    with open_record(new_place()) as record:
        states = [trial.state for trial in record.trials("old")]
        report = report_trial(record, sweep="old", number=0)
        (first,) = best(record, sweep="old", top=1)
        status = sweep_status(record, sweep="old")

    assert states == ["finished", "finished", "failed", "pruned", "running", "proposed"]
    assert (first.trial, first.score) == (1, pytest.approx(0.6))
    assert (report.cost_paid_seconds, report.cost_if_alone_seconds) == (9.75, 8.0)
    assert (report.steps_paid, report.steps_if_alone) == (100, 90)
    assert [stage.is_trunk for stage in report.stages] == [True, False, False, False, True, False, False]
    assert [stage.further for stage in report.stages][3] == "paws_x"
    assert (status.steps_paid, status.steps_if_alone) == (110, 140)


def test_a_record_of_an_older_schema_goes_on(version: int, new_place: Callable[[], str]) -> None:
    load_golden(new_place(), version=version)

    with open_record(new_place()) as record:
        assert record.interrupt_running("old") == (4,)
        record.start("old", number=4)
        assert record.finish("old", number=4, result=result(0.9)).steps_paid == 10
    with open_record(new_place()) as record:
        assert best(record, sweep="old", top=1)[0].trial == 4


def test_a_migrated_record_has_the_tables_of_a_new_one(version: int, new_place: Callable[[], str]) -> None:
    load_golden(new_place(), version=version)

    with open_record(new_place()) as record:
        found = inspect(record.engine)
        columns = {name: {column["name"] for column in found.get_columns(name)} for name in METADATA.tables}

    assert columns == {name: set(table.columns.keys()) for name, table in METADATA.tables.items()}


def test_the_events_of_a_migrated_record_give_its_tables(version: int, tmp_path: Path) -> None:
    load_golden(str(tmp_path / "record.db"), version=version)
    open_record(tmp_path / "record.db").close()

    head = audit(tmp_path / "record.db")

    assert head.event > 0


def test_reading_brings_an_older_record_up_to_date(new_place: Callable[[], str]) -> None:
    load_golden(new_place(), version=1)

    with open_record(new_place(), read_only=True) as record:
        assert best(record, sweep="old", top=1)[0].trial == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_older_record_that_may_not_be_written_says_what_to_do(tmp_path: Path) -> None:
    load_golden(str(tmp_path / "record.db"), version=1)
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)

    with pytest.raises(RecordOlderError, match="where the record can be written"):
        open_record(tmp_path / "record.db", read_only=True)

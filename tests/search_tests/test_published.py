"""The record's copy in the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.errors import RecordMissingError
from search.home import Home
from search.published_record import find_record, find_record_or_copy, publish, restore_copy
from search.record import open_record, own_sweep
from trainables.storage import open_storage


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Places whose record has one sweep, of which the store has a copy."""
    home = Home(record=str(tmp_path / "record.db"), store=str(tmp_path / "store"), scratch=tmp_path / "scratch")
    with open_record(home.record) as record:
        record.put_sweep("mine", spec={}, objective="average", planned_trials=3)
        publish(Path(home.record), storage=open_storage(home.store), sweep="mine")
    return home


def test_a_copy_answers_as_the_record_and_says_its_age(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    with open_record(find_record(record=None, store=home.store, sweep="mine"), read_only=True) as copy:
        assert copy.sweep("mine").planned_trials == 3
    assert "s old" in capsys.readouterr().err


def test_a_named_record_goes_before_the_store(home: Home) -> None:
    assert find_record(record=home.record, store=home.store) == home.record


def test_a_store_without_a_copy_is_named(home: Home) -> None:
    with pytest.raises(RecordMissingError, match="no copy of a record of sweep 'other'"):
        find_record(record=None, store=home.store, sweep="other")


def test_a_new_head_goes_on_from_the_copy(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    new = Home(record=str(tmp_path / "new" / "record.db"), store=home.store, scratch=tmp_path / "scratch")

    restore_copy(new, sweep="mine")

    with open_record(new.record) as record:
        assert record.sweep("mine").planned_trials == 3


def test_a_new_head_owns_the_sweep_of_the_old_one_at_once(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    new = Home(record=str(tmp_path / "new" / "record.db"), store=home.store, scratch=tmp_path / "scratch")
    with open_record(home.record) as record, own_sweep(record, "mine", take_over=False) as old:
        publish(Path(home.record), storage=open_storage(home.store), sweep="mine")

        restore_copy(new, sweep="mine")

        with open_record(new.record) as restored, own_sweep(restored, "mine", take_over=False) as owned:
            assert owned.fence > old.fence


def test_a_question_that_needs_the_store_too_is_answered_from_the_copy_where_no_record_is_here(
    home: Home, tmp_path: Path
) -> None:
    away = Home(record=str(tmp_path / "nowhere.db"), store=home.store, scratch=tmp_path / "scratch")

    assert find_record_or_copy(home, record=None, store=home.store, sweep="mine") == home.record
    with open_record(find_record_or_copy(away, record=None, store=home.store, sweep="mine"), read_only=True) as copy:
        assert copy.sweep("mine").planned_trials == 3


def test_a_record_that_is_there_is_never_replaced(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with open_record(home.record) as record:
        record.put_sweep("later", spec={}, objective="average", planned_trials=1)

    restore_copy(home, sweep="mine")

    with open_record(home.record) as record:
        assert record.sweep("later").planned_trials == 1

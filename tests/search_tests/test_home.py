"""Where the record is, and that its password goes no further."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from search.cli.main import exit_code
from search.home import find_home

URL = "postgresql+psycopg://somebody:b%40njo@10.0.0.7:5432/trials"
SHOWN = "postgresql+psycopg://somebody@10.0.0.7:5432/trials"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XSTILTS_RECORD", "XSTILTS_RECORD_FILE", "PGPASSWORD"):
        monkeypatch.setenv(name, "")  # so that it is put back, also where it was not there


def test_a_password_is_taken_out_of_the_records_url_and_handed_on_in_the_environment() -> None:
    assert find_home(record=URL).record == SHOWN
    assert os.environ["PGPASSWORD"] == "b@njo"


def test_a_url_without_a_password_stays_as_it_is() -> None:
    assert find_home(record=SHOWN).record == SHOWN
    assert os.environ["PGPASSWORD"] == ""


def test_the_record_may_stand_in_the_environment_or_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{URL}\n")
    monkeypatch.setenv("XSTILTS_RECORD_FILE", str(tmp_path / "url"))
    assert find_home().record == SHOWN

    monkeypatch.setenv("XSTILTS_RECORD", str(tmp_path / "mine.db"))
    assert find_home().record == str(tmp_path / "mine.db")
    assert find_home(record=str(tmp_path / "other.db")).record == str(tmp_path / "other.db")


def test_a_file_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("XSTILTS_RECORD_FILE", str(tmp_path / "missing"))

    assert exit_code(["status"]) == 2
    assert "XSTILTS_RECORD_FILE" in capsys.readouterr().err

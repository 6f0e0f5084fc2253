"""Commands that cannot do what they are asked make nothing, and take nothing away."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.cli.main import exit_code
from search.record import open_record
from tests.search_tests.record.test_rights import write_stage


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return tmp_path / "home"


def test_confirming_where_there_is_no_record_makes_none(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["confirm", "demo", "--record", str(home / "x" / "record.db")]) == 2

    assert "there is no record at" in capsys.readouterr().err
    assert not (home / "x").exists()


@pytest.mark.parametrize("words", [["--dry-run"], []])
def test_a_record_without_a_sweep_takes_no_stage_away(
    words: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    write_stage(home)
    open_record(home / "record.db").close()
    before = sorted((home / "store").rglob("*"))

    assert exit_code(["stages", "gc", "--max-bytes", "1", *words]) == 2

    assert "has no sweep" in capsys.readouterr().err
    assert sorted((home / "store").rglob("*")) == before


def test_a_dry_run_says_where_ray_could_not_keep_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "file"))

    assert exit_code(["search", "demo", "--trials", "2", "--dry-run"]) == 2

    assert "RAY_TMPDIR is" in capsys.readouterr().err

"""A SELECT over the views of a sweep: what it answers, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.cli.main import exit_code
from search.errors import QueryRefusedError
from search.home import find_home
from search.query.sql import Selected, run_sql
from search.query.views import VIEWS
from search.record import Record, open_record
from tests.search_tests.building import proposal, result

ESCAPES = [
    "INSERT INTO trials (number) VALUES (99)",
    "REPLACE INTO trials (number) VALUES (0)",
    "UPDATE trials SET score = 1",
    "DELETE FROM trials",
    "DROP TABLE trials",
    "DROP VIEW trials",
    "ALTER TABLE trials RENAME TO mine",
    "CREATE TABLE mine (a)",
    "CREATE TEMP TABLE mine AS SELECT * FROM trials",
    "CREATE TRIGGER t AFTER INSERT ON trials BEGIN DELETE FROM trials; END",
    "CREATE VIRTUAL TABLE mine USING fts5(a)",
    "REINDEX",
    "ANALYZE",
    "VACUUM",
    "VACUUM INTO '{folder}/copy.db'",
    "ATTACH '{record}' AS other",
    "ATTACH '{folder}/new.db' AS other",
    "DETACH main",
    "PRAGMA writable_schema = ON",
    "PRAGMA query_only = OFF",
    "SELECT * FROM pragma_database_list",
    "SELECT load_extension('libc.so.6')",
    "SELECT writefile('{folder}/new.txt', 'x')",
    "SELECT readfile('/etc/passwd')",
    "SELECT fts3_tokenizer('simple')",
    "SELECT randomblob(1000000000)",
    "SELECT 1; DELETE FROM trials",
    "SELECT 1; SELECT 2",
    "WITH gone AS (DELETE FROM trials RETURNING *) SELECT * FROM gone",
    "WITH a AS (SELECT 1) DELETE FROM trials",
    "DELETE FROM trials RETURNING *",
    "EXPLAIN DELETE FROM trials",
    "BEGIN IMMEDIATE",
    "SAVEPOINT a",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM sqlite_temp_master",
    "WITH trials AS (SELECT * FROM main.sqlite_schema) SELECT * FROM trials",
    "SELECT * FROM sweeps",
    "SELECT * FROM main.measurements",
    "SELECT * FROM owners",
    "SELECT sweep FROM trials",
    "SELECT famly FROM trials",
    "SELECT * FROM trials WHERE number = ?",
    "SELECT number, number FROM trials",
    "SELEC 1",
    "SELECT (",
    "/* nothing */",
    "",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n",
]


@pytest.fixture
def filled(record: Record) -> Record:
    """Sweep `demo` with trials 0 (text, 0.5) and 1 (none, 0.6) finished, and `other` with one trial."""
    record.put_sweep("other", spec={}, objective="average", planned_trials=1)
    record.propose("other", proposal=proposal())
    for number, family in enumerate(("text", "none")):
        record.propose("demo", proposal=proposal(family))
        record.start("demo", number=number)
        record.finish("demo", number=number, result=result(0.5 + number / 10))
    return record


def ask(record: Record, statement: str, *, limit: int = 1000) -> Selected:
    return run_sql(record, sweep="demo", statement=statement, limit=limit, seconds=10)


def test_a_join_over_the_views_is_answered(filled: Record) -> None:
    statement = (
        "SELECT family, language, value FROM trials JOIN scores ON trial = number "
        "WHERE metric = 'accuracy' AND language = 'de' ORDER BY number"
    )
    found = ask(filled, statement)
    assert (found.columns, found.rows) == (("family", "language", "value"), [("text", "de", 0.5), ("none", "de", 0.6)])


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_has_its_documented_columns_and_rows(filled: Record, view: str) -> None:
    found = ask(filled, f'SELECT * FROM "{view.upper()}"')  # noqa: S608  the test's own words
    assert found.columns == tuple(VIEWS[view].columns)  # type: ignore[index]
    assert found.rows


def test_only_the_sweeps_own_rows_are_there(filled: Record) -> None:
    assert ask(filled, "SELECT count(*) AS n FROM trials").rows == [(2,)]


def test_json_columns_can_be_taken_apart(filled: Record) -> None:
    found = ask(filled, "SELECT key FROM trials, json_each(config, '$.intermediate.mixture') WHERE number = 0")
    assert found.rows == [("hellaswag",)]


def test_a_recursive_query_that_ends_is_answered(filled: Record) -> None:
    counting = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4) SELECT i FROM n"
    assert ask(filled, counting).rows == [(1,), (2,), (3,), (4,)]


def test_rows_beyond_the_limit_are_left_out_and_told(filled: Record) -> None:
    assert [ask(filled, "SELECT number FROM trials", limit=limit).has_more for limit in (1, 2)] == [True, False]


def test_values_that_json_lacks_become_text(filled: Record) -> None:
    assert ask(filled, "SELECT 1e999 AS a, x'ff' AS b, CAST(x'ff' AS TEXT) AS c").rows == [("inf", "ff", "\ufffd")]


@pytest.mark.parametrize("statement", ESCAPES)
def test_what_writes_or_escapes_is_refused_and_changes_nothing(
    statement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    path = Path(find_home().record)
    with open_record(path) as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=1)
        record.propose("demo", proposal=proposal())
    before, files = path.read_bytes(), sorted(tmp_path.rglob("*"))
    text = statement.format(folder=tmp_path, record=path) if "{" in statement else statement
    assert exit_code(["sql", "demo", text, "--seconds", "0.5"]) == 2
    said = capsys.readouterr().err
    assert "is refused" in said
    assert all(f"{name}({', '.join(view.columns)})" in said for name, view in VIEWS.items())
    assert (path.read_bytes(), sorted(tmp_path.rglob("*"))) == (before, files)


def test_a_refusal_on_any_database_leaves_the_rows(filled: Record) -> None:
    with pytest.raises(QueryRefusedError, match="trials"):
        ask(filled, "DELETE FROM trials")
    assert len(filled.trials("demo")) == 2


def test_the_command_prints_json_and_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    with open_record(find_home().record) as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=1)
        record.propose("demo", proposal=proposal())
    assert exit_code(["sql", "demo", "SELECT number, score FROM trials", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"number": 0, "score": None}]
    assert exit_code(["sql", "demo", "SELECT number, score FROM trials"]) == 0
    assert capsys.readouterr().out.splitlines() == ["number  score", "     0      -"]
    assert exit_code(["sql", "demo", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"trials", "scores", "stages", "events"}


@pytest.fixture
def at_noon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home whose sweep has a trial that was proposed at a known time."""
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("time.time", lambda: 1777636800.25)
    with open_record(find_home().record) as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=1)
        record.propose("demo", proposal=proposal())


@pytest.mark.parametrize(
    ("selected", "line"),
    [
        ("proposed_at FROM trials", "1777636800.25 2026-05-01T12:00:00.250Z"),
        ("proposed_at, proposed_at_iso FROM trials", "1777636800.25  2026-05-01T12:00:00.250Z"),
        ("max(time) FROM events", "1777636800.25 2026-05-01T12:00:00.250Z"),
        ("started_at, started_at_iso FROM trials", "         -               -"),
        ("2e9 / 3 AS bytes", "666666666.667"),
        ("0.1234567 AS score", "0.123457"),
        ("-1e20 AS low", "-1e+20"),
    ],
)
@pytest.mark.usefixtures("at_noon")
def test_times_and_large_numbers_can_be_read(selected: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["sql", "demo", f"SELECT {selected}"]) == 0
    assert line in capsys.readouterr().out.splitlines()[1:]


@pytest.mark.usefixtures("at_noon")
def test_json_has_a_time_as_a_number_and_beside_it_in_iso_8601(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["sql", "demo", "SELECT time, time_iso FROM events LIMIT 1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"time": 1777636800.25, "time_iso": "2026-05-01T12:00:00.250Z"}]


def test_the_documented_columns_are_those_of_the_views() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "query.md").read_text()
    for view in VIEWS.values():
        for column, meaning in view.columns.items():
            assert f"| `{column}` | {meaning} |" in page

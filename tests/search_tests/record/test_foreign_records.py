"""A database that is another program's is refused, and not one byte of it, or beside it, changes."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from search.cli.main import exit_code
from search.errors import RecordForeignError, RecordMissingError, RecordUnusableError
from search.record import open_record
from search.record.integrity.file_identity import APPLICATION_ID
from tests.contracts.smallest import smallest_spec
from tests.postgres import Server
from tests.search_tests.building import proposal
from tests.search_tests.record.test_migrations import load_golden

SPEC = smallest_spec("mine")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XSTILTS_HOME", raising=False)
    (tmp_path / "spec.yaml").write_text(SPEC)
    return tmp_path


def by(*statements: str) -> Callable[[Path], None]:
    """Return what makes a database by statements."""

    def make(path: Path) -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    return make


def optuna_study(path: Path) -> None:
    import optuna

    optuna.create_study(study_name="theirs", storage=f"sqlite:///{path}")


def in_its_log(path: Path) -> None:
    """Make a database whose program was killed: all that it holds is in its write-ahead log."""
    living = path.with_name("living.db")
    with contextlib.closing(sqlite3.connect(living)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE runs (id INTEGER)")
        for suffix in ("", "-wal"):
            path.with_name(path.name + suffix).write_bytes(living.with_name(living.name + suffix).read_bytes())


FOREIGN: dict[str, Callable[[Path], None]] = {
    "an Optuna study": optuna_study,
    "an experiment tracker": by("CREATE TABLE runs (id INTEGER)", "CREATE TABLE alembic_version (version_num TEXT)"),
    "with a write-ahead log": by("PRAGMA journal_mode=WAL", "CREATE TABLE runs (id INTEGER)"),
    "all in its log": in_its_log,
    "views alone": by("CREATE VIEW answers AS SELECT 42 AS answer"),
    "one of our names": by("CREATE TABLE meta (schema_version INTEGER)", "INSERT INTO meta VALUES (3)"),
    "a meta of its own": by("CREATE TABLE meta (name TEXT)"),
    "our names, other columns": by(
        "CREATE TABLE meta (name TEXT)",
        *(f"CREATE TABLE {name} (id INTEGER)" for name in ("sweeps", "trials", "measurements", "events")),
    ),
    "another mark": by("PRAGMA application_id=0x47504B47"),
}
COMMANDS = (
    *(
        ["status"],
        ["status", "mine"],
        ["best", "mine"],
        ["show", "mine", "0"],
        ["compare", "mine"],
        ["confirm", "mine"],
    ),
    *(["report", "mine"], ["sql", "mine", "SELECT 1"], ["export", "mine", "--csv", "out.csv"], ["resume", "mine"]),
    *(["search", "spec.yaml"], ["search", "spec.yaml", "--dry-run"]),
)


def contents() -> dict[str, tuple[bytes, int]]:
    """Return all files of the folder, with what they hold and when they were changed."""
    files = [path for path in Path().rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
def test_another_programs_database_is_refused_by_every_command_and_stays_as_it_is(
    make: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    make(Path("theirs.db").absolute())
    before = contents()
    capsys.readouterr()

    for command in COMMANDS:
        code = exit_code([*command, "--record", "theirs.db"])

        said = capsys.readouterr()
        assert (code, said.out) == (2, ""), command
        assert said.err.startswith("xstilts: record "), command
        assert "is another program's database" in said.err, command
        assert said.err.count("\n") == 1, command
        assert contents() == before, command


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("read_only", [True, False], ids=["read", "written"])
def test_a_foreign_database_in_the_place_of_a_record_is_not_set_aside(
    make: Callable[[Path], None], *, read_only: bool, place: Path
) -> None:
    with open_record(place / "record.db") as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=1)
        record.propose("demo", proposal=proposal())
    (place / "record.db").unlink()
    make(place / "record.db")
    before = contents()

    with pytest.raises(RecordForeignError, match="another place with --record"):
        open_record(place / "record.db", read_only=read_only)
    assert contents() == before


@pytest.mark.parametrize("command", [["doctor"], ["stages", "list"]], ids=" ".join)
def test_a_foreign_database_is_told_by_doctor_and_stages(
    command: list[str], place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for asks in (
        "search.cli.machine_checks.installation_checks.in_child",
        "search.cli.machine_checks.device_checks.in_child",
    ):
        monkeypatch.setattr(asks, lambda *_, **__: "not asked")
    optuna_study(place / "theirs.db")
    (place / "store").mkdir()
    before = contents()

    code = exit_code([*command, "--record", "theirs.db", "--store", "store"])

    said = capsys.readouterr()
    assert code != 0
    assert "is another program's database" in " ".join((said.out + said.err).split())
    assert contents() == before


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_text("no database " * 99), "not a database"),
        (lambda path: path.write_bytes(b"SQLite format 3\0"), "not a database"),
        (lambda path: path.write_bytes(b"SQLite format 3\0" + b"\7" * 9999), "is damaged, or was never one"),
        (Path.mkdir, "is a folder"),
    ],
    ids=["text", "cut short", "noise", "folder"],
)
@pytest.mark.parametrize("command", [["search", "spec.yaml"], ["search", "spec.yaml", "--dry-run"], ["best", "mine"]])
def test_what_is_no_database_is_refused_and_stays_as_it_is(
    command: list[str],
    make: Callable[[Path], object],
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(Path("theirs.db"))
    before = contents()

    code = exit_code([*command, "--record", "theirs.db"])

    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert says in said.err
    assert said.err.count("\n") == 1
    assert contents() == before


EMPTY: dict[str, Callable[[Path], object]] = {
    "no file": lambda _: None,
    "no byte": Path.touch,
    "no table": by("CREATE TABLE gone (id INTEGER)", "DROP TABLE gone"),
}


@pytest.mark.parametrize("make", EMPTY.values(), ids=EMPTY)
def test_an_empty_file_becomes_a_record_that_is_marked(make: Callable[[Path], object], place: Path) -> None:
    make(place / "r.db")
    with pytest.raises(RecordMissingError):
        open_record(place / "r.db", read_only=True)
    with open_record(place / "r.db") as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=1)

    assert mark_of(place / "r.db") == APPLICATION_ID
    with open_record(place / "r.db", read_only=True) as record:
        assert record.sweep("demo").planned_trials == 1


def mark_of(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA application_id").fetchone()[0])


@pytest.mark.parametrize("version", [1, 2])
def test_a_record_from_before_the_mark_is_known_by_its_tables_and_marked(version: int, place: Path) -> None:
    load_golden(str(place / "old.db"), version=version)

    open_record(place / "old.db").close()

    assert mark_of(place / "old.db") == APPLICATION_ID


def test_reading_marks_nothing(place: Path) -> None:
    open_record(place / "r.db").close()
    by("PRAGMA application_id=0")(place / "r.db")
    before = (place / "r.db").read_bytes()

    open_record(place / "r.db", read_only=True).close()

    assert (place / "r.db").read_bytes() == before


def test_a_record_whose_writer_was_killed_before_its_first_checkpoint_is_ours(place: Path) -> None:
    with open_record(place / "living.db") as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=1)
        for suffix in ("", "-wal"):
            (place / f"r.db{suffix}").write_bytes((place / f"living.db{suffix}").read_bytes())

    with open_record(place / "r.db", read_only=True) as record:
        assert record.sweep("demo").planned_trials == 1


def test_a_record_of_a_newer_schema_stays_as_it_is(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_record(place / "r.db").close()
    by("UPDATE meta SET schema_version=999", "PRAGMA journal_mode=DELETE")(place / "r.db")
    before = contents()

    for command in (["search", "spec.yaml"], ["best", "mine"], ["search", "spec.yaml", "--dry-run"]):
        assert exit_code([*command, "--record", "r.db"]) == 2
        assert "update xstilts" in capsys.readouterr().err
    assert contents() == before


def test_a_pipe_is_refused_without_waiting_for_a_writer(place: Path) -> None:
    os.mkfifo(place / "pipe")
    with pytest.raises(RecordUnusableError, match="no regular file"):
        open_record(place / "pipe", read_only=True)


@pytest.fixture
def database(postgres: Server) -> str:
    """URL of an empty PostgreSQL database."""
    return postgres.new_database()


def run(url: str, *statements: str) -> list[tuple[object, ...]]:
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        for statement in statements[:-1]:
            connection.execute(statement.encode())
        cursor = connection.execute(statements[-1].encode())
        return cursor.fetchall() if cursor.description else []


RELATIONS = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname"


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE trials (trial_id INTEGER)", "CREATE TABLE studies (study_id INTEGER)"],
        ["CREATE VIEW answers AS SELECT 42 AS answer"],
        ["CREATE TABLE meta (schema_version INTEGER)", "INSERT INTO meta VALUES (3)"],
        ["CREATE TABLE runs (id INTEGER)", "CREATE SCHEMA postgres", "SELECT 1"],
    ],
    ids=["tables", "a view", "one of our names", "further along the search path"],
)
def test_another_programs_schema_on_a_server_is_refused_and_stays_as_it_is(
    statements: list[str], database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(database, *statements)
    if "CREATE SCHEMA postgres" in statements:
        run(database, "ALTER TABLE runs RENAME TO trials")  # it would hide ours
    before = run(database, RELATIONS)

    for command in (["search", "spec.yaml"], ["search", "spec.yaml", "--dry-run"], ["status"], ["best", "mine"]):
        code = exit_code([*command, "--record", database])
        said = capsys.readouterr()
        assert (code, said.out) == (2, "")
        assert "is another program's database" in said.err
        assert said.err.count("\n") == 1
    assert run(database, RELATIONS) == before


def test_a_schema_of_its_own_beside_another_programs_takes_a_record(database: str) -> None:
    run(database, "CREATE TABLE runs (id INTEGER)", "CREATE SCHEMA mine")
    place = f"{database}?options=-csearch_path%3Dmine"

    with open_record(place) as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=1)

    with open_record(place, read_only=True) as record:
        assert record.sweep("demo").planned_trials == 1
    assert run(database, RELATIONS) == [("runs",)]


def test_tables_beside_ours_do_not_make_an_older_record_foreign(database: str) -> None:
    open_record(database).close()
    run(database, "CREATE TABLE runs (id INTEGER)")

    with open_record(database) as record:
        assert record.sweeps() == ()


@pytest.mark.parametrize(
    ("grant", "says"),
    [("GRANT USAGE ON SCHEMA mine TO nobody_here", "permission denied"), ("SELECT 1", "no schema has been selected")],
    ids=["may not make tables", "sees no schema"],
)
def test_a_server_that_does_not_let_this_user_make_tables_is_one_message(
    grant: str, says: str, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(database, "CREATE SCHEMA mine", "DROP ROLE IF EXISTS nobody_here", "CREATE ROLE nobody_here LOGIN", grant)
    place = database.replace("postgres@", "nobody_here@") + "?options=-csearch_path%3Dmine"

    code = exit_code(["search", "spec.yaml", "--record", place])

    said = capsys.readouterr()
    run(database, "DROP OWNED BY nobody_here", "DROP ROLE nobody_here")
    assert code == 2
    assert says in said.err
    assert said.err.count("\n") == 1

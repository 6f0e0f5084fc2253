"""Opens the database of a record, and converts the database's errors into those of `search.errors`."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any  # DB-API connections have no shared static type

from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, inspect, make_url, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from search.errors import (
    RecordDamagedError,
    RecordForeignError,
    RecordFullError,
    RecordMissingError,
    RecordNewerError,
    RecordOlderError,
    RecordUnusableError,
    SearchError,
)
from search.record.integrity.file_identity import APPLICATION_ID, check_file, describe_tables, is_ours
from search.record.integrity.guard import Guard, check_before_opening
from search.record.integrity.read_only_copy import check_writable, copied, needs_copy, uri_to_read
from search.record.integrity.witness import WITNESS
from search.record.migrations import migrate
from search.record.schema import METADATA, SCHEMA_VERSION, meta
from trainables.config import canonical_json
from trainables.names import expanded

log = logging.getLogger(__name__)

BUSY_SECONDS = 30
"""How long a writer waits for another writer before it raises an error."""
_READ_ONLY_SQLSTATE = "25006"
_NOT_ALLOWED_SQLSTATES = {"42501", "3F000"}
"""Insufficient privilege, or no schema in which tables can be created."""
_DAMAGED_CODES = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDatabase:
    """The open database of a record."""

    engine: Engine
    guard: Guard | None
    """Guards the file; None for a reader, and on a server."""
    copy: contextlib.ExitStack
    """Holds the temporary copy of the file that is read instead, if there is one."""

    def close(self) -> None:
        """Close the connections, seal the file, and delete the temporary copy."""
        self.engine.dispose()
        if self.guard is not None:
            self.guard.close()
        self.copy.close()


def open_database(where: str | Path, *, read_only: bool) -> OpenDatabase:
    """Open and check the record at a path or database URL, and create its tables if they are missing.

    Args:
        where: Path of an SQLite file, or an SQLAlchemy URL.
        read_only: Whether the record is only read; it must exist, and is not changed.

    Raises:
        RecordMissingError: `read_only` is set, and the record does not exist.
        RecordForeignError: The database belongs to another program.
        RecordNewerError: It has a newer schema.
        RecordOlderError: `read_only` is set, and its older schema cannot be migrated.
        RecordDamagedError: The file is damaged, and no good snapshot exists.
        RecordUnusableError: It cannot be opened, or the URL names no known database.
    """
    url = _url(where)
    shown = url.render_as_string()
    is_file = url.get_backend_name() == "sqlite"
    with contextlib.ExitStack() as stack:
        if is_file:
            url = stack.enter_context(_file_to_open(url, read_only=read_only))
        guard = _guard(url, read_only=read_only) if is_file else None
        engine = _sqlite_engine(url, read_only=read_only) if is_file else _server_engine(url)
        event.listen(engine, "handle_error", partial(_translate, shown=shown), retval=True)
        if read_only and engine.dialect.name == "postgresql":
            engine = engine.execution_options(postgresql_readonly=True)
        opened = OpenDatabase(engine=engine, guard=guard, copy=stack.pop_all())
    try:
        _prepare(engine, shown, read_only=read_only)
    except SearchError:
        opened.close()
        raise
    return opened


@contextlib.contextmanager
def _file_to_open(url: URL, *, read_only: bool) -> Generator[URL]:
    path = Path(url.database or "").absolute()
    check_file(path)  # before any file is written beside it
    if not read_only:
        check_writable(path)
    if not read_only or not needs_copy(path):
        yield url
        return
    with copied(path, also=(WITNESS,)) as copy:
        yield url.set(database=str(copy))


def _guard(url: URL, *, read_only: bool) -> Guard | None:
    path = Path(url.database or "").absolute()
    if not read_only:
        _make_folder(path.parent)
    return check_before_opening(path, read_only=read_only)


def writing_engine(engine: Engine) -> Engine:
    """Return an engine whose transactions take the write lock when they begin.

    Without this, SQLite refuses at once a transaction that has read and then writes after another writer.
    """
    return engine.execution_options(xstilts_writes=True)


def _url(where: str | Path) -> URL:
    if isinstance(where, Path) or "://" not in where:
        return URL.create("sqlite", database=str(expanded(where, what="the record").absolute()))
    try:
        url = make_url(where)
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        msg = (
            f"record URL {where!r} names no known database ({error}); use a path, sqlite:///PATH, or "
            "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
        )
        raise RecordUnusableError(msg) from error
    if url.get_backend_name() == "sqlite" and not url.database:
        msg = f"record URL {where!r} names no file; a record must be stored on disk: use sqlite:///PATH"
        raise RecordUnusableError(msg)
    return url


def _server_engine(url: URL) -> Engine:
    try:
        return create_engine(url, json_serializer=canonical_json, pool_pre_ping=True)
    except ModuleNotFoundError as error:
        msg = (
            f"record {url.render_as_string()} needs the Python package {error.name!r}, which is not installed; "
            "install it (PostgreSQL: pip install 'xstilts[postgres]')"
        )
        raise RecordUnusableError(msg) from error


def _sqlite_engine(url: URL, *, read_only: bool) -> Engine:
    path = Path(url.database or "").absolute()
    if not path.exists() and read_only:
        msg = (
            f"there is no record at {path}; a search creates it: start one with `xstilts search demo`, "
            "or give the path of your record with --record or XSTILTS_HOME"
        )
        raise RecordMissingError(msg)
    source = uri_to_read(path) if read_only else path.as_uri() + "?mode=rwc"

    def connect() -> sqlite3.Connection:
        # Autocommit: transactions begin in _begin, and sqlite3 begins none by itself.
        connection = sqlite3.connect(
            source, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        if not read_only:
            _set_durable(connection)
        return connection

    engine = create_engine("sqlite:///" + str(path), creator=connect, json_serializer=canonical_json)
    event.listen(engine, "begin", _begin)
    return engine


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = (
            f"the record's folder {folder} cannot be created ({error.strerror}); its parent must be writable: choose "
            "another folder with --record or XSTILTS_HOME"
        )
        raise RecordUnusableError(msg) from error


def _set_durable(connection: Any) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("xstilts_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _prepare(engine: Engine, shown: str, *, read_only: bool) -> None:
    with engine.connect() as connection:
        version = _version(connection)
    if version is None and read_only:
        msg = f"the database {shown} holds no record; a search creates it: start one with `xstilts search demo`"
        raise RecordMissingError(msg)
    if version is None:
        version = _create(engine)
    if version > SCHEMA_VERSION:
        raise RecordNewerError(shown, version=version, known=SCHEMA_VERSION)
    if version < SCHEMA_VERSION and read_only:
        _migrate_for_reader(engine, shown, version=version)
    elif version < SCHEMA_VERSION:
        _migrate(engine)
    if not read_only and engine.dialect.name == "sqlite":
        _mark(engine)


def _version(connection: Connection) -> int | None:
    """Return the schema version of the record in a database; None if there is no record yet.

    Raises:
        RecordForeignError: The database has tables of another program.
    """
    names, blocking = _tables(connection)
    if is_ours(names) and "schema_version" in {column["name"] for column in inspect(connection).get_columns("meta")}:
        return connection.scalar(select(meta.c.schema_version))
    if blocking:
        raise RecordForeignError(connection.engine.url.render_as_string(), holds=describe_tables(blocking))
    return None


def _tables(connection: Connection) -> tuple[set[str], set[str]]:
    """Return the tables and views that statements find, and those of them that prevent creating a record."""
    if connection.dialect.name != "postgresql":
        found = inspect(connection)
        names = {*found.get_table_names(), *found.get_view_names()}
        return names, names
    rows = connection.execute(text(_RELATIONS)).all()
    names = {name for _, name in rows}
    return names, {name for is_first, name in rows if is_first or name in METADATA.tables}


_RELATIONS = """
    SELECT n.nspname = current_schema(), c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY (current_schemas(false)) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""
"""Selects tables and views on PostgreSQL's search path, except those of extensions (such as `pg_stat_statements`)."""


def _mark(engine: Engine) -> None:
    """Set the application_id of a record that an older version wrote without one."""
    with engine.connect() as connection:
        if connection.exec_driver_sql("PRAGMA application_id").scalar():
            return
    with writing_engine(engine).begin() as connection:
        connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")


def _create(engine: Engine) -> int:
    with writing_engine(engine).begin() as connection:
        _lock_schema(connection)
        version = _version(connection)
        if version is None:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql(f"PRAGMA application_id={APPLICATION_ID}")
            METADATA.create_all(connection)
            connection.execute(meta.insert().values(schema_version=SCHEMA_VERSION))
        return version or SCHEMA_VERSION


def _migrate(engine: Engine) -> None:
    with writing_engine(engine).begin() as connection:
        _lock_schema(connection)
        version = _version(connection)
        if version is not None and version < SCHEMA_VERSION:
            log.warning("the record is migrated from schema %d to %d", version, SCHEMA_VERSION)
            migrate(connection, version=version)


def _migrate_for_reader(engine: Engine, shown: str, *, version: int) -> None:
    """Migrate an older record to the newest schema before it is read.

    Raises:
        RecordOlderError: It cannot be migrated.
    """
    place = engine.url
    try:
        open_database(place.render_as_string(hide_password=False), read_only=False).close()
    except SearchError as error:
        raise RecordOlderError(shown, version=version, known=SCHEMA_VERSION) from error


def _lock_schema(connection: Connection) -> None:
    """Wait for other processes that create or change tables (PostgreSQL); on SQLite the transaction itself waits."""
    if connection.dialect.name == "postgresql":
        # The number is arbitrary, but must be the same in all processes.
        connection.execute(text("SELECT pg_advisory_xact_lock(7837453)"))


def _translate(context: ExceptionContext, shown: str) -> SearchError | None:
    original = context.original_exception
    if isinstance(original, sqlite3.Error):
        writes = context.connection is not None and context.connection.get_execution_options().get("xstilts_writes")
        return _of_sqlite(original, shown, writes=bool(writes))
    if getattr(original, "sqlstate", None) == _READ_ONLY_SQLSTATE:
        return RecordUnusableError(f"record {shown} was opened read-only and cannot be changed; open it for writing")
    if getattr(original, "sqlstate", None) in _NOT_ALLOWED_SQLSTATES:
        return RecordUnusableError(
            f"record {shown} cannot be used by this user ({str(original).splitlines()[0]}); the user needs the right "
            "to create and write tables in a schema: grant it, or choose another database with --record"
        )
    if isinstance(context.sqlalchemy_exception, DBAPIError) and context.connection is None:
        return RecordUnusableError(
            f"record {shown} cannot be reached ({' '.join(str(original).split())}); the server must be running and "
            "accept this user: check the URL, the password and the network"
        )
    return None


def _of_sqlite(error: sqlite3.Error, shown: str, *, writes: bool) -> SearchError | None:
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    if primary in _DAMAGED_CODES:
        return RecordDamagedError(
            f"record {shown} is damaged ({error}); SQLite cannot read it: restore a backup, or move the file away and "
            "start the search again (it reuses finished stages in the store)"
        )
    if primary == sqlite3.SQLITE_FULL or (writes and primary == sqlite3.SQLITE_IOERR):
        return RecordFullError(shown)
    if isinstance(error, sqlite3.OperationalError) and primary != sqlite3.SQLITE_ERROR:
        return RecordUnusableError(
            f"record {shown} cannot be used ({error}); its file and folder must be writable, on a local disk with "
            "free space: choose another path with --record or XSTILTS_HOME"
        )
    return None

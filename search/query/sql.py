"""A user's SELECT over the views of one sweep.

It never runs in the record: the rows of the views that it names are copied to a database in memory, whose authorizer
allows reading them and calling harmless functions, and nothing else. So no statement can write to the record, reach
another sweep or a file, whatever SQLite learns to do; and records on PostgreSQL answer in the same dialect.
"""

from __future__ import annotations

import contextlib
import math
import re
import sqlite3
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import get_args

from search.errors import QueryRefusedError
from search.query.views import VIEWS, ViewName, describe_views, read_view
from search.record import Record

Cell = str | float | int | None
_FUNCTIONS = frozenset(
    """
    abs acos asin atan atan2 avg ceil ceiling char coalesce concat concat_ws cos count cume_dist date datetime
    degrees dense_rank exp first_value floor format glob group_concat hex ifnull iif instr json json_array
    json_array_length json_each json_extract json_group_array json_group_object json_object json_quote json_tree
    json_type json_valid julianday lag last_value lead length like ln log log10 log2 lower ltrim max min mod
    nth_value ntile nullif percent_rank pi pow power printf quote radians rank replace round row_number rtrim sign
    sin sqrt strftime string_agg substr substring sum tan time total trim trunc typeof unicode unixepoch upper ->
    ->>
    """.split()  # noqa: SIM905  a list of words reads best as words
)
"""Functions that a statement may call: none reads a file, loads code, or says what the machine is."""
_TABLES = frozenset({*VIEWS, "json_each", "json_tree"})
_MAX_BYTES = 50_000_000
"""Of one value or one row."""
_STEPS = 10_000
"""SQLite's virtual instructions between two looks at the clock; milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """What a SELECT gave."""

    columns: tuple[str, ...]
    """Their names, each one once."""
    rows: list[tuple[Cell, ...]]
    """In the statement's order."""
    has_more: bool
    """Whether rows were left out for the limit."""


def run_sql(record: Record, *, sweep: str, statement: str, limit: int, seconds: float) -> Selected:
    """Return the rows of one SELECT over the views of a sweep.

    Args:
        record: Where the sweep is; nothing can change it.
        sweep: Its name.
        statement: One SELECT, VALUES or WITH ... SELECT in SQLite's dialect.
        limit: How many rows at most.
        seconds: How long it may take.

    Raises:
        UnknownSweepError: There is no such sweep.
        QueryRefusedError: It is no SELECT, reads or calls something else, is malformed, or takes too long.
    """
    record.sweep(sweep)
    with contextlib.closing(_copy(record, sweep=sweep, statement=statement)) as memory:
        _restrict(memory, seconds=seconds)
        with _refusing(statement, seconds=seconds):
            cursor = memory.execute(statement)
            rows = cursor.fetchmany(limit + 1)
    columns = tuple(name for name, *_ in cursor.description or ())
    if not columns:
        raise QueryRefusedError(statement, reason="it selects nothing", views=describe_views())
    if repeated := {name for name in columns if columns.count(name) > 1}:
        reason = f"it gives several columns the name {min(repeated)!r}; rename one with AS"
        raise QueryRefusedError(statement, reason=reason, views=describe_views())
    cells = [tuple(map(_cell, row)) for row in rows[:limit]]
    return Selected(columns=columns, rows=cells, has_more=len(rows) > limit)


def _copy(record: Record, *, sweep: str, statement: str) -> sqlite3.Connection:
    memory = sqlite3.connect(":memory:", isolation_level=None)
    memory.text_factory = _decode
    words = set(re.findall(r"\w+", statement.lower()))
    views: tuple[ViewName, ...] = get_args(ViewName)
    for view in views:
        columns = VIEWS[view].columns
        memory.execute(f"CREATE TABLE {view} ({', '.join(columns)})")
        if view in words:
            places = ", ".join("?" * len(columns))
            memory.execute("BEGIN")
            memory.executemany(
                f"INSERT INTO {view} VALUES ({places})",  # noqa: S608  our own names
                read_view(record, sweep=sweep, view=view),
            )
            memory.execute("COMMIT")
    return memory


def _restrict(memory: sqlite3.Connection, *, seconds: float) -> None:
    for table in ("json_each", "json_tree"):  # each is made at its first use, which the authorizer would not allow
        memory.execute(f"SELECT * FROM {table}('[]')").fetchall()  # noqa: S608  our own names
    memory.execute("PRAGMA temp_store=MEMORY")
    memory.execute("PRAGMA query_only=ON")
    memory.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_BYTES)
    memory.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    end = time.monotonic() + seconds
    memory.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    memory.set_authorizer(_authorize)


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    match action:
        case sqlite3.SQLITE_SELECT | sqlite3.SQLITE_RECURSIVE:
            allowed = True
        case sqlite3.SQLITE_READ:
            allowed = (first or "").lower() in _TABLES
        case sqlite3.SQLITE_FUNCTION:
            allowed = (second or "").lower() in _FUNCTIONS
        case _:
            allowed = False
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


@contextlib.contextmanager
def _refusing(statement: str, *, seconds: float) -> Generator[None]:
    try:
        yield
    # sqlite3.Warning, no Error before Python 3.12, is what two statements raise; UnicodeError: no UTF-8.
    except (sqlite3.Error, sqlite3.Warning, UnicodeError) as error:
        code = getattr(error, "sqlite_errorcode", None)
        reason = str(error)
        if code == sqlite3.SQLITE_INTERRUPT:
            reason = f"it took longer than {seconds:g} s, ask for less"
        elif code == sqlite3.SQLITE_AUTH:
            reason = f"it may only read the views and call harmless functions ({error})"
        raise QueryRefusedError(statement, reason=reason, views=describe_views()) from None


def _decode(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _cell(value: str | bytes | float | None) -> Cell:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such number
    return value

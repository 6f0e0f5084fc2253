"""Runs a user's SELECT on the views of one sweep.

The statement never runs in the record. The rows of the views that it names are copied to a database in memory, and a
process of its own runs the statement there (`sql_process`). An authorizer allows only to read the views and to call
harmless functions. So a statement cannot write to the record, nor read another sweep or a file, also in later versions
of SQLite; and it ends in time whatever it does. A record on PostgreSQL has the same dialect.
"""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, get_args  # Any: an answer of JSON has no static type

from search.errors import QueryRefusedError
from search.query import sql_process
from search.query.sql_process import MAX_ANSWER_BYTES, MEMORY_BYTES, Cell
from search.query.views import VIEWS, ViewName, describe_views, read_view
from search.record import Record

_PIPE = subprocess.PIPE
_START_SECONDS = 60
"""The longest time that the process takes to start and to read the database, and to write its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """The rows that a SELECT returned."""

    columns: tuple[str, ...]
    """Names of the columns, all different."""
    rows: list[tuple[Cell, ...]]
    """Rows in the order of the statement."""
    has_more: bool
    """Whether there are more rows than the limit."""


def run_sql(record: Record, *, sweep: str, statement: str, limit: int, seconds: float) -> Selected:
    """Return the rows of one SELECT over the views of a sweep.

    Args:
        record: Record with the sweep; the statement cannot change it.
        sweep: Name of the sweep.
        statement: One SELECT, VALUES or WITH ... SELECT in SQLite's dialect.
        limit: The most rows to return.
        seconds: Time limit in seconds.

    Raises:
        UnknownSweepError: There is no such sweep.
        QueryRefusedError: The statement is not a SELECT, reads or calls anything else, has a wrong syntax, or takes too
            long or too much memory.
    """
    record.sweep(sweep)
    with contextlib.closing(_copy(record, sweep=sweep, statement=statement)) as memory:
        database = memory.serialize()
    answer = _asked(database, statement=statement, limit=limit, seconds=seconds)
    if isinstance(answer, str):
        raise QueryRefusedError(statement, reason=answer, views=describe_views())
    columns, rows = tuple(answer["columns"]), [tuple(row) for row in answer["rows"]]
    if not columns:
        raise QueryRefusedError(statement, reason="it selects nothing", views=describe_views())
    if repeated := {name for name in columns if columns.count(name) > 1}:
        reason = f"several of its columns have the name {min(repeated)!r}; rename one with AS"
        raise QueryRefusedError(statement, reason=reason, views=describe_views())
    return Selected(columns=columns, rows=rows[:limit], has_more=len(rows) > limit)


def _copy(record: Record, *, sweep: str, statement: str) -> sqlite3.Connection:
    memory = sqlite3.connect(":memory:", isolation_level=None)
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


def _asked(database: bytes, *, statement: str, limit: int, seconds: float) -> dict[str, Any] | str:
    """Return the columns and rows of a statement, or why it has none. The process ends before this function does."""
    question = {"statement": statement, "limit": limit, "seconds": seconds, "num_bytes": len(database)}
    asked = json.dumps(question).encode() + b"\n" + database
    words = [sys.executable, "-I", "-S", sql_process.__file__]
    with subprocess.Popen(words, stdin=_PIPE, stdout=_PIPE) as process:  # noqa: S603  our own script
        try:
            said, _ = process.communicate(asked, timeout=seconds + _START_SECONDS)
        except subprocess.TimeoutExpired:
            return _too_long(seconds)
        finally:  # also after Ctrl-C
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode == -signal.SIGALRM:
        return _too_long(seconds)
    answer: dict[str, Any] = json.loads(said) if process.returncode == 0 else {"too_large": True}
    if "too_large" in answer:
        return (
            f"it needs more than {MEMORY_BYTES // 2**20} MiB of memory, or its rows have more than "
            f"{MAX_ANSWER_BYTES // 10**6} MB; select less, or lower --limit"
        )
    if "error" in answer:
        reason = str(answer["error"])
        return f"it can only read the views and call harmless functions ({reason})" if answer["is_denied"] else reason
    return answer


def _too_long(seconds: float) -> str:
    return f"it took longer than {seconds:g} s; simplify it, or raise --seconds"

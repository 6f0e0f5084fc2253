"""The process that runs one user's SELECT, on a copy of the views in memory; `search.query.sql` starts it.

SQLite can spend hours inside one function without asking whether it should stop: `instr` of two long texts does. So a
statement runs in a process of its own, which the kernel ends when the time is up, and which can have only so much
memory. It starts as a script with the standard library alone, in some 50 ms, and opens no file.

It reads one line of JSON and the bytes of a database from its input, and writes one JSON object to its output.
"""

from __future__ import annotations

import contextlib
import json
import math
import resource
import signal
import sqlite3
import sys
from collections.abc import Mapping

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
"""Functions that a statement can call: none of them reads a file, loads code, or reads facts about the machine."""
_TREES = ("json_each", "json_tree")
_OF_SQLITE = ("sqlite_", "pragma_")
_MAX_VALUE_BYTES = 50_000_000
"""The largest size of a value or a row."""
MAX_ANSWER_BYTES = 256_000_000
"""The largest size of all rows together."""
_LEAST_SECONDS = 0.001
MEMORY_BYTES = 2**30
"""What a statement can use beside the database."""


def main() -> None:
    """Answer the question on standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both processes, and the other one ends this one
    question = json.loads(sys.stdin.buffer.readline())
    _bound_memory(MEMORY_BYTES + 3 * question["num_bytes"])
    try:
        text = json.dumps(_answer(sys.stdin.buffer.read(), question))
    except MemoryError:
        text = json.dumps({"too_large": True})
    sys.stdout.write(text)


def _answer(database: bytes, question: Mapping[str, str | int | float]) -> Mapping[str, object]:
    """Return the rows, or why there are none."""
    statement, limit = str(question["statement"]), int(question["limit"])
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
        memory.text_factory = _decoded
        memory.deserialize(database)
        _restrict(memory)
        # Nobody handles the alarm: the kernel ends this process. A program that ignores or blocks it leaves that to
        # the processes that it starts. A time of 0 would mean that there is none.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
        signal.setitimer(signal.ITIMER_REAL, max(float(question["seconds"]), _LEAST_SECONDS))
        try:
            cursor = memory.execute(statement)
            rows = _rows(cursor, limit=limit)
        # Two statements raise sqlite3.Warning, which is not a sqlite3.Error before Python 3.12; text without UTF-8
        # raises UnicodeError.
        except (sqlite3.Error, sqlite3.Warning, UnicodeError) as error:
            denied = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_AUTH
            return {"error": str(error), "is_denied": denied}
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        columns = [name for name, *_ in cursor.description or ()]
    return {"too_large": True} if rows is None else {"columns": columns, "rows": rows}


def _rows(cursor: sqlite3.Cursor, *, limit: int) -> list[tuple[Cell, ...]] | None:
    """Return at most one row more than the limit, or None when they are too large together."""
    rows: list[tuple[Cell, ...]] = []
    num_bytes = 0
    for row in cursor:
        rows.append(tuple(map(_cell, row)))
        num_bytes += sum(len(cell) if isinstance(cell, str) else 8 for cell in rows[-1])
        if num_bytes > MAX_ANSWER_BYTES:
            return None
        if len(rows) > limit:
            break
    return rows


def _bound_memory(num_bytes: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(ValueError, OSError):  # macOS has no such limit; the other bounds hold there
        allowed = num_bytes if hard == resource.RLIM_INFINITY else min(num_bytes, hard)
        resource.setrlimit(resource.RLIMIT_AS, (allowed, hard))


def _restrict(memory: sqlite3.Connection) -> None:
    views = [name for (name,) in memory.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in _TREES:  # SQLite creates them at their first use, which the authorizer denies
        memory.execute(f"SELECT * FROM {table}('[]')").fetchall()  # noqa: S608  our own names
    memory.execute("PRAGMA temp_store=MEMORY")
    memory.execute("PRAGMA query_only=ON")
    memory.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
    memory.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    tables = frozenset({*views, *_TREES})

    def authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        match action:
            case sqlite3.SQLITE_SELECT | sqlite3.SQLITE_RECURSIVE:
                allowed = True
            case sqlite3.SQLITE_READ:
                name = (first or "").lower()
                # Without a column it reads no value, as `count(*)` over a WITH does, whose name is the user's.
                allowed = name in tables or (second == "" and not name.startswith(_OF_SQLITE))
            case sqlite3.SQLITE_FUNCTION:
                allowed = (second or "").lower() in _FUNCTIONS
            case _:
                allowed = False
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    memory.set_authorizer(authorize)


def _decoded(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _cell(value: str | bytes | float | None) -> Cell:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such number
    return value


if __name__ == "__main__":
    main()

"""A SELECT ends in time and in bounded memory, whatever SQLite is busy with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from search.errors import QueryRefusedError
from search.query import sql
from search.query.sql import run_sql
from search.record import Record, open_record

FOREVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT"
TEXT, NEEDLE = "printf('%.*c', 40000000, 'a')", "printf('%.*c', 20000000, 'a') || 'b'"
LONG = {
    "one call of instr": f"SELECT instr({TEXT}, {NEEDLE})",
    "one call of replace": f"SELECT length(replace({TEXT}, {NEEDLE}, ''))",
    "one call of trim": f"SELECT length(trim({TEXT}, printf('%.*c', 4000000, 'b') || 'a'))",
    "endless rows": f"{FOREVER} sum(i) FROM n",
    "an endless sort": f"{FOREVER} i % 7 AS x FROM n ORDER BY x",
}
LARGE = {
    "rows": f"{FOREVER} printf('%.*c', 40000000, 'a') || i FROM n",
    "a sort": f"{FOREVER} printf('%.*c', 40000000, 'a') || i AS x FROM n ORDER BY x",
}


@pytest.fixture
def filled(tmp_path: Path) -> Generator[Record]:
    with open_record(tmp_path / "record.db") as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=1)
        yield record


def ask(record: Record, statement: str, *, seconds: float) -> object:
    return run_sql(record, sweep="demo", statement=statement, limit=1_000_000, seconds=seconds)


@pytest.mark.slow
@pytest.mark.parametrize("what", LONG)
def test_it_ends_when_the_time_is_up_also_inside_one_function(filled: Record, what: str) -> None:
    start = time.monotonic()
    with pytest.raises(QueryRefusedError, match="it took longer than 1 s; simplify it, or raise --seconds"):
        ask(filled, LONG[what], seconds=1)
    assert time.monotonic() - start < 8


def test_it_ends_in_time_where_a_shell_ignores_alarms(filled: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else only the wait of the process that asks would end it, seconds later."""
    monkeypatch.setattr(sql, "_START_SECONDS", 60.0)
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        with pytest.raises(QueryRefusedError, match="second"):
            ask(filled, LONG["one call of instr"], seconds=0.5)
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("what", LARGE)
def test_it_ends_when_it_needs_too_much_memory(filled: Record, what: str) -> None:
    with pytest.raises(QueryRefusedError, match="MiB of memory"):
        ask(filled, LARGE[what], seconds=60)


def test_a_with_clause_can_be_counted_and_what_is_sqlites_cannot(filled: Record) -> None:
    found = run_sql(filled, sweep="demo", statement="WITH a AS (SELECT 1) SELECT count(*) FROM a", limit=1, seconds=9)
    assert found.rows == [(1,)]
    with pytest.raises(QueryRefusedError):
        ask(filled, "SELECT count(*) FROM sqlite_master", seconds=9)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_inside_one_function_and_leaves_no_process(tmp_path: Path, number: int) -> None:
    with open_record(tmp_path / "record.db") as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=1)
    words = ["sql", "demo", LONG["one call of instr"], "--record", str(tmp_path / "record.db"), "--seconds", "600"]
    # A shell that starts the tests in the background lets them ignore SIGINT.
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heeding}; from search.cli.main import main; main({words!r})"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) as running:
        while not (inside := children_of(running.pid)):
            time.sleep(0.05)
        time.sleep(0.5)
        start = time.monotonic()
        running.send_signal(number)
        said = running.communicate(timeout=30)[1]
    assert (running.returncode, time.monotonic() - start < 5) == (3, True)
    assert "interrupted" in said
    assert not any(Path("/proc", str(pid)).exists() for pid in inside)


def children_of(pid: int) -> list[int]:
    """Return the processes that run a statement for a process."""
    found: list[int] = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rsplit(")", 1)[1].split()[1])
            words = (place / "cmdline").read_bytes()
        except (OSError, IndexError):
            continue
        if parent == pid and b"sql_process" in words:
            found.append(int(place.name))
    return found


def test_the_process_imports_the_standard_library_alone() -> None:
    import search.query.sql_process as module

    code = (
        "import runpy, sys, io; before = set(sys.modules); "
        f"runpy.run_path({module.__file__!r}, run_name='read'); print(*sorted(set(sys.modules) - before))"
    )
    said = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True).stdout
    assert {name.split(".")[0] for name in said.split()} <= sys.stdlib_module_names, os.linesep.join(said.split())

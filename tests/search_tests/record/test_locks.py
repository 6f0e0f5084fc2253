"""A process that has a record open keeps SQLite's locks on it, whatever else it does with the file.

Locks of POSIX end when a process closes any descriptor of a file. A process without them loses what it writes: the
next one that closes the record takes itself for the last, and removes the log that the first goes on writing to.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from search.record import open_record
from search.record.integrity.audit import audit
from search.record.integrity.snapshots import take_snapshot
from tests.search_tests.building import proposal


def read(path: Path) -> None:
    with open_record(path, read_only=True) as record:
        assert record.sweeps()


def write(path: Path) -> None:
    with open_record(path) as record:
        record.put_sweep("again", spec={}, objective="average", planned_trials=1)


def keep(path: Path) -> None:
    assert take_snapshot(path)


def check(path: Path) -> None:
    assert audit(path).event > 0


ANOTHER = """
import sys
from search.record import open_record

with open_record(sys.argv[1]) as record:
    record.put_sweep("another", spec={}, objective="average", planned_trials=1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("act", [read, write, keep, check])
def test_what_is_written_after_the_file_was_opened_again_is_there(act: Callable[[Path], None], tmp_path: Path) -> None:
    place = tmp_path / "record.db"
    with open_record(place) as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=3)
        log = place.with_name("record.db-wal").stat().st_ino
        act(place)
        subprocess.run([sys.executable, "-c", ANOTHER, place], check=True)
        kept = place.with_name("record.db-wal").stat().st_ino
        record.propose("demo", proposal=proposal())
        with open_record(place, read_only=True) as reader:
            seen = [len(reader.trials("demo")), {one.name for one in reader.sweeps()} >= {"demo", "another"}]

    assert kept == log
    assert seen == [1, True]
    assert audit(place).event > 0

"""Measures how long opening a record takes: closed normally, copied, and after its writer was killed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from search.record import open_record
from search.record.integrity.snapshots import snapshots_folder, take_snapshot

_KILLED = """
import sys, time
from search.record import open_record
record = open_record(sys.argv[1])
record.plan("bench", planned_trials=10**9)
print("open", flush=True)
time.sleep(600)
"""


def resume_lines(folder: Path) -> list[str]:
    """Return the seconds that opening takes, a line for each state of a record, and those of a snapshot.

    Args:
        folder: Has `record.db`, closed normally.
    """
    place = folder / "record.db"
    size = place.stat().st_size / 1e6
    in_order = _seconds_to_open(place)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        copy = Path(scratch) / "record.db"
        for name in ("record.db", "record.db.witness"):
            shutil.copyfile(folder / name, Path(scratch) / name)
        copied = _seconds_to_open(copy)
        with subprocess.Popen([sys.executable, "-c", _KILLED, str(copy)], stdout=subprocess.PIPE) as writer:
            _ = writer.stdout and writer.stdout.readline()
            writer.kill()
        killed = _seconds_to_open(copy)
        began = time.perf_counter()
        shutil.rmtree(snapshots_folder(copy), ignore_errors=True)
        take_snapshot(copy)
        snapshot = time.perf_counter() - began
    return [
        "",
        f"opening the record of {size:.0f} MB, seconds",
        f"  closed in order                   {in_order:8.4f}",
        f"  copied, known by its bytes        {copied:8.4f}",
        f"  writer killed, checked whole      {killed:8.4f}",
        f"one snapshot, in the background     {snapshot:8.4f}",
    ]


def _seconds_to_open(place: Path) -> float:
    began = time.perf_counter()
    record = open_record(place, read_only=True)
    seconds = time.perf_counter() - began
    record.close()
    return seconds

"""A process that owns the sweep `demo` of a record and does as it is told, line by line."""

from __future__ import annotations

import sys
import time

from search.errors import SearchError
from search.record import HeartbeatTimes, Ownership, open_record, own_sweep
from tests.search_tests.building import proposal


def answer(ownership: Ownership, line: str) -> str:
    """Return what came of one line."""
    try:
        if line == "check":
            time.sleep(0.5)  # a few beats
            ownership.check()
            return "owns"
        return f"trial {ownership.record.propose('demo', proposal=proposal()).number}"
    except SearchError as error:
        return type(error).__name__


def main(where: str) -> None:
    with open_record(where) as record:
        try:
            ownership = own_sweep(record, "demo", heartbeat=HeartbeatTimes(beat_seconds=0.1))
        except SearchError as error:
            print(type(error).__name__, flush=True)  # noqa: T201  the test reads it
            sys.stdin.read()
            return
        with ownership:
            print(f"owns {ownership.fence}", flush=True)  # noqa: T201  the test reads it
            for line in sys.stdin:
                print(answer(ownership, line.strip()), flush=True)  # noqa: T201  the test reads it


if __name__ == "__main__":
    main(sys.argv[1])

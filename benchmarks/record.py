"""Measures how fast the record reads and writes, beside Optuna's storages and Ray Tune's results, on one sweep.

    python benchmarks/record.py [--small | --trials N] [--sides SIDE ...] [--folder FOLDER] [--regret SEEDS]
        [--save FILE]

Every side has the same 10,000 finished trials of 5 rungs and 15 languages (`records/made_trials.py`). A new process
answers each question, and the clock starts after its imports. Ours runs with the same guards as in a sweep: the record
is checked when it is opened, and a result is durable when the call returns (SQLite, WAL, synchronous=FULL; Optuna's
SQLite storage and journal also sync at each write). A suggestion is timed from reading the record to the recorded
proposal, with the same sampler on all sides (TPE), and with our default sampler on ours. Two questions are not asked of
Tune: it stores no single result durably, and its searchers propose as Optuna in memory does.

--folder keeps the records that were built, and reuses them. --regret compares TPE that sees a window of the trials with
TPE that sees all of them, on standard functions.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from machine import heading, save
from records.resuming import resume_lines
from samplers.regret import regret_lines

FOLDER = Path(__file__).parent
CONTENDERS = "records.record_contenders"
SIDES = ("ours", "optuna-sqlite", "optuna-journal", "tune")
BOUNDS = {"best": 0.050, "table": 0.5, "result": 0.005, "suggest": 0.100, "suggest_stage_aware": 0.200}
"""Seconds that ours may take at 10,000 trials on a quiet machine with two cores."""
LARGE = 100_000
BOUNDS_OF_LARGE = {"best": 0.100, "table": 5.0, "result": 0.005, "suggest": 0.200, "suggest_stage_aware": 0.200}
"""The same at 100,000 trials; the table grows with the trials, which it prints."""
QUESTIONS = {
    "best": "best configuration, cold",
    "table": "full table, cold",
    "result": "one durable result, median",
    "suggest": "one suggestion of TPE, median",
    "suggest_stage_aware": "one of stage_aware, median",
}
MAX_MEGABYTES, MAX_MEGABYTES_OF_LARGE = 300, 1000
_REPEATS = 3
_UNASKED = {"tune": ("result", "suggest"), "": ("suggest_stage_aware",)}
"""Side -> what it is not asked; '' for each that is not ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What one side took for one question."""

    seconds: float
    megabytes: float
    first_seconds: float
    """The first repetition, which a median hides: a resume waits for it."""


def main() -> None:
    """Run the benchmark and print its tables."""
    options = _options()
    lines = heading(["optuna", "ray", "SQLAlchemy"])
    with tempfile.TemporaryDirectory(prefix="xstilts-record-") as scratch:
        folder = options.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        for side in options.sides:
            _build(side, folder, num_trials=options.trials)
        lines += ["", f"{options.trials} trials, 5 rungs, 15 languages; seconds, the smallest of {_REPEATS} processes"]
        lines += _table(folder, sides=options.sides, is_large=options.trials >= LARGE)
        lines += resume_lines(folder)
    if options.regret:
        lines += regret_lines(num_seeds=options.regret)
    print("\n".join(lines))
    if options.save:
        save(options.save, title="The record", text="\n".join(lines))


def _build(side: str, folder: Path, *, num_trials: int) -> None:
    done = folder / f"{side}.built"
    if not done.exists():
        print(f"building {side} ...", file=sys.stderr)
        _run(side, "build", folder, num_trials=num_trials)
        done.touch()


def _table(folder: Path, *, sides: Sequence[str], is_large: bool) -> list[str]:
    bounds, most = (BOUNDS_OF_LARGE, MAX_MEGABYTES_OF_LARGE) if is_large else (BOUNDS, MAX_MEGABYTES)
    lines = ["", f"{'':28}" + "".join(f"{side:>16}" for side in sides) + f"{'bound':>9}{'':6}ratio to the next best"]
    memory: list[float] = []
    for verb, question in QUESTIONS.items():
        found = {side: _measure(side, verb, folder) for side in sides if _is_asked(side, verb)}
        memory.append(found["ours"].megabytes)
        cells = "".join(f"{found[side].seconds:>16.4f}" if side in found else f"{'-':>16}" for side in sides)
        holds = "holds" if found["ours"].seconds <= bounds[verb] else "over"
        others = [timing.seconds for side, timing in found.items() if side != "ours"]
        ratio = f"{min(others) / found['ours'].seconds:>8.1f}x" if others else f"{'-':>9}"
        lines.append(f"{question:28}{cells}{bounds[verb]:>9.3f} {holds:5}{ratio}")
    holds = "holds" if max(memory) <= most else "over"
    gap = " " * (16 * (len(sides) - 1))
    return [*lines, f"{'largest memory of ours':28}{max(memory):>13.0f} MB{gap}{most:>9} {holds}"]


def _is_asked(side: str, verb: str) -> bool:
    return side == "ours" or verb not in (*_UNASKED.get(side, ()), *_UNASKED[""])


def _measure(side: str, verb: str, folder: Path) -> Timing:
    repeats = _REPEATS if side == "ours" or verb == "best" else 1
    runs = [_run(side, verb, folder) for _ in range(repeats)]
    return min(runs, key=lambda timing: timing.seconds)


def _run(side: str, verb: str, folder: Path, *, num_trials: int = 0) -> Timing:
    command = [sys.executable, "-m", CONTENDERS, side, verb, str(folder), str(num_trials)]
    path = os.pathsep.join([*filter(None, [os.environ.get("PYTHONPATH")]), str(FOLDER)])
    variables = {**os.environ, "PYTHONPATH": path}
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if ended.returncode:
        print(ended.stderr, file=sys.stderr)
        sys.exit(1)
    answer = json.loads(ended.stdout.splitlines()[-1])
    later = answer["seconds"][1:] or answer["seconds"]
    return Timing(seconds=statistics.median(later), megabytes=answer["megabytes"], first_seconds=answer["seconds"][0])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000, help="how many")
    parser.add_argument(
        "--sides", nargs="+", choices=SIDES, default=SIDES, help="whom to measure; ours is always among them"
    )
    parser.add_argument("--small", dest="trials", action="store_const", const=300, help="300 trials: a minute")
    parser.add_argument("--folder", type=Path, help="keep what is built here, and use it again")
    parser.add_argument(
        "--regret", type=int, default=0, metavar="SEEDS", help="compare the samplers over so many seeds"
    )
    parser.add_argument("--save", type=Path, help="write the result as Markdown")
    chosen = parser.parse_args()
    chosen.sides = [side for side in SIDES if side == "ours" or side in chosen.sides]
    return chosen


if __name__ == "__main__":
    main()

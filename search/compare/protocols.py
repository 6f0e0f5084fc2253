"""Compares ways to select one trial of a sweep, by the regret of each.

Picking by a score and reporting the same score flatters it. Where the store has parallel items, every second premise,
paragraph or item picks, and the others say what was picked. The oracle picks by those others itself: no protocol that
may be used can be better (Keung et al. 2020, arXiv 2004.15001, compare English and target-language dev the same way).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from search.compare.comparison_result import ProtocolRow
from search.compare.items import num_units
from search.compare.run_reader import RunReader
from search.compare.runs import POINTS, Run
from search.errors import InputError
from search.record import Record

_Name = Literal["english", "english_of_averages", "average", "last", "oracle"]


def selection_protocols(
    record: Record, *, sweep: str, store: str | None = None, downloads: Path | None = None
) -> tuple[ProtocolRow, ...]:
    """Return what each protocol selects among the finished trials of a sweep.

    `english` is left out where it was not scored, `english_of_averages` where no trial averages target runs: it selects
    among these by English alone, as `english` does among all.

    Args:
        record: Holds the sweep.
        sweep: Its name.
        store: Folder or URL of the store with the trials' predictions.
        downloads: Folder for downloads from a bucket; None: a folder in the user's cache.

    Raises:
        UnknownSweepError: The record has no such sweep.
        InputError: No trial has finished.
    """
    average = RunReader(record, sweep=sweep, metric="average", store=store, downloads=downloads)
    runs = average.runs()
    if not runs:
        msg = f"sweep {sweep!r} has no finished trial to select; see `xstilts status {sweep}`"
        raise InputError(msg)
    english = RunReader(record, sweep=sweep, metric="english", store=store, downloads=downloads).runs()
    ended = {number: average.trials[number].ended_at or 0.0 for number in runs}
    has_items = all(run.items_N is not None for run in runs.values())
    evaluated = {number: _half(run, start=1) if has_items else run.score for number, run in runs.items()}
    by_english = {number: _half(run, start=0) if has_items else run.score for number, run in english.items()}
    averaged = {number for number, trial in average.trials.items() if trial.trial_config.target.average is not None}
    selecting: dict[_Name, Mapping[int, float]] = {
        "english": by_english,
        "english_of_averages": {number: score for number, score in by_english.items() if number in averaged},
        "average": {number: _half(run, start=0) if has_items else run.score for number, run in runs.items()},
        "last": ended,
        "oracle": evaluated,
    }
    best = max(evaluated.values())
    rows: list[ProtocolRow] = []
    for name, values in selecting.items():
        if not values:
            continue
        trial = max(sorted(values), key=lambda number: values[number])
        shown = evaluated[trial] if name == "last" else values[trial]
        regret = POINTS * (best - evaluated[trial])
        rows.append(ProtocolRow(protocol=name, trial=trial, selected_by=shown, average=evaluated[trial], regret=regret))
    return tuple(rows)


def _half(run: Run, *, start: int) -> float:
    if run.items_N is None:
        return run.score
    units_N = run.units_N
    if units_N is None or num_units(units_N, num_items=units_N.size) == 1:
        return float(run.items_N[start::2].mean())
    return float(run.items_N[units_N % 2 == start].mean())

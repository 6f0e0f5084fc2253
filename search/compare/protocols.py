"""What selecting one trial costs, by what it is selected by.

Picking by a score and reporting the same score flatters it. Where the store has parallel items, half of them (those at
even places) pick, and the other half says what was picked. The oracle picks by that other half itself: no protocol that
may be used can be better (Keung et al. 2020, arXiv 2004.15001, compare English and target-language dev the same way).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from search.compare.answers import ProtocolRow
from search.compare.reading import RunReader
from search.compare.runs import POINTS, Run
from search.errors import InputError
from search.record import Record

_Name = Literal["english", "average", "last", "oracle"]


def selection_protocols(record: Record, *, sweep: str, store: str | None = None) -> tuple[ProtocolRow, ...]:
    """Return what each protocol selects among the finished trials of a sweep; `english` only where it was scored.

    Args:
        record: Holds the sweep.
        sweep: Its name.
        store: Folder of the store with the trials' predictions.

    Raises:
        UnknownSweepError: There is no such sweep.
        InputError: No trial has finished.
    """
    average = RunReader(record, sweep=sweep, metric="average", store=store)
    runs = average.runs()
    if not runs:
        msg = f"sweep {sweep!r} has no finished trial to select; see `xstilts status {sweep}`"
        raise InputError(msg)
    english = RunReader(record, sweep=sweep, metric="english", store=store).runs()
    ended = {number: average.trials[number].ended_at or 0.0 for number in runs}
    has_items = all(run.items_N is not None for run in runs.values())
    judged = {number: _half(run, start=1) if has_items else run.score for number, run in runs.items()}
    picking: dict[_Name, Mapping[int, float]] = {
        "english": {number: _half(run, start=0) if has_items else run.score for number, run in english.items()},
        "average": {number: _half(run, start=0) if has_items else run.score for number, run in runs.items()},
        "last": ended,
        "oracle": judged,
    }
    best = max(judged.values())
    rows: list[ProtocolRow] = []
    for name, values in picking.items():
        if not values:
            continue
        trial = max(sorted(values), key=lambda number: values[number])
        shown = judged[trial] if name == "last" else values[trial]
        regret = POINTS * (best - judged[trial])
        rows.append(ProtocolRow(protocol=name, trial=trial, selected_by=shown, average=judged[trial], regret=regret))
    return tuple(rows)


def _half(run: Run, *, start: int) -> float:
    return run.score if run.items_N is None else float(run.items_N[start::2].mean())

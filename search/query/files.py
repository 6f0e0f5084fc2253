"""Exports a sweep to files for other tools: CSV, Parquet, an Optuna study, TensorBoard's events.

A file gets its name only when it is complete. An existing file is never replaced.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any  # Any: cells have no shared static type

from pydantic import JsonValue

from search.errors import InputError
from search.query.table import TrialTable, trial_table
from search.record import Measurement, Record, TrialRow
from trainables.config.evaluation import XNLI_LANGUAGES

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

_FORMULA = re.compile(r"'*[=+@\t\r\n\uff1d\uff0b\uff0d\uff20-]")
"""Start of a text that a spreadsheet takes for a formula, in full width too."""
_QUOTING = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def write_csv(record: Record, *, sweep: str, file: Path) -> int:
    """Write a CSV file with one row for each trial, and return the number of rows; numbers have their full precision.

    A text that a spreadsheet would run as a formula begins with a single quote (`as_no_formula`).

    Args:
        record: Record with the sweep.
        sweep: Name of the sweep.
        file: File to create.

    Raises:
        InputError: There is no such sweep, the file exists, or it cannot be created.
    """
    table = _flat(trial_table(record, sweep=sweep))
    with _making(file) as made, made.open("w", newline="", encoding="utf-8") as stream:
        plain, quoted = (csv.writer(stream, lineterminator="\n", quoting=how) for how in _QUOTING)
        for row in (table.columns, *table.rows):
            # Before Python 3.13 a text with a lone carriage return is not quoted, and a reader would end the row there.
            has_return = any(isinstance(cell, str) and "\r" in cell for cell in row)
            (quoted if has_return else plain).writerow([as_no_formula(cell) for cell in row])
    return len(table.rows)


def as_no_formula(cell: object) -> object:
    """Return a cell for a spreadsheet: a text that it would run gets a single quote in front.

    A text that already begins with single quotes before such a sign gets one more, so that a reader gets every text
    back that takes one quote from each text of quotes and such a sign. Numbers stay as they are, also as texts.
    """
    is_formula = isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell


def write_parquet(record: Record, *, sweep: str, file: Path) -> int:
    """Write a Parquet file with the same table; arguments, return value and errors are those of `write_csv`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = _flat(trial_table(record, sweep=sweep))
    cells = zip(*table.rows, strict=True) if table.rows else ([] for _ in table.columns)
    arrays = [
        pa.array(list(column), type=_parquet_type(name)) for name, column in zip(table.columns, cells, strict=True)
    ]
    with _making(file) as made:
        pq.write_table(pa.table(arrays, names=list(table.columns)), made)
    return len(table.rows)


def write_optuna(record: Record, *, sweep: str, file: Path) -> int:
    """Write an Optuna study for optuna-dashboard; arguments, return value and errors are those of `write_csv`.

    An excluded trial is a failed trial of the study, with the reason as an attribute.
    """
    from search.sampler.study import StudyTrial, write_study
    from spaces.sweep_spec import make_space, make_sweep_spec

    row = record.sweep(sweep)
    space = make_space(make_sweep_spec(row.spec))
    curves = {curve.number: curve.scores for curve in record.curves(sweep, last_rung=0)}
    trials = [
        StudyTrial(
            number=trial.number,
            state=trial.state,
            assignment=trial.assignment if trial.set_aside is None else None,
            coordinates=_coordinates(trial),
            score=trial.score,
            rungs=curves.get(trial.number, {}),
            started_at=trial.started_at,
            ended_at=trial.ended_at,
            attributes=_attributes(trial),
        )
        for trial in record.trials(sweep)
    ]
    with _making(file) as made:
        write_study(made, name=sweep, space=space, trials=trials)
    return len(trials)


def write_tensorboard(record: Record, *, sweep: str, folder: Path) -> int:
    """Write a TensorBoard run for each measured trial: its scores by rung, and its parameters; return their number.

    Args:
        record: Record with the sweep.
        sweep: Name of the sweep.
        folder: Folder to create; it can exist if it is empty.

    Raises:
        InputError: There is no such sweep, the folder holds files, or it cannot be created.
    """
    from tensorboardX import SummaryWriter
    from tensorboardX.summary import hparams

    trials = {trial.number: trial for trial in record.trials(sweep) if trial.score is not None}
    measurements: dict[int, list[Measurement]] = {}
    for measured in record.measurements(sweep):
        measurements.setdefault(measured.trial, []).append(measured)
    with _making(folder, is_folder=True) as made:
        for number, trial in trials.items():
            with contextlib.closing(SummaryWriter(str(made / f"trial-{number:05}"))) as writer:
                assert writer.file_writer is not None  # noqa: S101  (it writes to a disk)
                values = {name: _scalar(value) for name, value in trial.assignment.items()}
                for summary in hparams(values, {"score": trial.score}):
                    writer.file_writer.add_summary(summary)
                for measured in measurements[number]:
                    _add_scores(writer, measured)
    return len(trials)


def _add_scores(writer: SummaryWriter, measured: Measurement) -> None:
    scores = {"score": measured.score}
    scores |= {f"language/{language}": value for language, value in measured.trial_result.languages.items()}
    for name, value in scores.items():
        writer.add_scalar(name, value, global_step=measured.rung, walltime=measured.measured_at)


def _flat(table: TrialTable) -> TrialTable:
    """Return the table with plain cells: a column of objects, or of values of several types, becomes JSON text."""
    columns = list(zip(*table.rows, strict=True)) if table.rows else []
    plain = [_plain_column(column) for column in columns]
    return TrialTable(columns=table.columns, rows=list(zip(*plain, strict=True)))


def _plain_column(column: tuple[Any, ...]) -> tuple[Any, ...]:
    kinds = {type(value) for value in column if value is not None}
    if kinds <= {int, float} or (len(kinds) <= 1 and kinds <= {str, bool}):
        return column
    return tuple(None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True) for value in column)


def _parquet_type(name: str) -> Any:
    """Return the type of a column that can be empty, because type inference fails for an empty column."""
    import pyarrow as pa

    if name in {"state", "family", "error", "set_aside"}:
        return pa.string()
    if name in {"number", "rung", "attempts", "seed", "steps_paid", "steps_if_alone"}:
        return pa.int64()
    is_number = name in XNLI_LANGUAGES or name == "score" or name.endswith(("_at", "_seconds"))
    return pa.float64() if is_number else None


def _coordinates(trial: TrialRow) -> dict[str, JsonValue]:
    """Return the sampler's coordinates of a trial's weights, if the sampler kept them."""
    kept = trial.sampler.get("coordinates")
    return kept if isinstance(kept, dict) else {}


def _attributes(trial: TrialRow) -> dict[str, Any]:
    names = ("family", "seed", "attempts", "cost_paid_seconds", "cost_if_alone_seconds", "error", "set_aside", "config")
    return {name: getattr(trial, name) for name in names if getattr(trial, name) is not None}


def _scalar(value: object) -> object:
    return value if isinstance(value, (str, float, int, bool)) else json.dumps(value, sort_keys=True)


@contextlib.contextmanager
def _making(place: Path, *, is_folder: bool = False) -> Generator[Path]:
    """Yield a temporary path beside `place`, and rename it to `place` when the block has ended without an error."""
    if place.exists() and not (is_folder and place.is_dir() and not any(place.iterdir())):
        msg = f"cannot export to {str(place)!r}: it exists, and an export replaces nothing; give a new name"
        raise InputError(msg)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".xstilts-export-") as scratch:
            made = Path(scratch) / "made"
            yield made
            if is_folder:
                made.mkdir(exist_ok=True)
            os.replace(made, place)  # noqa: PTH105  there may be an empty folder
    except OSError as error:
        msg = f"cannot export to {str(place)!r}: {error.strerror or error}; give a place that you can write"
        raise InputError(msg) from error

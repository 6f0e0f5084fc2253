"""A sweep in files that other tools read: csv, Parquet, an Optuna study, TensorBoard's events.

A file appears under its name when it is complete; nothing that is there already is replaced.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any  # cells have no shared static type

from pydantic import JsonValue

from search.errors import InputError
from search.query.table import TrialTable, trial_table
from search.record import Measurement, Record, TrialRow
from trainables.config.evaluation import XNLI_LANGUAGES


def write_csv(record: Record, *, sweep: str, file: Path) -> int:
    """Write one row a trial, and return how many; a number is written so that it reads back the same.

    Args:
        record: Where the sweep is.
        sweep: Its name.
        file: The file to make.

    Raises:
        InputError: There is no such sweep, or the file cannot be made.
    """
    table = _flat(trial_table(record, sweep=sweep))
    with _making(file) as made, made.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(table.rows)
    return len(table.rows)


def write_parquet(record: Record, *, sweep: str, file: Path) -> int:
    """Write one row a trial, and return how many. Arguments and errors are those of `write_csv`."""
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
    """Write an Optuna study that optuna-dashboard opens. Arguments and errors are those of `write_csv`.

    A trial that was set aside has failed in the study, with the reason as an attribute.
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
    """Write a run for each measured trial: its scores by rung, and its parameters; return how many.

    Args:
        record: Where the sweep is.
        sweep: Its name.
        folder: The folder to make.

    Raises:
        InputError: There is no such sweep, or the folder cannot be made.
    """
    from tensorboardX import SummaryWriter
    from tensorboardX.summary import hparams

    trials = {trial.number: trial for trial in record.trials(sweep) if trial.score is not None}
    measured: dict[int, list[Measurement]] = {}
    for at in record.measurements(sweep):
        measured.setdefault(at.trial, []).append(at)
    with _making(folder, is_folder=True) as made:
        for number, trial in trials.items():
            with contextlib.closing(SummaryWriter(str(made / f"trial-{number:05}"))) as writer:
                assert writer.file_writer is not None  # noqa: S101  (it writes to a disk)
                values = {name: _scalar(value) for name, value in trial.assignment.items()}
                for summary in hparams(values, {"score": trial.score}):
                    writer.file_writer.add_summary(summary)
                for at in measured[number]:
                    writer.add_scalar("score", at.score, global_step=at.rung, walltime=at.measured_at)
                    for language, value in at.trial_result.languages.items():
                        writer.add_scalar(f"language/{language}", value, global_step=at.rung, walltime=at.measured_at)
    return len(trials)


def _flat(table: TrialTable) -> TrialTable:
    """Return the table with plain cells: a column that holds objects, or values of several kinds, becomes JSON text."""
    columns = list(zip(*table.rows, strict=True)) if table.rows else []
    plain = [_plain_column(column) for column in columns]
    return TrialTable(columns=table.columns, rows=list(zip(*plain, strict=True)))


def _plain_column(column: tuple[Any, ...]) -> tuple[Any, ...]:
    kinds = {type(value) for value in column if value is not None}
    if kinds <= {int, float} or (len(kinds) <= 1 and kinds <= {str, bool}):
        return column
    return tuple(None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True) for value in column)


def _parquet_type(name: str) -> Any:
    """Return the type of a column that may be empty, where inference finds none."""
    import pyarrow as pa

    if name in {"state", "family", "error", "set_aside"}:
        return pa.string()
    if name in {"number", "rung", "attempts", "seed", "steps_paid", "steps_if_alone"}:
        return pa.int64()
    is_number = name in XNLI_LANGUAGES or name == "score" or name.endswith(("_at", "_seconds"))
    return pa.float64() if is_number else None


def _coordinates(trial: TrialRow) -> dict[str, JsonValue]:
    """Return the numbers behind a trial's weights, where its sampler kept them."""
    kept = trial.sampler.get("coordinates")
    return kept if isinstance(kept, dict) else {}


def _attributes(trial: TrialRow) -> dict[str, Any]:
    told = ("family", "seed", "attempts", "cost_paid_seconds", "cost_if_alone_seconds", "error", "set_aside", "config")
    return {name: getattr(trial, name) for name in told if getattr(trial, name) is not None}


def _scalar(value: object) -> object:
    return value if isinstance(value, (str, float, int, bool)) else json.dumps(value, sort_keys=True)


@contextlib.contextmanager
def _making(place: Path, *, is_folder: bool = False) -> Generator[Path]:
    """Give a place beside the one named, that takes its name when it is complete."""
    if place.exists() and not (is_folder and place.is_dir() and not any(place.iterdir())):
        msg = f"cannot export to {str(place)!r}: it exists, and nothing is replaced; name a new one"
        raise InputError(msg)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".xstilts-export-") as scratch:
            made = Path(scratch) / "made"
            yield made
            if is_folder:
                made.mkdir(exist_ok=True)
            os.replace(made, place)  # noqa: PTH105  an empty folder may stand there
    except OSError as error:
        msg = f"cannot export to {str(place)!r}: {error.strerror or error}; name a place that can be written"
        raise InputError(msg) from error

"""`xstilts export`: a model folder of one trial, or a whole sweep in files that other tools read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.cli.options import json_option, record_option, store_option

if TYPE_CHECKING:
    from search.record import Record

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command
@click.argument("name")
@click.argument("trial", type=click.IntRange(min=0), required=False)
@click.argument("folder", type=_FOLDER, metavar="[DIR]", required=False)
@click.option("--csv", type=_FILE, metavar="FILE", help="All trials, one a row.")
@click.option("--parquet", type=_FILE, metavar="FILE", help="The same with types.")
@click.option("--optuna", type=_FILE, metavar="FILE", help="An Optuna study in SQLite, for optuna-dashboard.")
@click.option("--tensorboard", type=_FOLDER, metavar="DIR", help="A TensorBoard run for each measured trial.")
@record_option
@store_option
@json_option
def export(
    *,
    name: str,
    trial: int | None,
    folder: Path | None,
    record: str | None,
    store: str | None,
    as_json: bool,
    **files: Path | None,
) -> None:
    """Write a model of the sweep NAME, or all its trials for other tools.

    With TRIAL and DIR: that trial as a folder that
    AutoModelForSequenceClassification.from_pretrained loads. Otherwise name
    one or more files; what exists already is not replaced.
    """
    from search.home import find_home
    from search.record import open_record

    home = find_home(record=record, store=store)
    chosen = {kind: place for kind, place in files.items() if place is not None}
    if (trial is None) != (folder is None) or (trial is None) == (not chosen):
        msg = (
            "name either TRIAL and DIR, or files: --csv FILE, --parquet FILE, --optuna FILE, --tensorboard DIR; "
            f"`xstilts export {name} 0 model` writes the model of trial 0"
        )
        raise click.UsageError(msg)
    with open_record(home.record, read_only=True) as opened:
        if trial is None or folder is None:
            _print_files(name, counts=_write_files(opened, name, chosen), files=chosen, as_json=as_json)
            return
        from search.export import export_trial

        export_trial(opened, sweep=name, number=trial, folder=folder, store=home.store)
    _print_model(name, trial=trial, folder=folder, as_json=as_json)


def _write_files(record: Record, name: str, files: Mapping[str, Path]) -> dict[str, int]:
    """Return kind of file -> number of trials in it."""
    from search.query import files as writing

    counts: dict[str, int] = {}
    for kind, place in files.items():
        if kind == "csv":
            counts[kind] = writing.write_csv(record, sweep=name, file=place)
        elif kind == "parquet":
            counts[kind] = writing.write_parquet(record, sweep=name, file=place)
        elif kind == "optuna":
            counts[kind] = writing.write_optuna(record, sweep=name, file=place)
        else:
            counts[kind] = writing.write_tensorboard(record, sweep=name, folder=place)
    return counts


def _print_files(name: str, *, counts: Mapping[str, int], files: Mapping[str, Path], as_json: bool) -> None:
    from search.cli.output import print_json, print_next

    if as_json:
        written = {kind: {"path": str(files[kind].absolute()), "trials": counts[kind]} for kind in counts}
        print_json({"sweep": name, "files": written})
        return
    for kind, count in counts.items():
        click.echo(f"Wrote {count} trials of {name} to {files[kind]} ({kind})")
    if "optuna" in files:
        print_next(f"optuna-dashboard sqlite:///{files['optuna']}", what="look at it; pip install optuna-dashboard")
    elif "tensorboard" in files:
        print_next(f"tensorboard --logdir {files['tensorboard']}", what="look at it; pip install tensorboard")
    else:
        print_next(f"xstilts best {name}", what="its best trials")


def _print_model(name: str, *, trial: int, folder: Path, as_json: bool) -> None:
    from search.cli.output import print_json, print_next

    if as_json:
        print_json({"sweep": name, "trial": trial, "folder": str(folder.absolute())})
        return
    click.echo(f"Wrote trial {trial} of {name} to {folder}")
    print_next(
        f"python -c \"from transformers import pipeline; print(pipeline('text-classification', '{folder}')('...'))\"",
        what="try it",
    )

"""`xstilts export`: writes the model of one trial as a folder, or a whole sweep as files for other tools."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.cli.options import WholeNumber, json_option, record_option, store_option
from trainables.number_words import number_of

if TYPE_CHECKING:
    from search.publication.licences import TaskLicence
    from search.record import Record

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command
@click.argument("name")
@click.argument("trial", type=WholeNumber(min=0), required=False)
@click.argument("folder", type=_FOLDER, metavar="[DIR]", required=False)
@click.option("--csv", type=_FILE, metavar="FILE", help="Write a CSV file with one row for each trial.")
@click.option("--parquet", type=_FILE, metavar="FILE", help="Write the same table as a Parquet file.")
@click.option("--optuna", type=_FILE, metavar="FILE", help="Write an Optuna study in SQLite, for optuna-dashboard.")
@click.option("--tensorboard", type=_FOLDER, metavar="DIR", help="Write a TensorBoard run for each measured trial.")
@click.option("--push", metavar="REPO", help="Also upload the model to this repository (OWNER/NAME) of the hub.")
@click.option("--public", is_flag=True, help="With --push: everybody can read a repository that is created now.")
@click.option("--despite-licences", is_flag=True, help="With --push: upload although a licence forbids it.")
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
    **choices: Path | str | bool | None,
) -> None:
    """Write the model of a trial, or all trials of the sweep for other tools.

    With TRIAL and DIR: writes the model of that trial of the sweep NAME to the
    folder DIR, which AutoModelForSequenceClassification.from_pretrained loads.
    Otherwise give one or more of the options below. An existing file is never
    replaced.

    The folder has a model card: scores by language, data with licences, lineage
    and configuration. --push first prints the licences of the training data, and
    refuses if one of them forbids passing the data on. A new repository is
    private. The token is that of HF_TOKEN or of `hf auth login`.
    """
    from search.home import find_home
    from search.record import open_record

    home = find_home(record=record, store=store)
    chosen = {kind: place for kind, place in choices.items() if isinstance(place, Path)}
    push = choices["push"]
    if (trial is None) != (folder is None) or (trial is None) == (not chosen):
        msg = (
            "give either TRIAL and DIR, or files: --csv FILE, --parquet FILE, --optuna FILE, --tensorboard DIR; "
            f"`xstilts export {name} 0 model` writes the model of trial 0"
        )
        raise click.UsageError(msg)
    if (push and trial is None) or (not push and (choices["public"] or choices["despite_licences"])):
        msg = f"--push uploads the model of a trial: `xstilts export {name} 0 model --push OWNER/NAME`"
        raise click.UsageError(msg)
    with open_record(home.record, read_only=True) as opened:
        if trial is None or folder is None:
            _print_files(name, counts=_write_files(opened, name, chosen), files=chosen, as_json=as_json)
            return
        from search.model_export import export_trial, training_licences

        licences = training_licences(opened, sweep=name, number=trial) if push else ()
        _check_licences(licences, is_allowed=bool(choices["despite_licences"]))
        export_trial(opened, sweep=name, number=trial, folder=folder, store=home.store)
    uploaded = None
    if push:
        from trainables.data.sources.hub_upload import upload_model

        message = f"Trial {trial} of the sweep {name}"
        uploaded = upload_model(folder, repository=str(push), is_public=bool(choices["public"]), message=message)
    _print_model(name, trial=trial, folder=folder, uploaded=uploaded, as_json=as_json)


def _check_licences(licences: tuple[TaskLicence, ...], *, is_allowed: bool) -> None:
    """Print the licences of the training data on standard error, and refuse those that forbid an upload."""
    from search.publication.licences import check_licences

    if licences:
        click.echo("Licences of the training data:", err=True)
    for licence in licences:
        click.echo(f"  {licence.line()}", err=True)
    if not is_allowed:
        check_licences(licences)


def _write_files(record: Record, name: str, files: Mapping[str, Path]) -> dict[str, int]:
    """Write the files; return kind of file -> number of trials in it."""
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
        click.echo(f"Wrote {number_of(count, 'trial')} of {name} to {files[kind]} ({kind})")
    if "optuna" in files:
        print_next(f"optuna-dashboard sqlite:///{files['optuna']}", what="show it; pip install optuna-dashboard")
    elif "tensorboard" in files:
        print_next(f"tensorboard --logdir {files['tensorboard']}", what="show it; pip install tensorboard")
    else:
        print_next(f"xstilts best {name}", what="its best trials")


def _print_model(name: str, *, trial: int, folder: Path, uploaded: str | None, as_json: bool) -> None:
    from search.cli.output import print_json, print_next

    if as_json:
        print_json({"sweep": name, "trial": trial, "folder": str(folder.absolute()), "commit": uploaded})
        return
    click.echo(f"Wrote trial {trial} of {name} to {folder}")
    if uploaded:
        click.echo(f"Uploaded it: {uploaded}")
    print_next(
        f"python -c \"from transformers import pipeline; print(pipeline('text-classification', '{folder}')('...'))\"",
        what="use it",
    )

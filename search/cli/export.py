"""`xstilts export`: a model folder of one trial."""

from __future__ import annotations

from pathlib import Path

import click

from search.cli.options import json_option, record_option, store_option


@click.command
@click.argument("name")
@click.argument("trial", type=click.IntRange(min=0))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@record_option
@store_option
@json_option
def export(name: str, trial: int, folder: Path, as_json: bool, **places: str | None) -> None:  # noqa: FBT001
    """Write trial TRIAL of the sweep NAME as a model into the folder DIR.

    AutoModelForSequenceClassification.from_pretrained loads it.
    """
    from search.cli.output import print_json, print_next
    from search.export import export_trial
    from search.home import find_home
    from search.record import open_record

    home = find_home(record=places["record"], store=places["store"])
    with open_record(home.record, read_only=True) as opened:
        export_trial(opened, sweep=name, number=trial, folder=folder, store=home.store)
    if as_json:
        print_json({"sweep": name, "trial": trial, "folder": str(folder.absolute())})
        return
    click.echo(f"Wrote trial {trial} of {name} to {folder}")
    print_next(
        f"python -c \"from transformers import pipeline; print(pipeline('text-classification', '{folder}')('...'))\"",
        what="try it",
    )

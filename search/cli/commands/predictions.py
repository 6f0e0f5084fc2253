"""`xstilts predictions`: writes the predictions of a trial in XTREME's format."""

from __future__ import annotations

from pathlib import Path

import click

from search.cli.options import WholeNumber, json_option, record_option, store_option
from trainables.number_words import number_of


@click.command
@click.argument("name")
@click.argument("trial", type=WholeNumber(min=0))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@record_option
@store_option
@json_option
def predictions(name: str, trial: int, folder: Path, as_json: bool, **places: str | None) -> None:  # noqa: FBT001
    """Write the predictions of trial TRIAL of the sweep NAME to the folder DIR.

    Each evaluation task gets a folder with files test-LANGUAGE.tsv, .json or
    .jsonl, which XTREME's leaderboard and evaluate.py read. The predictions are
    of the split that the search scored: dev.
    """
    from search.cli.output import print_json
    from search.home import find_home
    from search.record import open_record
    from search.xtreme_predictions import write_submission

    home = find_home(record=places["record"], store=places["store"])
    with open_record(home.record, read_only=True) as opened:
        files = write_submission(opened, sweep=name, number=trial, folder=folder, store=home.store)
    if as_json:
        written = [str(path.absolute()) for path in files]
        print_json({"sweep": name, "trial": trial, "folder": str(folder.absolute()), "files": written})
        return
    click.echo(f"Wrote {number_of(len(files), 'file')} of trial {trial} of {name} to {folder}")

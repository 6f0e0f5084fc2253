"""`xstilts encoders`: lists encoders by family, and converts pickled weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.cli.options import json_option

if TYPE_CHECKING:
    from pydantic import JsonValue


@click.group(invoke_without_command=True, subcommand_metavar="[convert NAME]")
@json_option
@click.pass_context
def encoders(context: click.Context, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """List the families of encoders and published encoders, or convert one.

    Any checkpoint of a family can be used. The column "XNLI" is the published
    zero-shot accuracy, "here" says where this machine reads an encoder from:
    `mirror` (the folder XSTILTS_MIRROR), `cache` (of Hugging Face), `converted`
    (by `xstilts encoders convert`), `hub` (to download), or `missing`.
    """
    from search.cli.output import print_json, print_next

    if context.invoked_subcommand is not None:
        return
    entries = _entries()
    if as_json:
        print_json(entries)
        return
    _print_entries(entries)
    print_next("xstilts encoders convert NAME", what="safetensors from pickled weights")


@encoders.command(short_help="Write an encoder's pickled weights as safetensors.")
@click.argument("name", metavar="NAME|FOLDER")
@click.option("--to", "folder", metavar="FOLDER", help="Folder to write.  [default: encoders/NAME in XSTILTS_HOME]")
@click.option("--revision", metavar="COMMIT", help="Commit on the hub.  [default: the newest]")
def convert(name: str, folder: str | None, revision: str | None) -> None:
    """Convert the encoder NAME, whose weights are pickled, to safetensors.

    A pickle can run any code. So each file is opened in a process of its own,
    by torch's reader for weights only: a file that asks for anything else is
    refused, and nothing of it runs. Each tensor is checked after it was
    written. The file conversion.manifest keeps the checksums of both sides.
    """
    from search.cli.output import print_next
    from trainables.models.conversion.converter import convert_folder
    from trainables.names import expanded
    from trainables.plan.starting_weights import pickled_folder

    new = expanded(folder, what="--to").absolute() if folder else _converted(name)
    convert_folder(pickled_folder(name, revision=revision), folder=new, repository=name, revision=revision)
    click.echo(f"Wrote {new}")
    print_next(f"xstilts search text --set trial.encoder.name={new}", what="a sweep from it")


def _entries() -> list[dict[str, JsonValue]]:
    from trainables.data.sources.locator import model_place
    from trainables.models.families.by_name import FAMILIES
    from trainables.models.known_encoders import KNOWN_ENCODERS

    order = list(FAMILIES)
    known = sorted(KNOWN_ENCODERS, key=lambda encoder: order.index(encoder.family))
    return [
        {
            **dataclasses.asdict(encoder),
            "here": "converted" if _converted(encoder.name).is_dir() else model_place(encoder.name),
        }
        for encoder in known
    ]


def _print_entries(entries: list[dict[str, JsonValue]]) -> None:
    """Print the encoders of each family, then where the numbers are from."""
    line = "  {:<40}{:>8}{:>11}{:>7}  {}"
    click.echo(line.format("encoder", "size", "languages", "XNLI", "here"))
    for family in dict.fromkeys(str(entry["family"]) for entry in entries):
        click.echo(f"{family}:")
        for entry in (entry for entry in entries if entry["family"] == family):
            xnli = "-" if entry["xnli"] is None else str(entry["xnli"])
            click.echo(line.format(entry["name"], entry["parameters"], entry["languages"], xnli, entry["here"]))
    click.echo("\nSources:")
    for entry in entries:
        click.echo(f"  {entry['name']}: {entry['source']}")


def _converted(name: str) -> Path:
    """Return the folder that `convert` writes for a name by default."""
    from search.home import find_home

    owner, _, repository = Path(name).as_posix().strip("/").rpartition("/")
    return find_home().encoders / Path(owner).name / repository

"""`xstilts tasks`: lists, describes, checks and ranks tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.cli.commands.rank import rank
from search.cli.options import json_option

if TYPE_CHECKING:
    from pydantic import JsonValue

    from trainables.tasks.spec import TaskSpec


class TasksGroup(click.Group):
    """`tasks`, `tasks NAME`, `tasks check` and `tasks rank`; an argument that is no command is the name of a task."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            return "card", card, args
        return super().resolve_command(ctx, args)


@click.group(cls=TasksGroup, invoke_without_command=True, subcommand_metavar="[NAME | check FILE | rank SPEC]")
@json_option
@click.pass_context
def tasks(context: click.Context, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """List all tasks, describe one, check a task file, or rank a sweep's tasks.

    The column "here" says where this machine reads a task from: `mirror` (the
    folder XSTILTS_MIRROR), `cache` (of Hugging Face), `files` (on your disk),
    `generated`, `hub` (to download), or `missing`. The reason of a missing task
    is below the list.

    An installed package can offer tasks by entry points in the group
    `xstilts.tasks`.
    """
    from search.cli.output import print_json
    from search.cli.task_list import known_tasks, print_tasks, task_entry

    if context.invoked_subcommand is None and as_json:
        print_json([*map(task_entry, known_tasks())])
    elif context.invoked_subcommand is None:
        print_tasks()
    elif as_json:
        context.obj = {"as_json": True}


tasks.add_command(rank)


@click.command(hidden=True)
@click.argument("name")
@json_option
@click.pass_context
def card(context: click.Context, name: str, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """Describe the task NAME, with an example if its data is on this machine."""
    from search.cli.output import print_json
    from search.cli.task_list import task_entry
    from trainables.data.sources.availability import availability

    as_json = as_json or bool(context.obj)
    spec = _known_task(name)
    example = None if availability(spec) in {"hub", "missing"} else _example(spec)
    if as_json:
        print_json({**task_entry(spec), "example": example})
    else:
        _print_card(spec, example=example)


@tasks.command(short_help="Check a task file that you wrote.")
@click.argument("file", metavar="FILE|NAME")
@click.option(
    "--encoder",
    metavar="NAME",
    help="Encoder whose tokenizer is used.  [default: XLM-R, if it is on this machine]",
)
@click.option(
    "--max-length",
    type=click.IntRange(8, 512),
    default=128,
    metavar="T",
    help="Longest text, in tokens.  [default: 128]",
)
@json_option
@click.pass_context
def check(context: click.Context, file: str, encoder: str | None, max_length: int, as_json: bool) -> None:  # noqa: FBT001
    """Check a task FILE, or a task of the catalogue, with all its rows.

    Reports an error with its field, or with file, line and column. Without an
    error, prints the sizes of the splits, the lengths of the texts, how many
    texts are too long, the classes, and three examples as the encoder reads
    them.
    """
    from search.cli.output import print_json
    from search.cli.task_report_text import print_report
    from trainables.own_tasks.task_report import examine_task

    report = examine_task(_task_of(file), encoder=encoder, max_length=max_length)
    if as_json or context.obj:
        print_json(report)
    else:
        print_report(report, file=file)


def _known_task(name: str) -> TaskSpec:
    from trainables.errors import UnknownTaskError
    from trainables.tasks.registry import task, tasks

    try:
        return task(name)
    except UnknownTaskError:
        raise UnknownTaskError(name, [*tasks(), "check", "rank"]) from None


def _task_of(file: str) -> TaskSpec:
    from trainables.errors import TaskDataError, TaskFileError
    from trainables.own_tasks.task_file import load_task_file
    from trainables.tasks.registry import adopt, task

    path = Path(file)
    if path.suffix not in {".yaml", ".yml"} and not path.exists():
        return task(file)
    spec = load_task_file(path)
    try:
        adopt([spec])
    except TaskDataError as error:
        raise TaskFileError(file, "", str(error)) from None
    return spec


def _example(spec: TaskSpec) -> dict[str, JsonValue] | None:
    from trainables.errors import InputError
    from trainables.own_tasks.task_report import example_cells

    try:
        return dict(example_cells(spec))
    except InputError as error:
        click.echo(f"xstilts: no example: {error}", err=True)
        return None


def _print_card(spec: TaskSpec, *, example: dict[str, JsonValue] | None) -> None:
    from search.cli.output import print_next
    from search.cli.task_report_text import print_cells
    from trainables.data.sources.availability import availability, why_missing

    here = availability(spec)
    _print_fields(spec.model_dump(mode="json", exclude_defaults=True))
    click.echo(f"family: {'multimodal' if spec.has_images else 'text'}")
    click.echo(f"here: {here}{' (to download)' if here == 'hub' else ''}")
    if reason := why_missing(spec):
        _print_fields({"reason": reason})
    if example is not None:
        click.echo("\nFirst row:")
        print_cells({name: str(value) for name, value in example.items()})
    print_next(f"xstilts tasks check {spec.name}", what="its sizes, lengths and classes")


def _print_fields(fields: dict[str, JsonValue]) -> None:
    import yaml

    click.echo(yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=70).rstrip())

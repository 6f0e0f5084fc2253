"""`xstilts tasks`: what there is to train on and to score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.cli.options import json_option

if TYPE_CHECKING:
    from pydantic import JsonValue

    from trainables.tasks.spec import TaskSpec

NOTHING = "-"
LICENCE_WIDTH = 14
REVISION_WIDTH = 7


class TasksGroup(click.Group):
    """`tasks`, `tasks NAME` and `tasks check`: a word that is no command is the name of a task."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the words name."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            return "card", card, args
        return super().resolve_command(ctx, args)


@click.group(cls=TasksGroup, invoke_without_command=True, subcommand_metavar="[NAME | check FILE]")
@json_option
@click.pass_context
def tasks(context: click.Context, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """List every task, describe the task NAME, or check a task FILE of yours.

    "here" says where this machine would read a task from: `mirror` (the folder
    in XSTILTS_MIRROR), `cache` (Hugging Face's), `files` (yours), `generated`,
    `hub` (to be downloaded), or `missing`.

    Packages can offer tasks of their own, by entry points in the group
    `xstilts.tasks`.
    """
    if context.invoked_subcommand is None:
        _list_tasks(as_json=as_json)
    elif as_json:
        context.obj = {"as_json": True}


@click.command(hidden=True)
@click.argument("name")
@json_option
@click.pass_context
def card(context: click.Context, name: str, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """Describe the task NAME, with an example where its rows are here."""
    from search.cli.output import print_json
    from trainables.data.availability import availability

    spec = _known_task(name)
    here = availability(spec)
    example = None if here in {"hub", "missing"} else _example(spec)
    if as_json or context.obj:
        print_json({**_entry(spec), "example": example})
    else:
        _print_card(spec, here=here, example=example)


@tasks.command(short_help="Check a task file of yours.")
@click.argument("file", metavar="FILE|NAME")
@click.option("--encoder", metavar="NAME", help="Whose tokenizer counts.  [default: XLM-R's where it is here]")
@click.option("--max-length", type=click.IntRange(8, 512), default=128, help="Longest text in tokens.  [default: 128]")
@json_option
@click.pass_context
def check(context: click.Context, file: str, encoder: str | None, max_length: int, as_json: bool) -> None:  # noqa: FBT001
    """Check a task FILE, or a task of the catalogue, with all its rows.

    A mistake is told by its field, or by file, line and column. Otherwise
    prints the splits' sizes, how long texts are and how many are too long, the
    classes, and three examples as the encoder reads them.
    """
    from search.cli.examined import print_report
    from search.cli.output import print_json
    from trainables.examine import examine_task

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
        raise UnknownTaskError(name, [*tasks(), "check"]) from None


def _task_of(file: str) -> TaskSpec:
    from trainables.errors import TaskDataError, TaskFileError
    from trainables.task_file import load_task_file
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


def _list_tasks(*, as_json: bool) -> None:
    from search.cli.output import print_json, print_next
    from trainables.errors import InputError
    from trainables.tasks import registry
    from trainables.tasks.entry_points import offered_names

    for name in offered_names():
        try:
            registry.task(name)
        except InputError as error:
            click.echo(f"xstilts: {error}", err=True)
    found = list(registry.tasks().values())
    if as_json:
        print_json([_entry(spec) for spec in found])
        return
    sections = {title: specs for title, specs in _sections(found).items() if specs}
    for number, (title, specs) in enumerate(sections.items()):
        click.echo("\n" * (number > 0) + f"{title}:")
        _print_section(specs)
    print_next(f"xstilts tasks {found[0].name}", what="its source, columns and an example")


def _sections(found: list[TaskSpec]) -> dict[str, list[TaskSpec]]:
    from trainables.tasks.spec import GeneratedSource

    real = [spec for spec in found if not isinstance(spec.source, GeneratedSource)]
    return {
        "Text": [spec for spec in real if not spec.has_images],
        "Multimodal (images and text)": [spec for spec in real if spec.has_images],
        "Generated (the miniature)": [spec for spec in found if isinstance(spec.source, GeneratedSource)],
    }


def _print_section(specs: list[TaskSpec]) -> None:
    from search.cli.output import Table, print_table
    from trainables.data.availability import availability
    from trainables.tasks.spec import HubSource

    rows = [
        (
            spec.name,
            spec.kind,
            _short_count(spec.num_train_examples),
            _cut(spec.licence, LICENCE_WIDTH),
            availability(spec),
            ((isinstance(spec.source, HubSource) and spec.source.revision) or NOTHING)[:REVISION_WIDTH],
        )
        for spec in specs
    ]
    print_table(Table(headings=("task", "kind", "train", "licence", "here", "commit"), rows=rows, right=frozenset({2})))


def _entry(spec: TaskSpec) -> dict[str, JsonValue]:
    from trainables.data.availability import availability

    family = "multimodal" if spec.has_images else "text"
    return {**spec.model_dump(mode="json"), "family": family, "available": availability(spec)}


def _short_count(count: int | None) -> str:
    if count is None:
        return NOTHING
    if count < 1000:  # noqa: PLR2004  thousands
        return str(count)
    return f"{count / 1e3:.0f}k" if count < 1e6 else f"{count / 1e6:.1f}M"  # noqa: PLR2004  millions


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _example(spec: TaskSpec) -> dict[str, JsonValue] | None:
    from trainables.errors import InputError
    from trainables.examine import example_cells

    try:
        return dict(example_cells(spec))
    except InputError as error:
        click.echo(f"xstilts: no example: {error}", err=True)
        return None


def _print_card(spec: TaskSpec, *, here: str, example: dict[str, JsonValue] | None) -> None:
    import yaml

    from search.cli.examined import print_cells
    from search.cli.output import print_next
    from trainables.tasks.spec import CorpusSource

    shown = spec.model_dump(mode="json", exclude_defaults=True)
    click.echo(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=70).rstrip())
    corpus = spec.source.variable if isinstance(spec.source, CorpusSource) else None
    hints = {
        "hub": " (to be downloaded)",
        "missing": f": set {corpus or 'XSTILTS_MIRROR'} to a folder that has it" + ("" if corpus else ", or go online"),
    }
    click.echo(f"family: {'multimodal' if spec.has_images else 'text'}")
    click.echo(f"here: {here}{hints.get(here, '')}")
    if example is not None:
        click.echo("\nFirst row:")
        print_cells({name: str(value) for name, value in example.items()})
    print_next(f"xstilts tasks check {spec.name}", what="its sizes, lengths and classes")

"""The list of `xstilts tasks`: tasks that ship or that packages offer."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pydantic import JsonValue

    from trainables.tasks.spec import TaskSpec

NOTHING = "-"
LICENCE_WIDTH = 14
REVISION_WIDTH = 7

Row = tuple[str, str, str, str, str, str]
"""Cells of one row: task, kind, train, licence, here, commit."""


def print_tasks() -> None:
    """Print all tasks by family, and the reasons why some are missing on this machine."""
    from search.cli.output import print_next
    from trainables.data.sources.availability import why_missing

    specs = known_tasks()
    sections = {title: rows for title, rows in _sections(specs).items() if rows}
    for number, (title, rows) in enumerate(sections.items()):
        click.echo("\n" * (number > 0) + f"{title}:")
        _print_rows(rows)
    reasons = {spec.name: reason for spec in specs if (reason := why_missing(spec))}
    _print_reasons(reasons)
    click.echo("\nControls of a task: NAME@shuffled, NAME@captions_only, NAME@captions_mlm,\nNAME@equal_compute.")
    print_next(f"xstilts tasks {specs[0].name}", what="its source, columns and an example")


def known_tasks() -> list[TaskSpec]:
    """Return the tasks of the catalogue and of installed packages; print the error of one that does not load."""
    from trainables.errors import InputError
    from trainables.tasks import registry
    from trainables.tasks.entry_points import offered_names

    for name in offered_names():
        try:
            registry.task(name)
        except InputError as error:
            click.echo(f"xstilts: {error}", err=True)
    return list(registry.tasks().values())


def task_entry(spec: TaskSpec) -> dict[str, JsonValue]:
    """Return a task as JSON: its fields, its family, its controls, and where this machine reads it from."""
    from trainables.data.sources.availability import availability, why_missing
    from trainables.tasks.controls import controls_of

    return {
        **spec.model_dump(mode="json"),
        "family": _family(spec),
        "controls": list(controls_of(spec)),
        "available": availability(spec),
        "reason": why_missing(spec),
    }


def _family(spec: TaskSpec) -> str:
    return "multimodal" if spec.has_images else "text"


def _sections(specs: list[TaskSpec]) -> dict[str, list[Row]]:
    from trainables.tasks.spec import GeneratedSource

    generated = [spec for spec in specs if isinstance(spec.source, GeneratedSource)]
    real = [spec for spec in specs if not isinstance(spec.source, GeneratedSource)]
    return {
        "Text": [_row(spec) for spec in real if not spec.has_images],
        "Multimodal (images and text)": [_row(spec) for spec in real if spec.has_images],
        "Generated (the miniature)": [_row(spec) for spec in generated],
    }


def _row(spec: TaskSpec) -> Row:
    from trainables.data.sources.availability import availability
    from trainables.tasks.spec import HubSource

    revision = (isinstance(spec.source, HubSource) and spec.source.revision) or NOTHING
    size = _short_count(spec.num_train_examples)
    return spec.name, spec.kind, size, _cut(spec.licence), availability(spec), revision[:REVISION_WIDTH]


def _print_rows(rows: list[Row]) -> None:
    from search.cli.output import Table, print_table

    print_table(Table(headings=("task", "kind", "train", "licence", "here", "commit"), rows=rows, right=frozenset({2})))


def _print_reasons(reasons: dict[str, str]) -> None:
    """Print each reason once, after the names of the tasks that are missing for it."""
    from search.cli.output import WIDTH

    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    if names:
        click.echo("\nMissing here:")
    for reason, missing in names.items():
        text = f"{', '.join(missing)}: {reason}"
        click.echo(textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="    "))


def _short_count(count: int | None) -> str:
    if count is None:
        return NOTHING
    if count < 1000:  # noqa: PLR2004  thousands
        return str(count)
    return f"{count / 1e3:.0f}k" if count < 1e6 else f"{count / 1e6:.1f}M"  # noqa: PLR2004  millions


def _cut(text: str) -> str:
    return text if len(text) <= LICENCE_WIDTH else f"{text[: LICENCE_WIDTH - 1]}…"

"""The text that `xstilts tasks check` prints, at 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from search.cli.output import WIDTH, Table, percent, print_next, print_table

if TYPE_CHECKING:
    from trainables.own_tasks.task_report import SplitReport, TaskReport

INDENT = 15
MAX_LINES = 4
"""The most lines of one cell that are printed."""
MAX_CLASSES = 12
"""The most classes that are printed, the most frequent first."""


def print_report(report: TaskReport, *, file: str) -> None:
    """Print the report of a task.

    Args:
        report: What the check found.
        file: The file or the name that the user gave.
    """
    languages = " ".join(report.languages)
    click.echo(textwrap.fill(f"{report.name} is correct: {report.kind}, {languages}, metric {report.metric}", WIDTH))
    click.echo(f"Tokenizer of {report.encoder}; longest text: {report.max_length} tokens\n")
    _print_splits(report)
    for split in report.splits:
        _print_classes(split)
    for number, example in enumerate(report.examples, 1):
        click.echo(f"\nExample {number}:")
        tokens = f"{len(example.tokens)}: {' '.join(example.tokens)}"
        print_cells({**example.cells, "read as": tokens})
    for warning in report.warnings:
        click.echo("\n" + textwrap.fill(f"Note: {warning}", WIDTH))
    if file == report.name:
        print_next(f"xstilts tasks {report.name}", what="its source and licence")
    else:
        print_next("xstilts run trial.yaml", what=f"a trial with `tasks: [{file}]`; see docs/how-to/own-task.md")


def print_cells(cells: Mapping[str, str]) -> None:
    """Print cells below each other; long ones are wrapped and cut."""
    for name, text in cells.items():
        wrapped = textwrap.wrap(text, WIDTH - INDENT - 1, max_lines=MAX_LINES, placeholder=" …") or [""]
        click.echo(f"  {name[: INDENT - 3]:<{INDENT - 2}}" + f"\n{' ' * INDENT}".join(wrapped))


def _print_splits(report: TaskReport) -> None:
    rows = [
        (
            split.split if len(report.languages) == 1 else f"{split.split} {split.language}",
            str(split.num_rows),
            str(split.num_examples),
            str(split.median_tokens),
            str(split.tokens_95),
            str(split.max_tokens),
            f"{percent(split.too_long)} %",
        )
        for split in report.splits
    ]
    headings = ("split", "rows", "usable", "median", "95 %", "longest", f"over {report.max_length}")
    print_table(Table(headings=headings, rows=rows, right=frozenset(range(1, 7))))


def _print_classes(split: SplitReport) -> None:
    if not split.classes:
        return
    total = sum(split.classes.values())
    ranked = sorted(split.classes.items(), key=lambda pair: -pair[1])
    shown = [f"{name} {count} ({percent(count / total)} %)" for name, count in ranked[:MAX_CLASSES]]
    more = f", and {len(ranked) - MAX_CLASSES} more" if len(ranked) > MAX_CLASSES else ""
    click.echo("\n" + textwrap.fill(f"Classes of {split.split} {split.language}: {', '.join(shown)}{more}", WIDTH))

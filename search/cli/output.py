"""Prints the results of commands: one JSON document, or text for a terminal of 80 columns."""

from __future__ import annotations

import datetime as dt
import json
import statistics
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel

from search.verbosity import VERBOSITY
from trainables.number_words import number_of

if TYPE_CHECKING:
    from search.query import SweepStatus, TrialReport

WIDTH = 80
"""Width of the terminal that all text is printed for, in columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of text."""

    headings: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    right: frozenset[int] = frozenset()
    """Indices of the columns that are aligned to the right: numbers."""


def print_json(value: object) -> None:
    """Print a value as one JSON document: a model, a list of models, or plain JSON values."""
    is_unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    click.echo(json.dumps(value, indent=2, ensure_ascii=not is_unicode, allow_nan=False, default=_dump))


def print_table(table: Table) -> None:
    """Print a table: with lines and colour on a terminal, otherwise as plain aligned columns."""
    if sys.stdout.isatty():
        _print_rich(table)
        return
    for line in plain_lines(table):
        click.echo(line)


def plain_lines(table: Table) -> list[str]:
    """Return a table as aligned lines; where a line would be longer than 80 columns, the widest text column is cut."""
    rows = [table.headings, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.headings))]
    excess = sum(widths) + 2 * (len(widths) - 1) - WIDTH
    if excess > 0:
        flexible = max(range(len(widths)), key=lambda column: widths[column] * (column not in table.right))
        widths[flexible] = max(8, widths[flexible] - excess)
    return [_line(row, widths, table.right) for row in rows]


def print_languages(languages: dict[str, float]) -> None:
    """Print accuracies below their language codes; XNLI's 15 languages fit in one line of 80 columns."""
    codes = sorted(languages)
    click.echo(" ".join(f"{code:>4}" for code in codes))
    click.echo(" ".join(f"{percent(languages[code]):>4}" for code in codes))


def print_next(command: str, *, what: str) -> None:
    """Print a command to run next.

    Args:
        command: The command.
        what: What it does, in a few words.
    """
    if VERBOSITY.is_quiet:
        return
    line = f"\nNext: {command}   ({what})"
    if len(line) <= WIDTH + 1:
        click.echo(line)
        return
    click.echo(f"\nNext: {command}")  # a command is never broken, so that it can be copied
    print_wrapped(f"({what})", indent=6)


def print_wrapped(text: str, *, indent: int = 0) -> None:
    """Print text in lines of at most 80 columns; names and paths are not broken.

    Args:
        text: One paragraph.
        indent: Columns before the first line; the following lines have two more.
    """
    first, rest = " " * indent, " " * (indent + 2)
    wrapped = textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
    click.echo(wrapped)


def print_costs(costs: SweepStatus | TrialReport, *, what: str) -> None:
    """Print the cost that was paid, the part of it that lower rungs took, and the cost without sharing.

    Args:
        costs: What has the costs.
        what: What was paid for.
    """
    from search.query import SweepStatus

    click.echo(f"Cost: {number_of(costs.steps_paid, 'step')}, {duration(costs.cost_paid_seconds)} {what}")
    lower = f"{number_of(costs.steps_of_lower_rungs, 'step')}, {duration(costs.seconds_of_lower_rungs)}"
    if costs.seconds_of_lower_rungs:
        click.echo(f"  of these, lower rungs: {lower}, for their decay and their scores")
    if isinstance(costs, SweepStatus):
        unshared = f"{number_of(costs.steps_unshared, 'step')}, {duration(costs.seconds_unshared)}"
        click.echo(f"Had nothing been shared: {unshared}")
        return
    without = "shared stages and lower rungs" if costs.seconds_of_lower_rungs else "shared stages"
    click.echo(f"Without {without}: {number_of(costs.steps_if_alone, 'step')}, {duration(costs.cost_if_alone_seconds)}")


def cut(text: str, *, longest: int = 200) -> str:
    """Return what a user gave, for a message: without its end where it is too long to read."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"


def percent(value: float | None) -> str:
    """Return an accuracy as `61.3`, or `-`."""
    return "-" if value is None else f"{100 * value:.1f}"


def duration(seconds: float | None) -> str:
    """Return seconds as `45 s`, `12 min`, `3.5 h` or `-`."""
    if seconds is None:
        return "-"
    if seconds < 100:  # noqa: PLR2004  two digits read best
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h"  # noqa: PLR2004


def size(num_bytes: int) -> str:
    """Return bytes as `512 B`, `3.4 MB` or `2.2 GB`, in powers of 1000."""
    if num_bytes < 1000:  # noqa: PLR2004  as the units are
        return f"{num_bytes} B"
    amount, units = num_bytes / 1000, "kMGT"
    while amount >= 999.5 and len(units) > 1:  # noqa: PLR2004  what rounds to 1000
        amount, units = amount / 1000, units[1:]
    return f"{amount:.3g} {units[0]}B"


def weights(tasks: dict[str, float]) -> str:
    """Return tasks with their weights as text: `a`, `a 0.5 + b 0.5`, or `-` without any task."""
    if len(tasks) == 1:
        return next(iter(tasks))
    return " + ".join(f"{name} {weight:.2g}" for name, weight in tasks.items()) or "-"


def _line(row: Sequence[str], widths: Sequence[int], right: frozenset[int]) -> str:
    cells = [text if len(text) <= width else text[: width - 1] + "…" for text, width in zip(row, widths, strict=True)]
    aligned = [
        cell.rjust(width) if column in right else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(aligned).rstrip()


def _dump(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    msg = f"{value!r} has no JSON form"
    raise TypeError(msg)


def _print_rich(table: Table) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable

    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, heading in enumerate(table.headings):
        drawn.add_column(heading, justify="right" if column in table.right else "left")
    for row in table.rows:
        drawn.add_row(*row)
    Console().print(drawn)


def print_evaluations(evaluations: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Print the metrics of all evaluations; print nothing for a single metric, which is printed elsewhere.

    Args:
        evaluations: Evaluation task -> metric -> language -> score (0..1).
    """
    if sum(map(len, evaluations.values())) < 2:  # noqa: PLR2004
        return
    click.echo("\nAll evaluations in %, the mean over languages first:")
    for task, metrics in evaluations.items():
        for metric, languages in metrics.items():
            each = ", ".join(f"{language} {percent(score)}" for language, score in languages.items())
            print_wrapped(f"{task} {metric}: {percent(statistics.fmean(languages.values()))} ({each})", indent=2)
        if all(metric.endswith("_without_images") for metric in metrics):
            print_wrapped(f"{task} could not be asked with images: the trial has no vision tower for it", indent=2)


def local_time(seconds: float) -> str:
    """Return a time, given in seconds since 1970, as text in this machine's time zone."""
    return dt.datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")

"""What commands print: one JSON document, or text that reads well at 80 columns."""

from __future__ import annotations

import datetime as dt
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import click
from pydantic import BaseModel

WIDTH = 80
"""Columns that every text fits in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text under headings."""

    headings: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    right: frozenset[int] = frozenset()
    """Columns of numbers, set flush right."""


def print_json(value: object) -> None:
    """Print one JSON document: of a model, a list of models, or plain JSON values."""
    is_unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    click.echo(json.dumps(value, indent=2, ensure_ascii=not is_unicode, allow_nan=False, default=_dump))


def print_table(table: Table) -> None:
    """Print a table: with rules and colour on a terminal, as plain aligned columns otherwise."""
    if sys.stdout.isatty():
        _print_rich(table)
        return
    for line in plain_lines(table):
        click.echo(line)


def plain_lines(table: Table) -> list[str]:
    """Return a table as aligned lines; the widest text column gives way where a line would pass 80 columns."""
    rows = [table.headings, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.headings))]
    excess = sum(widths) + 2 * (len(widths) - 1) - WIDTH
    if excess > 0:
        flexible = max(range(len(widths)), key=lambda column: widths[column] * (column not in table.right))
        widths[flexible] = max(8, widths[flexible] - excess)
    return [_line(row, widths, table.right) for row in rows]


def print_languages(languages: dict[str, float]) -> None:
    """Print accuracies under their language codes: the 15 of XNLI fit in one line of 80 columns."""
    codes = sorted(languages)
    click.echo(" ".join(f"{code:>4}" for code in codes))
    click.echo(" ".join(f"{percent(languages[code]):>4}" for code in codes))


def print_next(command: str, *, what: str) -> None:
    """Print the next command to try."""
    click.echo(f"\nNext: {command}   ({what})")


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
    """Return tasks with their weights as `a`, `a 0.5 + b 0.5`, or `-`."""
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
    """Print each evaluation's metrics; nothing where a trial has one evaluation of one metric, shown already.

    Args:
        evaluations: Evaluation task -> metric -> language -> score (0..1).
    """
    if sum(map(len, evaluations.values())) < 2:  # noqa: PLR2004
        return
    click.echo("\nEvery evaluation in %, mean over languages first:")
    for task, metrics in evaluations.items():
        for metric, languages in metrics.items():
            each = ", ".join(f"{language} {percent(score)}" for language, score in languages.items())
            click.echo(f"  {task} {metric}: {percent(statistics.fmean(languages.values()))} ({each})")


def moment(seconds: float) -> str:
    """Return a time, in seconds since 1970, as this machine's clock would show it."""
    return dt.datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ", timespec="seconds")

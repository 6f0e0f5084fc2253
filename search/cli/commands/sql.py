"""`xstilts sql`: runs a SELECT on the views of a sweep."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from search.cli.options import FiniteNumber, WholeNumber, copy_option, json_option, record_option

if TYPE_CHECKING:
    from search.query.sql import Cell, Selected

_LIMIT, _JSON_LIMIT = 1000, 1_000_000
_EXACT_FROM, _LARGE = 1e6, 1e15
"""Numbers between these limits are printed with all digits before the point and three after it, not with six digits."""
_LAST_TIME = 253402300800.0
"""The year 10000, in seconds since 1970."""
_EXAMPLE = "SELECT * FROM scores"


@click.command
@click.argument("name")
@click.argument("statement", metavar="[SELECT]", required=False)
@click.option(
    "--limit",
    type=WholeNumber(min=1),
    metavar="N",
    help="The most rows to print.  [default: 1000; with --json: 1000000]",
)
@click.option(
    "--seconds",
    type=FiniteNumber(min=0, min_open=True, max=3600),
    default=30.0,
    show_default=True,
    metavar="S",
    help="Time limit of the statement, in seconds.",
)
@record_option
@copy_option
@json_option
def sql(
    *,
    name: str,
    statement: str | None,
    limit: int | None,
    seconds: float,
    as_json: bool,
    **places: str | None,
) -> None:
    """Run one SELECT on the sweep NAME; without SELECT, list the views.

    The views are trials, scores, stages and events. The dialect is SQLite's,
    with its json functions. The statement cannot write anything.
    """
    from search.published_record import find_record
    from search.query.sql import run_sql
    from search.record import open_record

    with open_record(find_record(record=places["record"], store=places["store"], sweep=name), read_only=True) as opened:
        if statement is None:
            opened.sweep(name)
            _print_views(name, as_json=as_json)
            return
        most = limit or (_JSON_LIMIT if as_json else _LIMIT)
        found = run_sql(opened, sweep=name, statement=statement, limit=most, seconds=seconds)
    _print_rows(found, as_json=as_json)
    if found.has_more:
        click.echo(f"xstilts: there are more than these {most} rows; raise --limit to get them", err=True)


def _print_rows(found: Selected, *, as_json: bool) -> None:
    from search.cli.output import Table, print_json, print_table

    if as_json:
        print_json([dict(zip(found.columns, row, strict=True)) for row in found.rows])
        return
    numbers = {index for index in range(len(found.columns)) if all(_is_number(row[index]) for row in found.rows)}
    times = {index for index, name in enumerate(found.columns) if _is_time(name, found.columns)}
    rows = [[_text(cell, is_time=index in times) for index, cell in enumerate(row)] for row in found.rows]
    print_table(Table(headings=found.columns, rows=rows, right=frozenset(numbers)))


def _is_time(name: str, columns: tuple[str, ...]) -> bool:
    """Return whether a column has times as numbers, by its name, and no other column has them in ISO 8601."""
    from search.query.views import ISO, TIMES

    return any(time in re.findall(r"\w+", name) for time in TIMES) and f"{name}{ISO}" not in columns


def _print_views(name: str, *, as_json: bool) -> None:
    from search.cli.output import print_json, print_next
    from search.query.views import VIEWS

    if as_json:
        print_json({view: described.columns for view, described in VIEWS.items()})
        return
    for view, described in VIEWS.items():
        click.echo(view)
        for column, meaning in described.columns.items():
            click.echo(f"  {column:<21}  {meaning}")
    print_next(f'xstilts sql {name} "{_EXAMPLE}"', what="a SELECT on a view")


def _is_number(cell: Cell) -> bool:
    return cell is None or isinstance(cell, (int, float))


def _text(cell: Cell, *, is_time: bool) -> str:
    from search.query.views import iso_time

    if cell is None:
        return "-"
    if not isinstance(cell, float):
        return str(cell).replace("\n", " ")
    if not abs(cell) < _EXACT_FROM:
        text = f"{cell:.3f}".rstrip("0").rstrip(".") if abs(cell) < _LARGE else f"{cell:.6g}"
        return f"{text} {iso_time(cell)}" if is_time and 0 < cell < _LAST_TIME else text
    return f"{cell:.6g}"

"""`xstilts compare`: families, tasks or two queries beside a baseline."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Literal

import click

from search.cli.options import json_option, record_option, store_option

if TYPE_CHECKING:
    from search.cli.output import Table
    from search.compare import Comparison, ProtocolRow


@click.command
@click.argument("name")
@click.option(
    "--by",
    type=click.Choice(["family", "task", "where"]),
    default="family",
    help="What makes a group; `where` takes two --where, the baseline's first.  [default: family]",
)
@click.option("--baseline", metavar="GROUP", help="What the others are held against.  [default: none]")
@click.option("--where", "wheres", multiple=True, metavar="EXPR", help="Only trials that meet it; see `xstilts best`.")
@click.option("--metric", metavar="METRIC", help="average, english, worst or a language.  [default: the objective]")
@click.option(
    "--margin",
    type=click.FloatRange(min=0, min_open=True),
    default=0.5,
    metavar="POINTS",
    help="Effects within it are equivalent.  [default: 0.5]",
)
@click.option("--protocols", is_flag=True, help="What each way of selecting a trial would choose, and its cost.")
@record_option
@store_option
@json_option
def compare(
    name: str,
    by: Literal["family", "task", "where"],
    wheres: tuple[str, ...],
    margin: float,
    protocols: bool,  # noqa: FBT001  click passes it by name
    as_json: bool,  # noqa: FBT001
    **choices: str | None,
) -> None:
    """Compare groups of finished trials of the sweep NAME with a baseline.

    Prints each group's effect with a 95 % interval, and a verdict: better,
    worse, equivalent, or undecided with the number of seeds that would decide.
    Trials that share an intermediate checkpoint count as one; nothing is
    concluded from fewer than 3 intermediate seeds.

    \b
    Example:
      xstilts compare demo --by where --where "family = 'none'" \\
          --where "family = 'multimodal'"
    """  # noqa: D301  (click reads the control character)
    from search.cli.output import print_json
    from search.compare.asking import Question
    from search.compare.asking import compare as ask
    from search.compare.protocols import selection_protocols
    from search.home import find_home
    from search.published import record_beside_store
    from search.record import open_record

    home = find_home(record=choices["record"], store=choices["store"])
    place = record_beside_store(home, record=choices["record"], store=choices["store"], sweep=name)
    with open_record(place, read_only=True) as opened:
        if protocols:
            rows = selection_protocols(opened, sweep=name, store=home.store)
            print_json(rows) if as_json else _print_protocols(rows)
            return
        metric, baseline = choices["metric"], choices["baseline"]
        question = Question(sweep=name, by=by, baseline=baseline, wheres=wheres, metric=metric, margin=margin)
        found = ask(opened, question, store=home.store)
    print_json(found) if as_json else print_comparison(found)


def print_comparison(found: Comparison, *, split: str = "dev") -> None:
    """Print a comparison: a table of groups, their intervals as bars, and what is undecided with the command to run."""
    from search.cli.intervals import interval_lines
    from search.cli.output import print_table
    from search.compare.wording import reasons

    protocol = found.protocol
    level = f"{100 * (1 - protocol.alpha):.3g} %"
    click.echo(f"{found.sweep} by {protocol.by}, {protocol.metric} {split} score, against {protocol.baseline}")
    click.echo(f"Effects in points with {level} intervals, p by Holm, margin {protocol.margin:g}:\n")
    print_table(_table(found))
    click.echo()
    for line in interval_lines(found.groups, margin=protocol.margin):
        click.echo(line)
    for text in reasons(found.groups):
        click.echo("\n" + textwrap.fill(text, width=80, break_long_words=False, break_on_hyphens=False))
    for note in found.notes:
        click.echo("\n" + textwrap.fill(f"Note: {note}", width=80))


def _table(found: Comparison) -> Table:
    from search.cli.output import Table, percent

    rows = [
        (
            f"  {group.group}" if group.control_of else group.group,
            str(group.num_trials),
            str(group.num_intermediate_seeds),
            percent(group.mean),
            "-" if group.effect is None else f"{group.effect:+.2f}",
            "-" if group.adjusted_p is None else f"{group.adjusted_p:.3f}",
            group.verdict,
        )
        for group in found.groups
    ]
    headings = ("group", "trials", "seeds", "mean", "effect", "p", "verdict")
    return Table(headings=headings, rows=rows, right=frozenset({1, 2, 3, 4, 5}))


def _print_protocols(rows: tuple[ProtocolRow, ...]) -> None:
    from search.cli.output import Table, percent, print_table

    cells = [
        (row.protocol, str(row.trial), percent(row.selected_by), percent(row.average), f"{row.regret:.2f}")
        for row in rows
    ]
    headings = ("selected by", "trial", "value", "average", "regret in points")
    print_table(Table(headings=headings, rows=cells, right=frozenset({1, 2, 3, 4})))

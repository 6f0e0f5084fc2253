"""`xstilts compare`: compares families, tasks or two queries with a baseline."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Literal

import click

from search.cli.options import FiniteNumber, json_option, record_option, store_option

if TYPE_CHECKING:
    from search.cli.output import Table
    from search.compare import Comparison, ProtocolRow
    from search.compare.comparison import Question
    from search.record import Record


@click.command
@click.argument("name")
@click.option(
    "--by",
    type=click.Choice(["family", "task", "encoder", "where"]),
    default="family",
    help="What defines a group. `where` needs two --where, the baseline's first.  [default: family]",
)
@click.option(
    "--baseline",
    metavar="GROUP",
    help="The group that the others are compared with.  [default: none, or the first encoder]",
)
@click.option("--where", "wheres", multiple=True, metavar="EXPR", help="Only trials that match; see `xstilts best`.")
@click.option(
    "--metric",
    metavar="METRIC",
    help="Use average, english, worst, a language, xtreme or xtreme_r.  [default: the objective]",
)
@click.option(
    "--margin",
    type=FiniteNumber(min=0, min_open=True),
    default=0.5,
    metavar="POINTS",
    help="Margin of equivalence: smaller effects count as equal.  [default: 0.5]",
)
@click.option(
    "--protocols",
    is_flag=True,
    help="Print instead which trial each selection protocol selects, and how many points it loses.",
)
@click.option("--table", type=click.Choice(["markdown", "latex"]), help="Print the table for a paper.")
@click.option("--languages", flag_value="yes", help="With --table: print each group's mean in each language.")
@record_option
@store_option
@json_option
def compare(
    name: str,
    by: Literal["family", "task", "encoder", "where"],
    wheres: tuple[str, ...],
    margin: float,
    protocols: bool,  # noqa: FBT001  click passes it by name
    as_json: bool,  # noqa: FBT001
    **choices: str | None,
) -> None:
    """Compare groups of finished trials of the sweep NAME with a baseline.

    Prints the effect of each group with a 95 % interval, and a verdict: better,
    worse, equivalent or undecided. An undecided group comes with the number of
    seeds that it needs. Trials that share an intermediate seed count as one. A
    verdict needs at least 3 intermediate seeds. `--by encoder` also tells for
    each family whether its effect is the same with every encoder.

    \b
    Example:
      xstilts compare demo --by where --where "family = 'none'" \\
          --where "family = 'multimodal'"
    """  # noqa: D301  (click reads the control character)
    from search.cli.output import print_json
    from search.compare.comparison import Question
    from search.compare.comparison import compare as ask
    from search.compare.protocols import selection_protocols
    from search.home import find_home
    from search.published_record import find_record_or_copy
    from search.record import open_record

    if choices["languages"] and not choices["table"]:
        msg = f"--languages is a table for a paper: `xstilts compare {name} --table markdown --languages`"
        raise click.UsageError(msg)
    home = find_home(record=choices["record"], store=choices["store"])
    place = find_record_or_copy(home, record=choices["record"], store=choices["store"], sweep=name)
    with open_record(place, read_only=True) as opened:
        if protocols:
            rows = selection_protocols(opened, sweep=name, store=home.store, downloads=home.downloads)
            print_json(rows) if as_json else _print_protocols(rows)
            return
        metric, baseline = choices["metric"], choices["baseline"]
        question = Question(sweep=name, by=by, baseline=baseline, wheres=wheres, metric=metric, margin=margin)
        found = ask(opened, question, store=home.store, downloads=home.downloads)
        if choices["table"]:
            means = _language_means(opened, question) if choices["languages"] else None
            _print_for_paper(found, form="latex" if choices["table"] == "latex" else "markdown", means=means)
            return
    print_json(found) if as_json else print_comparison(found)


def _language_means(record: Record, question: Question) -> dict[str, dict[str, float]]:
    """Return language -> group -> mean score, with the same groups and means as the comparison."""
    from dataclasses import replace

    from search.compare.comparison import compare as ask

    measured = record.measurements(question.sweep)
    languages = sorted({code for one in measured for code in one.trial_result.languages})
    # Without the store: means do not need the items.
    found = {code: ask(record, replace(question, metric=code)) for code in languages}
    return {code: {group.group: group.mean for group in one.groups} for code, one in found.items()}


def _print_for_paper(
    found: Comparison, *, form: Literal["markdown", "latex"], means: dict[str, dict[str, float]] | None
) -> None:
    from search.report.paper_tables import comparison_table, language_table, write_table

    table = comparison_table(found) if means is None else language_table(found, means=means)
    click.echo(write_table(table, form=form), nl=False)


def print_comparison(found: Comparison, *, split: str = "dev") -> None:
    """Print a comparison: the table of groups, their intervals as bars, and next steps for undecided groups.

    Args:
        found: The comparison.
        split: Split that the scores are of: `dev` or `test`.
    """
    from search.cli.intervals import interval_lines
    from search.cli.output import print_table, print_wrapped
    from search.compare.comparison_result import MEAN
    from search.compare.inconclusive_reasons import reasons

    protocol = found.protocol
    level = f"{100 * (1 - protocol.alpha):.3g} %"
    click.echo(f"{found.sweep} by {protocol.by}, {protocol.metric} {split} score, against {protocol.baseline}")
    if found.metric_meaning:
        print_wrapped(f"{protocol.metric}: {found.metric_meaning}")
    click.echo(f"Effects in points with {level} intervals, p by Holm; margin {protocol.margin:g}:\n")
    print_table(_table(found))
    print_wrapped(f"mean: {MEAN}; `xstilts best` and SQL have means over trials")
    click.echo()
    for line in interval_lines(found.groups, margin=protocol.margin):
        click.echo(line)
    for text in reasons(found.groups):
        click.echo("\n" + textwrap.fill(text, width=80, break_long_words=False, break_on_hyphens=False))
    if found.interactions:
        _print_interactions(found)
    for note in found.notes:
        click.echo("\n" + textwrap.fill(f"Note: {note}", width=80))


def _print_interactions(found: Comparison) -> None:
    """Print whether each family's effect holds for each encoder."""
    from search.cli.output import Table, print_table

    click.echo(f"\nDoes a family's effect hold? Its difference from the effect with {found.protocol.baseline}:\n")
    rows = [
        (
            one.family,
            one.encoder,
            f"{one.effect:+.2f}",
            f"{one.difference:+.2f}",
            "-" if one.low is None or one.high is None else f"[{one.low:+.2f}, {one.high:+.2f}]",
            "-" if one.adjusted_p is None else f"{one.adjusted_p:.3f}",
            one.verdict,
        )
        for one in found.interactions
    ]
    headings = ("family", "encoder", "effect", "difference", "interval", "p", "verdict")
    print_table(Table(headings=headings, rows=rows, right=frozenset({2, 3, 4, 5})))
    for reason in dict.fromkeys(one.reason for one in found.interactions if one.reason):
        click.echo("\n" + textwrap.fill(f"Undecided: {reason}.", width=80, break_on_hyphens=False))


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

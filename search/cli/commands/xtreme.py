"""`xstilts xtreme`: prints a trial's results as the benchmark XTREME or XTREME-R reports them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from search.cli.options import WholeNumber, copy_option, json_option, record_option

if TYPE_CHECKING:
    from search.query.benchmark_table import BenchmarkTable, BenchmarkTask


@click.command
@click.argument("name")
@click.argument("trial", type=WholeNumber(min=0))
@click.option("--benchmark", default="xtreme_r", show_default=True, metavar="NAME", help="xtreme or xtreme_r.")
@record_option
@copy_option
@json_option
def xtreme(name: str, trial: int, benchmark: str, as_json: bool, **places: str | None) -> None:  # noqa: FBT001
    """Print trial TRIAL of the sweep NAME as XTREME's table of results.

    Each task has the figure that the benchmark reports, then come the averages
    of groups and of all tasks, beside published results. The trial's figures
    are of the split that the search scored: dev. Published ones are of test.
    """
    from search.cli.output import print_json
    from search.published_record import find_record
    from search.query import report_trial
    from search.query.benchmark_table import benchmark_table
    from search.record import open_record

    record = find_record(record=places["record"], store=places["store"], sweep=name)
    with open_record(record, read_only=True) as opened:
        table = benchmark_table(report_trial(opened, sweep=name, number=trial), benchmark=benchmark)
    if as_json:
        print_json(table)
    else:
        _print(table)


def _print(table: BenchmarkTable) -> None:
    from search.cli.output import Table, percent, print_next, print_table, print_wrapped
    from search.query.benchmark_table import PUBLISHED
    from trainables.evaluation.benchmarks import TITLES

    models = list(PUBLISHED)
    rows = [_row(one, models=models) for one in table.tasks]
    blank = [""] * (len(models) + 2)
    rows += [[f"= {group}", percent(value), *blank] for group, value in table.groups.items()]
    if table.average is not None:
        rows.append([f"= all {len(table.tasks)} tasks", percent(table.average), *blank])
    elif table.average_of_scored is not None:
        num_scored = len(table.tasks) - len(table.missing)
        rows.append([f"= the {num_scored} scored", percent(table.average_of_scored), *blank])
    headings = ("task", "here", "metric", "langs", *models)
    click.echo(f"Trial {table.trial} of {table.sweep} on {table.benchmark}, dev split, in %:")
    print_table(Table(headings=headings, rows=rows, right=frozenset({1, *range(3, len(headings))})))
    click.echo("A line with = is a mean; F1/EM counts as the mean of both (evaluate.py).")
    click.echo("Published figures are of the test split, and F1 alone.")
    if table.subset:
        print_wrapped(f"Not the average of {TITLES[table.benchmark]}, but {table.subset}.")
    if table.missing:
        click.echo(f"Not scored: {', '.join(table.missing)}")
        print_next(f"xstilts search SPEC --set trial.further={table.benchmark}", what="scores all tasks")


_NAMES = {
    "f1": "F1",
    "mlqa_f1": "F1",
    "mining_f1": "F1",
    "seqeval_f1": "F1",
    "exact_match": "EM",
    "map_at_20": "mAP@20",
}
"""Metric -> its short name in the table."""


def _row(one: BenchmarkTask, *, models: list[str]) -> list[str]:
    from search.cli.output import percent

    values = "/".join(percent(value) for value in one.metrics.values()) or "-"
    metric = "/".join(_NAMES.get(metric, metric) for metric in one.metrics) or "-"
    published = [f"{one.published[model]:.1f}" if model in one.published else "-" for model in models]
    of = f"/{one.num_languages_in_benchmark}" if one.num_languages < one.num_languages_in_benchmark else ""
    return [one.task, values, metric, f"{one.num_languages}{of}" if one.num_languages else "-", *published]

"""`xstilts confirm`: trains the best configurations and the baseline with fresh seeds, and scores the test split."""

from __future__ import annotations

import click

from search.cli.options import FiniteNumber, WholeNumber, json_option, record_option, store_option, take_over_option
from trainables.number_words import number_of


@click.command
@click.argument("name")
@click.option(
    "--top",
    type=WholeNumber(min=1),
    default=1,
    metavar="K",
    help="Number of best configurations.  [default: 1]",
)
@click.option(
    "--seeds",
    type=WholeNumber(min=3),
    default=12,
    metavar="S",
    help="The most fresh seeds of a configuration.  [default: 12]",
)
@click.option(
    "--margin",
    type=FiniteNumber(min=0, min_open=True),
    default=0.5,
    metavar="POINTS",
    help="Margin of equivalence: smaller effects count as equal.  [default: 0.5]",
)
@click.option("--no-test", is_flag=True, help="Do not score the test split.")
@click.option("--again", is_flag=True, help="Score the test split again; the record counts and shows this.")
@take_over_option
@record_option
@store_option
@json_option
def confirm(name: str, top: int, seeds: int, margin: float, as_json: bool, **choices: str | bool | None) -> None:  # noqa: FBT001
    """Train the best of the sweep NAME with fresh seeds, then score the test.

    Trains the best K configurations and the baseline (family none) with fresh
    seeds in both phases: first 3 seeds, then more until there is a verdict, at
    most S. These trials belong to a new sweep, NAME.confirmed; the same command
    continues it. When all verdicts are there, or the seeds are used up, the
    best configuration and the baseline are scored on the test split, once.

    \b
    Example:
      xstilts confirm demo --top 1 --seeds 6
    """  # noqa: D301  (click reads the control character)
    from search.cli.commands.compare import print_comparison
    from search.cli.output import print_json, print_next
    from search.confirm.confirmation import ConfirmRequest
    from search.confirm.confirmation import confirm as run
    from search.home import find_home

    record, store = (str(choices[place]) if choices[place] else None for place in ("record", "store"))
    request = ConfirmRequest(
        sweep=name,
        top=top,
        seeds=seeds,
        home=find_home(record=record, store=store),
        margin=margin,
        opens_test=not choices["no_test"],
        again=bool(choices["again"]),
        take_over=bool(choices["take_over"]),
    )
    try:
        found = run(request)
    except KeyboardInterrupt:
        click.echo("\nStopped. Finished work is kept; the same command continues.", err=True)
        raise
    if as_json:
        print_json(found)
        return
    click.echo(f"Dev, {number_of(found.seeds, 'fresh seed')} of each configuration:")
    print_comparison(found.dev)
    if found.test is None:
        print_next(f"xstilts confirm {name} --top {top} --seeds {seeds}", what="also scores the test split, once")
        return
    times = "once" if found.num_test_openings == 1 else f"{found.num_test_openings} times"
    click.echo(f"\nTest split, scored {times}:")
    print_comparison(found.test, split="test")

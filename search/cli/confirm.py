"""`xstilts confirm`: the best configurations and the baseline with fresh seeds, then the locked test split."""

from __future__ import annotations

import click

from search.cli.options import json_option, record_option, store_option, take_over_option


@click.command
@click.argument("name")
@click.option("--top", type=click.IntRange(min=1), default=1, metavar="K", help="Best configurations.  [default: 1]")
@click.option(
    "--seeds", type=click.IntRange(min=3), default=12, metavar="S", help="Fresh seeds at most.  [default: 12]"
)
@click.option(
    "--margin",
    type=click.FloatRange(min=0, min_open=True),
    default=0.5,
    metavar="POINTS",
    help="Effects within it are equivalent.  [default: 0.5]",
)
@click.option("--no-test", is_flag=True, help="Leave the test split locked.")
@click.option("--again", is_flag=True, help="Score the test split once more; that is recorded and shown.")
@take_over_option
@record_option
@store_option
@json_option
def confirm(name: str, top: int, seeds: int, margin: float, as_json: bool, **choices: str | bool | None) -> None:  # noqa: FBT001
    """Run the best of the sweep NAME again with fresh seeds, then score the test.

    The best K configurations and the baseline (family none) get fresh seeds in
    both phases: 3 first, then as many as a verdict takes, at most S. They are
    a sweep of their own, NAME.confirmed; the same command continues it. When
    all is decided, or the seeds are used up, the best one and the baseline are
    scored on the locked test split, once.

    \b
    Example:
      xstilts confirm demo --top 1 --seeds 6
    """  # noqa: D301  (click reads the control character)
    from search.cli.compare import print_comparison
    from search.cli.output import print_json, print_next
    from search.confirm.running import ConfirmRequest
    from search.confirm.running import confirm as run
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
        click.echo("\nStopped. What was finished is kept; the same command continues.", err=True)
        raise
    if as_json:
        print_json(found)
        return
    click.echo(f"Dev, {found.seeds} fresh seeds of each configuration:")
    print_comparison(found.dev)
    if found.test is None:
        print_next(f"xstilts confirm {name} --top {top} --seeds {seeds}", what="also opens the test split, once")
        return
    times = "once" if found.num_test_openings == 1 else f"{found.num_test_openings} times"
    click.echo(f"\nLocked test split, opened {times}:")
    print_comparison(found.test, split="test")

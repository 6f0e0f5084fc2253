"""`xstilts tasks rank`: which source tasks of a sweep look promising, told in minutes without training."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import click

from search.cli.options import json_option, set_option

if TYPE_CHECKING:
    from search.ranking import Ranking

NUM_ITEMS = 1000
WEAKNESS = (
    "These are weak hints. They know nothing of how long is trained, of images, or of languages other than the one "
    "that the texts are in; a sweep that believes them fades them out as its trials end."
)


@click.command(short_help="Rank a sweep's source tasks, without training.")
@click.argument("spec", metavar="SPEC")
@set_option
@click.option("--items", type=click.IntRange(min=20), default=NUM_ITEMS, show_default=True, metavar="N",
              help="Items of each task to read.")  # fmt: skip
@click.option("--max-length", type=click.IntRange(8, 512), default=128, show_default=True, metavar="T",
              help="Longest text in tokens.")  # fmt: skip
@json_option
@click.pass_context
def rank(
    context: click.Context,
    spec: str,
    settings: tuple[str, ...],
    items: int,
    max_length: int,
    as_json: bool,  # noqa: FBT001  click passes it by name
) -> None:
    """Rank the source tasks of the sweep that SPEC describes, without training.

    Reads some items of each task with the sweep's encoder as it is, and prints
    how near each task is to the target: the cosine of their mean text vectors
    (TextEmb, arXiv 2005.00770) and, for tasks with classes, LogME of the
    target's labels on what a linear classifier of the task says of the target's
    texts (arXiv 2102.11005). What is printed last can be put into the spec: the
    sweep then tries the arms in this order.

    \b
    Example:
      xstilts tasks rank demo --items 500
    """  # noqa: D301  (click reads the control character)
    from search.cli.output import print_json
    from search.ranking import rank_tasks
    from spaces.overrides import with_settings
    from spaces.sweep_spec import load_sweep_spec

    ranking = rank_tasks(with_settings(load_sweep_spec(spec), settings), num_items=items, max_length=max_length)
    if as_json or context.obj:
        print_json(ranking)
    else:
        _print(ranking)


def _print(ranking: Ranking) -> None:
    from search.cli.output import WIDTH, Table, print_table

    click.echo(
        f"Source tasks for {ranking.target}, by {ranking.encoder} as it is, {ranking.num_items} items of each:\n"
    )
    rows = [
        (one.task, f"{one.similarity:.4f}", "-" if one.logme is None else f"{one.logme:.4f}", f"{one.expected:+.2f}")
        for one in ranking.tasks
    ]
    headings = ("task", "similarity", "LogME", "expected")
    print_table(Table(headings=headings, rows=rows, right=frozenset({1, 2, 3})))
    if ranking.target_logme is not None:
        click.echo(f"\nLogME of {ranking.target} on the encoder's own features: {ranking.target_logme:.4f}.")
    if ranking.left_out:
        click.echo(f"Left out: {', '.join(ranking.left_out)} (controls: their texts do not show what they lack).")
    click.echo("\n" + textwrap.fill(WEAKNESS, WIDTH))
    click.echo("\nTo have the sweep believe it, put this into its spec:\n")
    click.echo("\n".join(_spec_lines(ranking)))


def _spec_lines(ranking: Ranking) -> list[str]:
    """Return the priors as lines of YAML, with keys in quotes where YAML would read them as no text."""
    lines = ["priors:", "  arms:"]
    for path, effects in ranking.priors.arms.items():
        lines.append(f"    {path}:")
        lines += [f"      {json.dumps(label)}: {effect:.3f}" for label, effect in effects.items()]
    return lines

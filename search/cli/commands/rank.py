"""`xstilts tasks rank`: estimates in minutes, without training, which source tasks of a sweep help."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import click

from search.cli.options import WholeNumber, json_option, set_option

if TYPE_CHECKING:
    from search.ranking import Ranking

NUM_ITEMS = 1000
WEAKNESS = (
    "These estimates are weak: they ignore the length of training, images, and all languages but the language of the "
    "texts. A sweep that uses them as priors gives them less weight with every finished trial."
)


@click.command(short_help="Rank the source tasks of a sweep, without training.")
@click.argument("spec", metavar="SPEC")
@set_option
@click.option("--items", type=WholeNumber(min=20), default=NUM_ITEMS, show_default=True, metavar="N",
              help="Number of items to read of each task.")  # fmt: skip
@click.option("--max-length", type=click.IntRange(8, 512), default=128, show_default=True, metavar="T",
              help="Longest text, in tokens.")  # fmt: skip
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

    Reads some items of each task with the sweep's encoder, without training it,
    and prints two estimates of how much the task helps the target task. The
    first is the cosine of their mean text vectors (TextEmb, arXiv 2005.00770).
    The second is for tasks with classes: a linear classifier is fitted to the
    task and applied to the target's texts, and LogME (arXiv 2102.11005) scores
    how well its outputs explain the target's labels. The last lines are priors
    for the spec: the sweep then tries the arms in this order.

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
        f"Source tasks for {ranking.target}, by {ranking.encoder} without training, {ranking.num_items} items each:\n"
    )
    rows = [
        (
            ranked.task,
            f"{ranked.similarity:.4f}",
            "-" if ranked.logme is None else f"{ranked.logme:.4f}",
            f"{ranked.expected:+.2f}",
        )
        for ranked in ranking.tasks
    ]
    headings = ("task", "similarity", "LogME", "expected")
    print_table(Table(headings=headings, rows=rows, right=frozenset({1, 2, 3})))
    if ranking.target_logme is not None:
        click.echo(f"\nLogME of {ranking.target} on the encoder's own features: {ranking.target_logme:.4f}.")
    if ranking.left_out:
        text = f"Not ranked: {', '.join(ranking.left_out)} (controls: the texts do not show what is changed in them)."
        click.echo(textwrap.fill(text, WIDTH))
    click.echo("\n" + textwrap.fill(WEAKNESS, WIDTH))
    click.echo("\nTo use the ranking in the sweep, put this into its spec:\n")
    click.echo("\n".join(_spec_lines(ranking)))


def _spec_lines(ranking: Ranking) -> list[str]:
    """Return the priors as lines of YAML; labels are quoted, so that YAML reads every one as text."""
    lines = ["priors:", "  arms:"]
    for path, effects in ranking.priors.arms.items():
        lines.append(f"    {path}:")
        lines += [f"      {json.dumps(label)}: {effect:.3f}" for label, effect in effects.items()]
    return lines

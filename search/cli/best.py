"""`xstilts best`: the best configurations of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from search.cli.options import copy_option, json_option, record_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from search.cli.output import Table
    from search.query import BestOfFamily, BestTrial


@click.command
@click.argument("name")
@click.option("--top", type=click.IntRange(min=1), metavar="K", help="How many.  [default: 5; with --by: 1 each]")
@click.option("--by", type=click.Choice(["family"]), help="The best of each family.")
@click.option("--metric", metavar="METRIC", help="average, english, worst or a language.  [default: the objective]")
@click.option("--where", metavar="EXPR", help="Only trials that meet it, like \"family = 'text' and sw > 0.5\".")
@record_option
@copy_option
@json_option
def best(name: str, top: int | None, by: Literal["family"] | None, as_json: bool, **choices: str | None) -> None:  # noqa: FBT001
    """Print the best finished trials of the sweep NAME, the best first.

    --where compares columns (number, state, family, rung, score, average,
    english, worst, a language code, seed, attempts, cost_paid_seconds,
    cost_if_alone_seconds, config.target.learning_rate and every other field of
    the configuration) with = != < <= > >= in, joined by and, or, not.
    """
    from search import query
    from search.cli.output import print_json, print_next
    from search.published import record_to_read
    from search.record import open_record

    metric, where = choices["metric"], choices["where"]
    ask, default_top = (query.best_of_families, 1) if by == "family" else (query.best, 5)
    asked = record_to_read(record=choices["record"], store=choices["store"], sweep=name)
    with open_record(asked, read_only=True) as opened:
        answers = ask(opened, sweep=name, top=top or default_top, metric=metric, where=where)
    if as_json:
        print_json(answers)
    elif not answers:
        _print_none(name, filtered=choices["where"] is not None)
    else:
        print_answers(answers)
        first = answers[0]
        print_next(f"xstilts show {first.sweep} {first.trial}", what="its full configuration, lineage and cost")


def _print_none(name: str, *, filtered: bool) -> None:
    from search.cli.output import print_next

    click.echo(f"Sweep {name} has no finished trial {'that meets --where' if filtered else 'yet'}.")
    print_next(f"xstilts status {name}", what="how the sweep stands")


def print_answers(answers: Sequence[BestTrial], *, with_languages: bool = True) -> None:
    """Print trials, or the best trial of each family, as a table.

    Args:
        answers: At least one; the first is the best.
        with_languages: Whether the first one's accuracy in each language follows.
    """
    from search.cli.output import print_languages, print_table
    from search.query import BestOfFamily

    first = answers[0]
    click.echo(f"Best of {first.sweep} by {first.metric}: {score_words(first.config)} in %")
    families = [answer for answer in answers if isinstance(answer, BestOfFamily)]
    print_table(_family_table(families) if families else _trial_table(answers))
    if any(answer.set_aside for answer in answers):
        click.echo("* set aside: does not count, because the sweep was changed; `xstilts show` says why")
    if with_languages:
        click.echo(f"\nTrial {first.trial} by language:")
        print_languages(first.languages)


def evaluation_task(config: dict[str, JsonValue]) -> str:
    """Return the name of the task that a trial is scored on."""
    evaluation = config["evaluation"]
    assert isinstance(evaluation, dict)  # noqa: S101  (the record checked it)
    return str(evaluation["task"])


def score_words(config: dict[str, JsonValue]) -> str:
    """Return what a trial's scores are called: those of a generated task are never taken for XNLI's."""
    task = evaluation_task(config)
    if task.startswith("miniature"):
        return "miniature scores (zero-shot dev)"
    from trainables.errors import InputError
    from trainables.tasks import registry

    try:
        metric = registry.task(task).metric.replace("_", " ")
    except InputError:  # a task that was registered elsewhere
        metric = "score"
    return f"zero-shot dev {metric} on {task}"


def _trial_table(answers: Sequence[BestTrial]) -> Table:
    from search.cli.output import Table, duration, percent, weights

    rows = [
        (
            f"{answer.trial}{'*' if answer.set_aside else ''}",
            percent(answer.score),
            percent(answer.languages.get("en")),
            percent(min(answer.languages.values())),
            answer.family,
            weights(answer.tasks),
            duration(answer.cost_paid_seconds),
        )
        for answer in answers
    ]
    headings = ("trial", answers[0].metric, "en", "lowest", "family", "intermediate tasks", "cost")
    return Table(headings=headings, rows=rows, right=frozenset({0, 1, 2, 3, 6}))


def _family_table(answers: Sequence[BestOfFamily]) -> Table:
    from search.cli.output import Table, percent, weights

    rows = [
        (
            answer.family,
            str(answer.num_in_family),
            percent(answer.mean_in_family),
            percent(answer.score),
            str(answer.trial),
            weights(answer.tasks),
        )
        for answer in answers
    ]
    headings = ("family", "trials", "mean", "best", "trial", "intermediate tasks")
    return Table(headings=headings, rows=rows, right=frozenset({1, 2, 3, 4}))

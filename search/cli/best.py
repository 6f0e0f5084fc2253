"""`xstilts best`: the best configurations of a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal  # Any: what click gives has no static type

import click

from search.cli.options import copy_option, json_option, record_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from search.cli.output import Table
    from search.query import BestOfFamily, BestTrial
    from search.record import Record

_TOP = 5
_FAMILIES = ("none", "text", "multimodal", "multitask", "control")


@click.command
@click.argument("name")
@click.option(
    "--top", type=click.IntRange(min=1), metavar="K", help="How many.  [default: 5; --by: 1 each; --pareto: all]"
)
@click.option("--by", type=click.Choice(["family"]), help="The best of each family.")
@click.option("--pareto", is_flag=True, help="Those that none beats in all objectives, or in score and seconds.")
@click.option(
    "--metric", metavar="METRIC", help="average, english, worst or a language.  [default: the first objective]"
)
@click.option("--language", metavar="CODE", help="By the accuracy in this language.")
@click.option(
    "--rung", type=click.IntRange(min=0), metavar="R", help="By the scores at this rung, of all measured there."
)
@click.option(
    "--family", "families", type=click.Choice(_FAMILIES), multiple=True, help="Only this one; may be repeated."
)
@click.option("--task", "tasks", metavar="TASK", multiple=True, help="Only trials trained on it; may be repeated.")
@click.option("--where", metavar="EXPR", help="Only trials that meet it, like \"family = 'text' and sw > 0.5\".")
@record_option
@copy_option
@json_option
def best(*, name: str, record: str | None, store: str | None, as_json: bool, **asked: Any) -> None:
    """Print the best finished trials of the sweep NAME, the best first.

    --where compares columns (number, state, family, task, rung, score, average,
    english, worst, a language code, seed, attempts, cost_paid_seconds,
    cost_if_alone_seconds, config.target.learning_rate and every other field of
    the configuration) with = != < <= > >= in, joined by and, or, not.
    """
    from search.cli.output import print_json, print_next
    from search.published import record_to_read
    from search.record import open_record

    asking = Asking(**asked)
    asking.check()
    with open_record(record_to_read(record=record, store=store, sweep=name), read_only=True) as opened:
        answers = asking.answers(opened, name)
        title = asking.title(opened, name)
        trained_on = asking.known_tasks(opened, name) if asking.tasks and not answers else []
    if as_json:
        print_json(answers)
    elif not answers:
        _print_none(name, asking, trained_on=trained_on)
    else:
        print_answers(answers, title=title, as_front=asking.pareto)
        first = answers[0]
        print_next(f"xstilts show {first.sweep} {first.trial}", what="its full configuration, lineage and cost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What the options ask for."""

    top: int | None
    by: Literal["family"] | None
    pareto: bool
    metric: str | None
    language: str | None
    rung: int | None
    families: tuple[str, ...]
    tasks: tuple[str, ...]
    where: str | None

    def check(self) -> None:
        """Check that the options agree.

        Raises:
            click.UsageError: Two do not.
        """
        ways = {"--by": self.by is not None, "--pareto": self.pareto, "--rung": self.rung is not None}
        for pair in (ways, {"--metric": self.metric is not None, "--language": self.language is not None}):
            given = [option for option, is_given in pair.items() if is_given]
            if len(given) > 1:
                msg = f"{' and '.join(given)} ask for different things; give one of them"
                raise click.UsageError(msg)

    @property
    def conditions(self) -> tuple[str, ...]:
        """The `--where` expressions that trials must meet."""
        families = [f"family in ({', '.join(map(_quoted, self.families))})"] if self.families else []
        tasks = [f"task = {_quoted(task)}" for task in self.tasks]
        return (*families, *tasks, *([] if self.where is None else [self.where]))

    def answers(self, record: Record, name: str) -> Sequence[BestTrial]:
        """Return what was asked for."""
        from search import query

        metric, where = self.language or self.metric, self.conditions
        if self.pareto:
            return query.pareto(record, sweep=name, metric=metric, where=where)[: self.top]
        if self.rung is not None:
            top = self.top or _TOP
            return query.best_at_rung(record, sweep=name, rung=self.rung, top=top, metric=metric, where=where)
        if self.by == "family":
            return query.best_of_families(record, sweep=name, top=self.top or 1, metric=metric, where=where)
        return query.best(record, sweep=name, top=self.top or _TOP, metric=metric, where=where)

    def known_tasks(self, record: Record, name: str) -> list[str]:
        """Return the intermediate tasks of all trials of the sweep."""
        from search.query.answers import tasks_of

        return sorted({task for trial in record.trials(name) for task in tasks_of(trial.config)})

    def title(self, record: Record, name: str) -> str:
        """Return what the answers are the best of, and by what."""
        from search import query

        sweep, metric = record.sweep(name), self.language or self.metric
        if self.pareto:
            goals = ", ".join(query.pareto_goals(sweep, metric=metric))
            return f"What no trial of {name} beats in all of {goals} (as if nothing were shared)"
        if metric is None and len(sweep.goals) > 1:
            return f"Best of {name} by {sweep.objective}, its first objective (of all: --pareto)"
        return f"Best of {name} by {metric or sweep.objective}"


def _quoted(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"


def _print_none(name: str, asking: Asking, *, trained_on: Sequence[str]) -> None:
    from search.cli.output import print_next
    from trainables.errors import near_matches

    measured = "finished trial" if asking.rung is None else f"trial measured at rung {asking.rung}"
    meets = f"that meets {' and '.join(asking.conditions)}" if asking.conditions else "yet"
    click.echo(f"Sweep {name} has no {measured} {meets}.")
    for task in asking.tasks:
        if task not in trained_on:
            known, near = ", ".join(trained_on) or "no intermediate task", near_matches(task, trained_on)
            click.echo(f"No trial of it trains on {task!r}{near or '.'} They train on {known}.")
    print_next(f"xstilts status {name}", what="how the sweep stands")


def print_answers(
    answers: Sequence[BestTrial], *, title: str | None = None, as_front: bool = False, with_languages: bool = True
) -> None:
    """Print trials, or the best trial of each family, as a table.

    Args:
        answers: At least one; the first is the best.
        title: What they are; None says whose best by what.
        as_front: Whether they are a Pareto set: told with what they would have cost alone.
        with_languages: Whether the first one's accuracy in each language follows.
    """
    from search.cli.output import print_languages, print_table
    from search.query import BestOfFamily

    first = answers[0]
    click.echo(f"{title or f'Best of {first.sweep} by {first.metric}'}: {score_words(first.config)} in %")
    families = [answer for answer in answers if isinstance(answer, BestOfFamily)]
    print_table(_family_table(families) if families else _trial_table(answers, as_front=as_front))
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


def _trial_table(answers: Sequence[BestTrial], *, as_front: bool = False) -> Table:
    from search.cli.output import Table, duration, percent, weights

    rows = [
        (
            f"{answer.trial}{'*' if answer.set_aside else ''}",
            percent(answer.score),
            percent(answer.languages.get("en")),
            percent(min(answer.languages.values())),
            answer.family,
            weights(answer.tasks),
            *((duration(answer.cost_if_alone_seconds), str(answer.steps_if_alone)) if as_front else ()),
            *(() if as_front else (duration(answer.cost_paid_seconds),)),
        )
        for answer in answers
    ]
    costs = ("seconds alone", "steps alone") if as_front else ("cost",)
    headings = ("trial", answers[0].metric, "en", "lowest", "family", "intermediate tasks", *costs)
    return Table(headings=headings, rows=rows, right=frozenset({0, 1, 2, 3, 6, 7}))


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

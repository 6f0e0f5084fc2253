"""`xstilts best`: the best configurations of a sweep."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal  # Any: click's values have no static type

import click

from search.cli.options import WholeNumber, copy_option, json_option, record_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from search.cli.output import Table
    from search.query import BestOfFamily, BestTrial
    from search.query.benchmark_ranking import BenchmarkRanking, Unranked
    from search.record import Record

_TOP = 5
_FAMILIES = ("none", "text", "multimodal", "multitask", "control", "merged")


@click.command
@click.argument("name")
@click.option(
    "--top",
    type=WholeNumber(min=1),
    metavar="K",
    help="Number of trials.  [default: 5; --by: 1 each; --pareto: all]",
)
@click.option("--by", type=click.Choice(["family"]), help="List the best of each family.")
@click.option(
    "--pareto",
    is_flag=True,
    help="List the Pareto front: trials that no other trial beats in all objectives. A sweep with one objective uses "
    "score and seconds.",
)
@click.option(
    "--metric",
    metavar="METRIC",
    help="Rank by average, english, worst, a language, or a benchmark's average: xtreme or xtreme_r.  "
    "[default: the first objective]",
)
@click.option("--language", metavar="CODE", help="Rank by the accuracy in this language.")
@click.option(
    "--rung",
    type=WholeNumber(min=0),
    metavar="R",
    help="Rank by the scores at this rung, and include pruned trials.",
)
@click.option("--family", "families", type=click.Choice(_FAMILIES), multiple=True, help="Only this family; repeatable.")
@click.option("--task", "tasks", metavar="TASK", multiple=True, help="Only trials that train on TASK; repeatable.")
@click.option("--where", metavar="EXPR", help="Only trials that match, like \"family = 'text' and sw > 0.5\".")
@record_option
@copy_option
@json_option
def best(*, name: str, record: str | None, store: str | None, as_json: bool, **options: Any) -> None:
    """Print the best finished trials of the sweep NAME, the best first.

    --where compares columns with =, !=, <, <=, >, >= or in, and joins these
    comparisons by and, or, not. The columns are number, state, family, task,
    rung, score, average, english, worst, a language code, seed, attempts,
    cost_paid_seconds, cost_if_alone_seconds, and every field of the
    configuration, such as config.target.learning_rate.
    """
    from search.cli.output import print_json, print_next
    from search.published_record import find_record
    from search.record import open_record

    query = BestQuery(**options)
    query.check()
    with open_record(find_record(record=record, store=store, sweep=name), read_only=True) as opened:
        trials = query.run(opened, name)
        title = query.title(opened, name)
        trained_on = query.known_tasks(opened, name) if query.tasks and not trials else []
        cautions = [] if as_json else _cautions(opened, name)
        unranked = query.unranked(opened, name)
    if as_json:
        print_json(trials)
    elif not trials and unranked:
        click.echo(f"Sweep {name} has no finished trial that was scored on every task of {query.metric}.")
    elif not trials:
        _print_none(name, query, trained_on=trained_on)
    else:
        print_trials(trials, title=title, as_front=query.pareto)
        for caution in cautions:
            click.echo(textwrap.fill(caution, width=80, break_long_words=False, break_on_hyphens=False))
        first = trials[0]
        print_next(f"xstilts show {first.sweep} {first.trial}", what="its full configuration, stages and cost")
    _print_unranked(unranked, benchmark=query.metric or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class BestQuery:
    """The options of `xstilts best`."""

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
        """Check that the options can be used together.

        Raises:
            click.UsageError: Two of them cannot.
        """
        ways = {"--by": self.by is not None, "--pareto": self.pareto, "--rung": self.rung is not None}
        for pair in (ways, {"--metric": self.metric is not None, "--language": self.language is not None}):
            given = [option for option, is_given in pair.items() if is_given]
            if len(given) > 1:
                msg = f"{' and '.join(given)} cannot be used together; give one of them"
                raise click.UsageError(msg)

    @property
    def benchmark(self) -> str | None:
        """The benchmark whose average at the highest rung ranks the trials; None where another metric does."""
        from trainables.config.literature import GROUPS

        return self.metric if self.metric in GROUPS and not self.pareto and self.rung is None else None

    @property
    def conditions(self) -> tuple[str, ...]:
        """The `--where` expressions that trials must match."""
        families = [f"family in ({', '.join(map(_quoted, self.families))})"] if self.families else []
        tasks = [f"task = {_quoted(task)}" for task in self.tasks]
        return (*families, *tasks, *([] if self.where is None else [self.where]))

    def run(self, record: Record, name: str) -> Sequence[BestTrial]:
        """Return the trials that the options ask for, the best first."""
        from search import query

        metric, where = self.language or self.metric, self.conditions
        if self.benchmark is not None:
            ranking = self._ranking(record, name)
            return ranking.of_families(top=self.top or 1) if self.by else ranking.ranked[: self.top or _TOP]
        if self.pareto:
            return query.pareto(record, sweep=name, metric=metric, where=where)[: self.top]
        if self.rung is not None:
            top = self.top or _TOP
            return query.best_at_rung(record, sweep=name, rung=self.rung, top=top, metric=metric, where=where)
        if self.by == "family":
            return query.best_of_families(record, sweep=name, top=self.top or 1, metric=metric, where=where)
        return query.best(record, sweep=name, top=self.top or _TOP, metric=metric, where=where)

    def unranked(self, record: Record, name: str) -> Sequence[Unranked]:
        """Return the trials that have no average on the benchmark, by what they lack; none for another metric."""
        return () if self.benchmark is None else self._ranking(record, name).unranked

    def _ranking(self, record: Record, name: str) -> BenchmarkRanking:
        from search.query.benchmark_ranking import rank_on_benchmark

        return rank_on_benchmark(record, sweep=name, benchmark=self.benchmark or "", where=self.conditions)

    def known_tasks(self, record: Record, name: str) -> list[str]:
        """Return the intermediate tasks of all trials of the sweep."""
        from search.query.query_results import tasks_of

        return sorted({task for trial in record.trials(name) for task in tasks_of(trial.config)})

    def title(self, record: Record, name: str) -> str:
        """Return the title of the table: the sweep, and the metric that ranks its trials."""
        from search import query

        sweep, metric = record.sweep(name), self.language or self.metric
        if self.pareto:
            goals = ", ".join(query.pareto_goals(sweep, metric=metric))
            return f"Pareto front of {name} in {goals} (costs without sharing)"
        if metric is None and len(sweep.goals) > 1:
            return f"Best of {name} by {sweep.objective}, the first objective (--pareto: all)"
        return f"Best of {name} by {metric or sweep.objective}"


def _quoted(text: str) -> str:
    return f'"{text}"' if "'" in text else f"'{text}'"


def _print_unranked(unranked: Sequence[Unranked], *, benchmark: str) -> None:
    """Print on stderr which trials have no average, and what they were not scored on."""
    for group in unranked:
        shown = ", ".join(map(str, group.trials[:_TOP])) + (", ..." if len(group.trials) > _TOP else "")
        trials = "trial" if len(group.trials) == 1 else f"{len(group.trials)} trials"
        click.echo(f"Not ranked: {trials} {shown}, not scored on {', '.join(group.missing)} of {benchmark}.", err=True)


def _cautions(record: Record, name: str) -> list[str]:
    """Return what a reader of a sweep's best scores has to know."""
    from search.compare.comparison import point_names
    from search.query.opened_tests import tasks_that_open_tests, warning

    opening = tasks_that_open_tests(record, sweep=name)
    cautions = [f"Warning: {warning(opening)}"] if opening else []
    num_finished = len(record.trials(name, states=("finished",)))
    if num_finished > 1 and not point_names(record.sweep(name)):
        cautions.append(
            f"The best of {num_finished} scores is too high by luck; `xstilts confirm {name}` measures it again with "
            "fresh seeds."
        )
    return cautions


def _print_none(name: str, query: BestQuery, *, trained_on: Sequence[str]) -> None:
    from search.cli.output import cut, print_next
    from trainables.errors import near_matches

    measured = "finished trial" if query.rung is None else f"trial measured at rung {query.rung}"
    condition = f"that matches {cut(' and '.join(query.conditions))}" if query.conditions else "yet"
    click.echo(f"Sweep {name} has no {measured} {condition}.")
    for task in query.tasks:
        if task not in trained_on:
            known, near = ", ".join(trained_on) or "no intermediate task", near_matches(task, trained_on)
            click.echo(f"None of its trials trains on {cut(task)!r}{near or '.'} They train on {known}.")
    print_next(f"xstilts status {name}", what="the progress of the sweep")


def print_trials(
    trials: Sequence[BestTrial], *, title: str | None = None, as_front: bool = False, with_languages: bool = True
) -> None:
    """Print trials, or the best trial of each family, as a table.

    Args:
        trials: At least one, the best first.
        title: Title of the table; None: the best of the sweep by the metric.
        as_front: Whether they are a Pareto front; the table then has their costs without sharing.
        with_languages: Whether to print the first trial's accuracy in each language below the table.
    """
    from search.cli.output import print_languages, print_table, print_wrapped
    from search.query import BestOfFamily
    from spaces.objectives import BENCHMARKS, meaning_of, scored_languages

    first = trials[0]
    of_own_task = describe_score(first.config)
    if first.metric in BENCHMARKS:
        click.echo(f"{title or f'Best of {first.sweep} by {first.metric}'}, in %:")
        meaning = meaning_of(first.metric, scored=scored_languages(first.config))
        print_wrapped(f"{first.metric}: {meaning}; en, lowest: {of_own_task}")
    else:
        click.echo(f"{title or f'Best of {first.sweep} by {first.metric}'}: {of_own_task} in %")
    families = [trial for trial in trials if isinstance(trial, BestOfFamily)]
    print_table(_family_table(families) if families else _trial_table(trials, as_front=as_front))
    if families:
        print_wrapped("mean: over the trials of the family; `xstilts compare` counts a checkpoint's trials once")
    if any(trial.set_aside for trial in trials):
        click.echo("* excluded: the trial is not part of the changed sweep; see `xstilts show`")
    if with_languages:
        click.echo(f"\nTrial {first.trial} by language:")
        print_languages(first.languages)


def evaluation_task(config: dict[str, JsonValue]) -> str:
    """Return the name of the task that a trial is scored on."""
    evaluation = config["evaluation"]
    assert isinstance(evaluation, dict)  # noqa: S101  (the record checked it)
    return str(evaluation["task"])


def describe_score(config: dict[str, JsonValue]) -> str:
    """Return the metric and the task of a trial's scores, so that miniature scores are not taken for XNLI scores."""
    task = evaluation_task(config)
    if task.startswith("miniature"):
        return "miniature scores (zero-shot dev)"
    from trainables.errors import InputError
    from trainables.tasks import registry

    try:
        metric = registry.task(task).metric.replace("_", " ")
    except InputError:  # a task that only another process registers
        metric = "score"
    return f"zero-shot dev {metric} on {task}"


def _trial_table(trials: Sequence[BestTrial], *, as_front: bool = False) -> Table:
    from search.cli.output import Table, duration, percent, weights

    rows = [
        (
            f"{trial.trial}{'*' if trial.set_aside else ''}",
            percent(trial.score),
            percent(trial.languages.get("en")),
            percent(min(trial.languages.values())),
            trial.family,
            weights(trial.tasks),
            *((duration(trial.cost_if_alone_seconds), str(trial.steps_if_alone)) if as_front else ()),
            *(() if as_front else (duration(trial.cost_paid_seconds),)),
        )
        for trial in trials
    ]
    costs = ("time alone", "steps alone") if as_front else ("cost",)
    headings = ("trial", trials[0].metric, "en", "lowest", "family", "intermediate tasks", *costs)
    return Table(headings=headings, rows=rows, right=frozenset({0, 1, 2, 3, 6, 7}))


def _family_table(trials: Sequence[BestOfFamily]) -> Table:
    from search.cli.output import Table, percent, weights

    rows = [
        (
            trial.family,
            str(trial.num_in_family),
            percent(trial.mean_in_family),
            percent(trial.score),
            str(trial.trial),
            weights(trial.tasks),
        )
        for trial in trials
    ]
    headings = ("family", "trials", "mean", "best", "trial", "intermediate tasks")
    return Table(headings=headings, rows=rows, right=frozenset({1, 2, 3, 4}))

"""`xstilts show`: prints everything about one trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from search.cli.options import WholeNumber, copy_option, json_option, record_option
from trainables.number_words import number_of

if TYPE_CHECKING:
    from search.query import StageOfTrial, TrialReport
    from search.record import JsonObject
    from trainables.results import TaskTraining


@click.command
@click.argument("name")
@click.argument("trial", type=WholeNumber(min=0))
@record_option
@copy_option
@json_option
def show(name: str, trial: int, record: str | None, store: str | None, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """Print everything about trial TRIAL of the sweep NAME.

    Prints its scores in each language, its stages (and which of them came from
    other trials), its cost, and its full configuration as YAML.
    """
    from search.cli.output import print_json
    from search.published_record import find_record
    from search.query import report_trial
    from search.record import open_record

    with open_record(find_record(record=record, store=store, sweep=name), read_only=True) as opened:
        report = report_trial(opened, sweep=name, number=trial)
    if as_json:
        print_json(report)
    else:
        _print_report(report)


def _print_report(report: TrialReport) -> None:
    from search.cli.output import percent, print_costs, print_next, print_wrapped, weights
    from spaces.objectives import meaning_of, scored_languages

    scored = scored_languages(report.config)
    at = "" if report.score is None else f": {report.objective} {percent(report.score)} % at rung {report.rung}"
    click.echo(f"Trial {report.trial} of sweep {report.sweep} is {report.state}{at}")
    if report.score is not None and (meaning := meaning_of(report.objective, scored=scored)):
        print_wrapped(f"{report.objective}: {meaning}; `xstilts xtreme {report.sweep} {report.trial}` prints each")
    tasks = f"Family {report.family}; intermediate tasks: {weights(report.tasks)}; attempts: {report.attempts}"
    print_wrapped(tasks)
    if report.continues is not None:
        print_wrapped(f"Continues trial {report.continues}, which was pruned: the sampler expects more of it")
    if report.set_aside:
        print_wrapped(f"Excluded: {report.set_aside}")
    if report.error:
        print_wrapped(f"Error: {report.error}")
    _print_scores(report)
    _print_trained(report)
    _print_stages(report)
    _print_incidents(report)
    click.echo()
    print_costs(report, what="for the stages that this trial made")
    _print_configuration(report)
    if report.state == "finished":
        print_next(f"xstilts export {report.sweep} {report.trial} my-model", what="a folder transformers can load")
    else:
        print_next(f"xstilts status {report.sweep}", what="the progress of the sweep")


def _print_scores(report: TrialReport) -> None:
    from search.cli.commands.best import describe_score
    from search.cli.output import percent, print_evaluations, print_languages, print_wrapped

    for rung in report.rungs:
        click.echo(
            f"\n{describe_score(report.config)} in %, rung {rung.rung}, {number_of(rung.num_items, 'item')} a language:"
        )
        print_languages(rung.languages)
    if report.rungs:
        print_evaluations(report.rungs[-1].evaluations)
    if report.rungs and report.rungs[-1].task_scores:
        scores = ", ".join(f"{task} {percent(score)}" for task, score in report.rungs[-1].task_scores.items())
        print_wrapped(f"Scores on its training tasks in %: {scores}")


def _print_trained(report: TrialReport) -> None:
    from search.cli.output import Table, print_table, print_wrapped

    trained = report.rungs[-1].trained if report.rungs else {}
    rows = [
        (
            phase,
            task,
            f"{training.weight:.3g}",
            str(training.size),
            str(training.num_steps),
            str(training.num_examples),
            _losses(training),
        )
        for phase, tasks in trained.items()
        for task, training in tasks.items()
    ]
    if rows:
        click.echo("\nTraining (weight: share of the phase's examples; size: of the training split):")
        headings = ("phase", "task", "weight", "size", "steps", "examples", "loss")
        print_table(Table(headings=headings, rows=rows, right=frozenset({2, 3, 4, 5, 6})))
    for tasks in trained.values():
        for task, training in tasks.items():
            if training.num_unreadable:
                click.echo(
                    f"{number_of(training.num_unreadable, 'example')} of {task} left out: an image cannot be decoded"
                )
    for rows in report.rungs[-1].split_rows if report.rungs else ():
        for words in filter(None, (rows.left_out_words(), rows.spelling_words())):
            print_wrapped(f"Note: {words}")


def _losses(training: TaskTraining) -> str:
    if training.first_loss is None or training.last_loss is None:
        return "-"
    return f"{training.first_loss:.3f} to {training.last_loss:.3f}"


def _print_stages(report: TrialReport) -> None:
    from search.cli.output import Table, duration, print_table

    if not report.stages:
        return
    click.echo("\nStages:")
    rows = [
        (
            str(stage.rung),
            _phase_name(stage, config=report.config),
            stage.key[:12],
            str(stage.steps),
            duration(stage.seconds),
            "found in the store" if stage.reused else "made",
        )
        for stage in report.stages
    ]
    headings = ("rung", "phase", "key", "steps", "time", "by this trial")
    print_table(Table(headings=headings, rows=rows, right=frozenset({0, 3, 4})))


def _print_incidents(report: TrialReport) -> None:
    from search.cli.output import local_time, print_wrapped

    if report.happenings:
        click.echo("\nProblems during the trial:")
    for incident in report.happenings:
        stage = f" (stage {incident.stage[:12]})" if incident.stage else ""
        print_wrapped(f"{local_time(incident.time)}  {incident.description}{stage}", indent=2)


def _phase_name(stage: StageOfTrial, *, config: JsonObject) -> str:
    if stage.further:
        return f"{stage.phase} for {stage.further}"
    work = config.get(stage.phase)
    fields = work if isinstance(work, dict) else {}
    combination = next((name for name in ("merge", "average") if fields.get(name)), "")
    kind = ("part" if combination else "trunk") if stage.is_trunk else combination
    return f"{stage.phase}, {kind}" if kind else stage.phase


def _print_configuration(report: TrialReport) -> None:
    import yaml

    click.echo("\nConfiguration (`xstilts run` reads it from a file):")
    written = report.config | ({"tasks": report.own_tasks} if report.own_tasks else {})
    click.echo(yaml.safe_dump(written, sort_keys=False, allow_unicode=True, width=70).rstrip())

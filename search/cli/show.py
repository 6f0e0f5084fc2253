"""`xstilts show`: one trial."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from search.cli.options import copy_option, json_option, record_option

if TYPE_CHECKING:
    from search.query import StageOfTrial, TrialReport


@click.command
@click.argument("name")
@click.argument("trial", type=click.IntRange(min=0))
@record_option
@copy_option
@json_option
def show(name: str, trial: int, record: str | None, store: str | None, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """Print everything about trial TRIAL of the sweep NAME.

    Its full configuration as YAML, the stages it was made of (and which of
    them other trials had made), its scores in each language, and its cost.
    """
    from search.cli.output import print_json
    from search.published import record_to_read
    from search.query import report_trial
    from search.record import open_record

    with open_record(record_to_read(record=record, store=store, sweep=name), read_only=True) as opened:
        report = report_trial(opened, sweep=name, number=trial)
    if as_json:
        print_json(report)
    else:
        _print_report(report)


def _print_report(report: TrialReport) -> None:
    from search.cli.output import duration, percent, print_next, weights

    at = "" if report.score is None else f": {report.objective} {percent(report.score)} % at rung {report.rung}"
    click.echo(f"Trial {report.trial} of sweep {report.sweep} is {report.state}{at}")
    click.echo(f"Family {report.family}; intermediate tasks: {weights(report.tasks)}; attempts: {report.attempts}")
    if report.set_aside:
        click.echo(f"Set aside: {report.set_aside}")
    if report.error:
        click.echo(f"Error: {report.error}")
    _print_scores(report)
    _print_trained(report)
    _print_stages(report)
    _print_happenings(report)
    paid = f"{report.steps_paid} steps, {duration(report.cost_paid_seconds)}"
    alone = f"{report.steps_if_alone} steps, {duration(report.cost_if_alone_seconds)}"
    click.echo(f"\nCost: {paid} paid by this trial\nAlone: {alone}, had nothing been shared")
    _print_configuration(report)
    if report.state == "finished":
        print_next(f"xstilts export {report.sweep} {report.trial} my-model", what="a folder transformers can load")
    else:
        print_next(f"xstilts status {report.sweep}", what="how the sweep stands")


def _print_scores(report: TrialReport) -> None:
    from search.cli.best import score_words
    from search.cli.output import percent, print_evaluations, print_languages

    for rung in report.rungs:
        click.echo(f"\n{score_words(report.config)} in %, rung {rung.rung}, {rung.num_items} items a language:")
        print_languages(rung.languages)
    if report.rungs:
        print_evaluations(report.rungs[-1].evaluations)
    if report.rungs and report.rungs[-1].task_scores:
        scores = ", ".join(f"{task} {percent(score)}" for task, score in report.rungs[-1].task_scores.items())
        click.echo(f"On the tasks it trained on, in %: {scores}")


def _print_trained(report: TrialReport) -> None:
    from search.cli.output import WIDTH, Table, print_table

    trained = report.rungs[-1].trained if report.rungs else {}
    rows = [
        (
            phase,
            task,
            f"{one.weight:.3g}",
            str(one.size),
            str(one.num_steps),
            str(one.num_examples),
            "-" if one.first_loss is None or one.last_loss is None else f"{one.first_loss:.3f} to {one.last_loss:.3f}",
        )
        for phase, tasks in trained.items()
        for task, one in tasks.items()
    ]
    if rows:
        click.echo("\nTrained on (weight: share of the phase's examples; of: size of the training split):")
        headings = ("phase", "task", "weight", "of", "steps", "examples", "loss")
        print_table(Table(headings=headings, rows=rows, right=frozenset({2, 3, 4, 5, 6})))
    for tasks in trained.values():
        for task, one in tasks.items():
            if one.num_unreadable:
                click.echo(f"{one.num_unreadable} examples of {task} are left out: an image cannot be decoded")
    for rows in report.rungs[-1].split_rows if report.rungs else ():
        for words in filter(None, (rows.left_out_words(), rows.spelling_words())):
            click.echo(textwrap.fill(f"Note: {words}", WIDTH))


def _print_stages(report: TrialReport) -> None:
    from search.cli.output import Table, duration, print_table

    if not report.stages:
        return
    click.echo("\nStages:")
    rows = [
        (
            str(stage.rung),
            _phase_words(stage),
            stage.key[:12],
            str(stage.steps),
            duration(stage.seconds),
            "found in the store" if stage.reused else "made",
        )
        for stage in report.stages
    ]
    headings = ("rung", "phase", "key", "steps", "took", "by this trial")
    print_table(Table(headings=headings, rows=rows, right=frozenset({0, 3, 4})))


def _print_happenings(report: TrialReport) -> None:
    from search.cli.output import moment

    if report.happenings:
        click.echo("\nOn its way:")
    for one in report.happenings:
        stage = f" (stage {one.stage[:12]})" if one.stage else ""
        click.echo(f"  {moment(one.time)}  {one.in_words}{stage}")


def _phase_words(stage: StageOfTrial) -> str:
    if stage.is_trunk:
        return f"{stage.phase}, trunk"
    return f"{stage.phase} for {stage.further}" if stage.further else stage.phase


def _print_configuration(report: TrialReport) -> None:
    import yaml

    click.echo("\nConfiguration (`xstilts run` takes it as a file):")
    written = report.config | ({"tasks": report.own_tasks} if report.own_tasks else {})
    click.echo(yaml.safe_dump(written, sort_keys=False, allow_unicode=True, width=70).rstrip())

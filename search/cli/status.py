"""`xstilts status`: sweeps, or one sweep's trials, stages in flight, time left, cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from search.cli.options import copy_option, json_option, record_option

if TYPE_CHECKING:
    from search.home import Home
    from search.query import SweepStatus
    from search.record import TrialRow
    from trainables.monitoring.progress import Progress


@click.command
@click.argument("name", required=False)
@record_option
@copy_option
@json_option
def status(name: str | None, record: str | None, store: str | None, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """List every sweep, or say how the sweep NAME stands.

    For one sweep: its trials by state, what is running now and how far it is,
    an estimate of the time left, and the cost.
    """
    from search.home import find_home
    from search.published import record_to_read

    home = find_home(record=record_to_read(record=record, store=store, sweep=name))
    if name is None:
        _print_all(home, as_json=as_json)
    else:
        _print_one(home, name, as_json=as_json)


def _print_all(home: Home, *, as_json: bool) -> None:
    from search.cli.output import print_json, print_next
    from search.query import sweep_statuses
    from search.record import open_record

    with open_record(home.record, read_only=True) as opened:
        statuses = sweep_statuses(opened)
    if as_json:
        print_json(statuses)
        return
    if not statuses:
        click.echo("No sweep yet.")
        print_next("xstilts search demo", what="a small search, minutes on two cores")
        return
    _print_sweeps(statuses)
    print_next(f"xstilts status {statuses[-1].sweep}", what="its trials and what is running")


def _print_sweeps(statuses: tuple[SweepStatus, ...]) -> None:
    from search.cli.output import Table, duration, percent, print_table

    rows = [
        (
            one.sweep,
            f"{one.num_done}/{one.planned_trials}",
            str(one.states.get("running", 0)),
            str(one.states.get("failed", 0)),
            percent(one.best_score),
            ", ".join(one.goals),
            duration(one.cost_paid_seconds),
        )
        for one in statuses
    ]
    headings = ("sweep", "done", "running", "failed", "best %", "objective", "cost")
    print_table(Table(headings=headings, rows=rows, right=frozenset({1, 2, 3, 4, 6})))


def _print_one(home: Home, name: str, *, as_json: bool) -> None:
    from search.cli.output import print_json
    from search.progress import read_progress
    from search.query import sweep_status
    from search.record import open_record

    with open_record(home.record, read_only=True) as opened:
        found = sweep_status(opened, sweep=name)
        running = opened.trials(name, states=("running",))
    progress = {trial.number: read_progress(home.progress_path(name, number=trial.number)) for trial in running}
    if as_json:
        in_flight = [_in_flight(trial, progress[trial.number]) for trial in running]
        print_json(found.model_dump(mode="json") | {"running": in_flight})
        return
    _print_counts(found)
    if running:
        _print_running(running, progress)
    _print_after(found)


def _in_flight(trial: TrialRow, progress: Progress | None) -> dict[str, object]:
    where = progress.model_dump(mode="json") if progress else None
    return {"trial": trial.number, "family": trial.family, "progress": where}


def _print_counts(found: SweepStatus) -> None:
    from search.cli.output import duration, percent

    states = ", ".join(f"{count} {state}" for state, count in found.states.items()) or "none proposed yet"
    click.echo(f"Sweep {found.sweep}: {found.num_done} of {found.planned_trials} trials done ({states})")
    if found.num_set_aside:
        click.echo(f"Set aside: {found.num_set_aside} trials do not count, because the sweep was changed")
    for place in found.set_apart:
        click.echo(f"Set apart: {place}; no trial is started there")
    if found.best_trial is not None:
        click.echo(f"Best so far: trial {found.best_trial}, {found.objective} {percent(found.best_score)} %")
    click.echo(f"Cost: {found.steps_paid} steps, {duration(found.cost_paid_seconds)} of training and scoring")
    alone = f"{found.steps_if_alone} steps, {duration(found.cost_if_alone_seconds)}"
    click.echo(f"Alone: {alone}, had nothing been shared")
    click.echo(f"Stages: {found.num_stages_made} made, {found.num_stages_reused} found in the store")
    if found.seconds_left is not None:
        click.echo(f"Time left: about {duration(found.seconds_left)}")


def _print_running(running: tuple[TrialRow, ...], progress: dict[int, Progress | None]) -> None:
    from search.cli.output import Table, print_table
    from search.progress import HEADINGS, progress_cells

    click.echo("")
    rows = [progress_cells(trial, progress[trial.number]) for trial in running]
    print_table(Table(headings=HEADINGS, rows=rows, right=frozenset({0, 3, 4, 5})))


def _print_after(found: SweepStatus) -> None:
    from search.cli.output import print_next

    if found.states.get("finished"):
        print_next(f"xstilts best {found.sweep}", what="its best configurations")
    elif found.num_done < found.planned_trials:
        print_next(f"xstilts resume {found.sweep}", what="continue it; finished trials are kept")

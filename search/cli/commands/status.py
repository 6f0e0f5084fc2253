"""`xstilts status`, `watch` and `track`: the progress of sweeps, once or until they end, and of their sinks."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from search.cli.options import FiniteNumber, copy_option, json_option, record_option
from trainables.number_words import number_of

if TYPE_CHECKING:
    from search.home import Home
    from search.query import SweepStatus
    from search.record import Owner, TrialRow
    from trainables.monitoring.progress import Progress

_ERRORS = '"SELECT number, error FROM trials"'


@click.command
@click.argument("name", required=False)
@record_option
@copy_option
@json_option
def status(name: str | None, record: str | None, store: str | None, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """List all sweeps, or show the progress of the sweep NAME.

    For one sweep: the number of trials in each state, the trials that are
    running and their progress, an estimate of the time left, and the cost.
    """
    from search.home import find_home
    from search.published_record import find_record

    home = find_home(record=find_record(record=record, store=store, sweep=name))
    if name is None:
        _print_all(home, as_json=as_json)
    else:
        _print_one(home, name, as_json=as_json)


@click.command
@click.argument("name")
@record_option
def watch(name: str, record: str | None) -> None:
    """Show the progress of the sweep NAME until no process drives it.

    Changes nothing; Ctrl-C ends only this command. The sweep can be driven by
    another terminal, a notebook, or a job that shares XSTILTS_HOME.
    """
    from search.cli.output import print_next
    from search.driver.follower import watch_sweep
    from search.home import find_home
    from search.query import sweep_status
    from search.record import open_record

    home = find_home(record=record)
    is_complete = watch_sweep(name, home=home)
    with open_record(home.record, read_only=True) as opened:
        found = sweep_status(opened, sweep=name)
    click.echo(
        f"Sweep {name}: {found.num_done} of {number_of(found.planned_trials, 'trial')} done; no process drives it."
    )
    if is_complete:
        print_next(f"xstilts best {name}", what="its best configurations")
    else:
        print_next(f"xstilts resume {name}", what="continue it; finished trials are kept")


@click.command
@click.argument("name")
@click.option(
    "--seconds",
    type=FiniteNumber(min=0, min_open=True),
    default=300,
    metavar="S",
    help="Longest time that the sinks may take.  [default: 300]",
)
@record_option
@json_option
def track(name: str, seconds: float, record: str | None, as_json: bool) -> None:  # noqa: FBT001  click passes it by name
    """Deliver to the sinks of the sweep NAME what they lack.

    A sweep with `track:` in its spec reports its events while it runs. If a
    sink was down or slow, this command delivers the rest. Nothing is sent to
    a sink that has everything.
    """
    from search.cli.output import print_json
    from search.errors import InputError, RunError
    from search.home import find_home
    from search.record import open_record
    from search.tracking.tracker import catch_up, log_of, sinks_of

    home = find_home(record=record)
    with open_record(home.record, read_only=True) as opened:
        sinks = sinks_of(opened.sweep(name))
    if not sinks:
        msg = f"sweep {name!r} has no sinks; add `track:` to its spec, then run `xstilts search` with the spec"
        raise InputError(msg)
    behind = [route.config for route in catch_up(home, name, sinks, seconds=seconds)]
    if as_json:
        print_json([{"sink": sink.kind, "target": sink.target, "has_everything": sink not in behind} for sink in sinks])
    for sink in sinks if not as_json else ():
        state = "events are missing" if sink in behind else "everything is delivered"
        click.echo(f"{sink.kind}: {state}")
    if behind:
        kinds = ", ".join(sink.kind for sink in behind)
        msg = f"the sinks {kinds} still lack events; {log_of(home, name)} has the reason. Run the same command again"
        raise RunError(msg)


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
        click.echo("There is no sweep yet.")
        print_next("xstilts search demo", what="a small search, minutes on two cores")
        return
    _print_sweeps(statuses)
    print_next(f"xstilts status {statuses[-1].sweep}", what="its trials, and which of them run")


def _print_sweeps(statuses: tuple[SweepStatus, ...]) -> None:
    from search.cli.output import Table, duration, percent, print_table

    rows = [
        (
            status.sweep,
            f"{status.num_done}/{status.planned_trials}",
            str(status.states.get("running", 0)),
            str(status.states.get("failed", 0)),
            percent(status.best_score),
            ", ".join(status.goals),
            duration(status.cost_paid_seconds),
        )
        for status in statuses
    ]
    headings = ("sweep", "done", "running", "failed", "best %", "objective", "cost")
    print_table(Table(headings=headings, rows=rows, right=frozenset({1, 2, 3, 4, 6})))


def _print_one(home: Home, name: str, *, as_json: bool) -> None:
    from search.cli.output import print_json
    from search.live_view import read_progress
    from search.query import sweep_status
    from search.record import open_record

    with open_record(home.record, read_only=True) as opened:
        found = sweep_status(opened, sweep=name)
        running = opened.trials(name, states=("running",))
        is_driven = _is_driven(opened.owner(name))
    progress = {trial.number: read_progress(home.progress_path(name, number=trial.number)) for trial in running}
    if as_json:
        in_flight = [_in_flight(trial, progress[trial.number]) for trial in running]
        print_json(found.model_dump(mode="json") | {"running": in_flight})
        return
    _print_counts(found)
    if running:
        _print_running(running, progress)
    _print_after(found, is_driven=is_driven)


def _is_driven(owner: Owner | None) -> bool:
    """Return whether a process drives a sweep, as far as this host can know."""
    from trainables.processes import is_known_dead

    return owner is not None and owner.token is not None and not is_known_dead(owner.process)


def _in_flight(trial: TrialRow, progress: Progress | None) -> dict[str, object]:
    shown = progress.model_dump(mode="json") if progress else None
    return {"trial": trial.number, "family": trial.family, "progress": shown}


def _print_counts(found: SweepStatus) -> None:
    from search.cli.output import WIDTH, duration, percent, print_costs, print_wrapped, size

    counts = {**found.states, "not proposed yet": found.num_to_propose}
    states = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    done = f"Sweep {found.sweep}: {found.num_done} of {number_of(found.planned_trials, 'trial')} done ({states})"
    click.echo(textwrap.fill(done, WIDTH, break_long_words=False, break_on_hyphens=False))
    if found.num_set_aside:
        click.echo(f"Excluded: {number_of(found.num_set_aside, 'trial')}, because the sweep was changed")
    for place in found.set_apart:
        click.echo(f"Quarantined: {place}; no trial starts there")
    if found.best_trial is not None:
        click.echo(f"Best so far: trial {found.best_trial}, {found.objective} {percent(found.best_score)} %")
    for meaning in found.goal_meanings:
        print_wrapped(f"  the objective is the {meaning}")
    print_costs(found, what="of training and scoring")
    click.echo(f"Had every trial been run alone to its end: {number_of(found.steps_to_end, 'step')}")
    combined = f"; {found.num_combined} of them merges or averages, of 0 steps" if found.num_combined else ""
    click.echo(f"Stages: {found.num_stages_made} made, {found.num_stages_reused} found in the store{combined}")
    if found.num_removed:
        removed = f"{number_of(found.num_removed, 'stage')}, {size(found.removed_bytes)}"
        click.echo(f"Removed from the store: {removed} (keep in the spec)")
    if found.seconds_left is not None:
        click.echo(f"Time left: about {duration(found.seconds_left)}")


def _print_running(running: tuple[TrialRow, ...], progress: dict[int, Progress | None]) -> None:
    from search.cli.output import Table, print_table
    from search.live_view import HEADINGS, progress_cells

    click.echo("")
    rows = [progress_cells(trial, progress[trial.number]) for trial in running]
    print_table(Table(headings=HEADINGS, rows=rows, right=frozenset({0, 3, 4, 5})))


def _print_after(found: SweepStatus, *, is_driven: bool) -> None:
    from search.cli.output import print_next

    if found.num_done < found.planned_trials and not is_driven:
        print_next(f"xstilts resume {found.sweep}", what="continue it; finished trials are kept")
    elif found.states.get("finished"):
        print_next(f"xstilts best {found.sweep}", what="its best configurations")
    elif found.states.get("failed"):
        print_next(f"xstilts sql {found.sweep} {_ERRORS}", what="why trials failed")

"""`xstilts search` and `xstilts resume`: launch or continue a sweep."""

from __future__ import annotations

import dataclasses
import os
import statistics
import time
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from search.cli.options import (
    dry_run_option,
    from_option,
    json_option,
    record_option,
    set_option,
    store_option,
    take_over_option,
    trials_option,
)
from trainables.number_words import number_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from search.driver.device_plan import Placement
    from search.driver.sweep import SweepRequest
    from search.forecast.forecaster import Forecast, Range
    from search.home import Home
    from search.query import BestTrial, SweepStatus

_SECONDS_BETWEEN_MESSAGES = 5.0
NUM_SHOWN = 5
"""Number of best trials that are printed at the end of a sweep."""


class _Options(TypedDict):
    """Options of `xstilts search` that are passed on as keywords."""

    from_sweep: str | None
    take_over: bool
    record: str | None
    store: str | None


@click.command
@click.argument("spec")
@click.option("--name", metavar="N", help="Name of the sweep.  [default: the name in the spec]")
@trials_option
@set_option
@from_option
@dry_run_option
@take_over_option
@record_option
@store_option
@json_option
def search(
    spec: str,
    name: str | None,
    trials: int | None,
    settings: tuple[str, ...],
    dry_run: bool,  # noqa: FBT001  click passes it by name
    as_json: bool,  # noqa: FBT001
    **options: Unpack[_Options],
) -> None:
    """Launch the sweep that SPEC describes, or continue it where it stopped.

    SPEC is the name of a spec that ships (`xstilts spaces` lists them) or the
    path of a YAML file. You can interrupt the command at any time: finished
    work is kept, and the same command continues. You can also change the spec:
    the command then prints the difference, keeps the trials that are in the new
    space, and excludes the others. If another process drives the sweep, the
    command shows its progress.

    \b
    Example:
      xstilts search demo --trials 20 --set seed=3
    """  # noqa: D301  (click reads the control character)
    from search.interface.requests import Wishes, new_request, run_or_follow, warn_if_fewer_trials
    from search.ray_environment import check_ray_environment, given_address

    request = new_request(spec, Wishes(name=name, trials=trials, settings=settings, **options))
    if dry_run:
        if given_address(os.environ) is None:
            check_ray_environment(os.environ)  # the preview connects to a cluster, and thereby checks it
        _print_preview(request, as_json=as_json)
        return
    warn_if_fewer_trials(request, trials=trials)
    run_or_follow(request)
    _print_outcome(request.name, request.home, as_json=as_json)


@click.command
@click.argument("name")
@trials_option
@take_over_option
@record_option
@store_option
@json_option
def resume(name: str, trials: int | None, take_over: bool, as_json: bool, **places: str | None) -> None:  # noqa: FBT001
    """Continue the sweep NAME with the spec in its record.

    Finished trials are kept. Interrupted trials continue from their last
    finished stage. --trials raises the number of trials.
    """
    from search.interface.requests import Wishes, resuming_request, run_or_follow, warn_if_fewer_trials

    request = resuming_request(
        name, Wishes(trials=trials, take_over=take_over, record=places["record"], store=places["store"])
    )
    warn_if_fewer_trials(request, trials=trials)
    run_or_follow(request)
    _print_outcome(name, request.home, as_json=as_json)


def _print_preview(request: SweepRequest, *, as_json: bool) -> None:
    from search.cli.output import print_json, print_next
    from search.driver.completed_spec import lines_of
    from search.forecast.preview import preview_sweep
    from spaces.fast_defaults import Completed

    completed = Completed(spec=request.spec, fields=request.defaults)
    preview = preview_sweep(request, on_progress=_SimulationProgress())
    changes = preview.changes
    if as_json:
        fields = [{"field": change.field, "before": change.before, "after": change.after} for change in changes.fields]
        print_json(
            {
                "sweep": request.name,
                "is_new": preview.is_new,
                "changes": fields,
                "defaults": list(request.defaults),
                "num_counting": changes.num_counting,
                "set_aside": {str(number): reason for number, reason in changes.set_aside.items()},
                "counts_again": list(changes.back),
                "num_to_propose": preview.num_to_propose,
                "trials_at_a_time": preview.place.at_a_time,
                "device": preview.place.devices.kind,
                "waits_for": preview.place.warning,
                "forecast": dataclasses.asdict(preview.forecast),
            }
        )
        return
    for line in changes.lines() if not preview.is_new else lines_of(completed):
        click.echo(line)
    to_propose = "1 trial is" if preview.num_to_propose == 1 else f"{preview.num_to_propose} trials are"
    state = "new" if preview.is_new else "on record" if changes.revision else "on record, and unchanged"
    click.echo(f"Sweep {request.name} is {state}; {to_propose} still to propose.")
    for line in _forecast_lines(preview.forecast, place=preview.place):
        click.echo(line)
    print_next(f"xstilts status {request.name}", what="its progress; to run it, leave out --dry-run")


class _SimulationProgress:
    """Prints the progress of a long simulation on stderr, every few seconds."""

    def __init__(self) -> None:
        self._started_at = self._printed_at = time.monotonic()

    def __call__(self, done: int, of: int) -> None:
        now = time.monotonic()
        if now - self._printed_at < _SECONDS_BETWEEN_MESSAGES:
            return
        self._printed_at = now
        left = (now - self._started_at) * (of - done) / done
        click.echo(f"Simulating the sweep: {done:,} of {of:,} proposals, about {left:.0f} s left", err=True)


def _simulated_trials(forecast: Forecast) -> str:
    if not forecast.left_out:
        return f"{number_of(forecast.trials, 'trial')}"
    return f"the first {forecast.trials:,} of {forecast.trials + forecast.left_out:,} trials"


def _forecast_lines(forecast: Forecast, *, place: Placement) -> list[str]:
    """Return the forecast as one line for each quantity, with the stages shared and without sharing."""
    from search.cli.output import size

    note = "" if forecast.is_exact else "  (lowest to highest of several simulations)"
    hours = forecast.device_hours
    lines = [
        f"\nForecast for {_simulated_trials(forecast)}{note}:",
        f"  trials          {place.in_words()}",
        f"  stages made     {_range(forecast.stages_made)}",
        f"  steps           {_range(forecast.steps_paid)}",
        f"  without sharing {_range(forecast.steps_if_alone)} steps, had nothing been shared",
        f"  each to its end {_range(forecast.steps_to_end)} steps, had every trial been run alone to its end",
        f"  store           {_range(forecast.peak_bytes, lambda taken: size(round(taken)))}",
    ]
    if place.warning:
        lines.insert(0, f"\nNo trial can start yet: {place.warning}")
    if forecast.left_out:
        lines.append(f"  not simulated   the last {forecast.left_out:,} trials: that would take too long")
    if hours is None:
        lines.append("  device hours    unknown before the first two trials with this encoder")
    else:
        lines.append(f"  device hours    {_range(hours, '{:.2f}'.format)}")
        lines.append(f"  without sharing {_range(forecast.device_hours_if_alone, '{:.2f}'.format)} device hours")
        lines.append(f"  hours from      {forecast.hours_from}")
        if names := forecast.tasks_not_timed:
            lines.append(f"  not timed yet   {', '.join(names)}: as long as the mean of the other tasks")
    return lines


def _range(values: Range | None, text: Callable[[float], str] = "{:,.0f}".format) -> str:
    if values is None:
        return "unknown: a phase trains epochs of a task whose size is unknown"
    expected, low, high = (text(value) for value in (values.expected, values.low, values.high))
    return expected if low == high else f"{expected} ({low} to {high})"


def _print_outcome(name: str, home: Home, *, as_json: bool) -> None:
    from search.cli.commands.best import print_trials
    from search.cli.output import print_json, print_next
    from search.query import best, best_of_families, sweep_status
    from search.record import open_record

    with open_record(home.record, read_only=True) as opened:
        found = sweep_status(opened, sweep=name)
        if as_json:
            print_json(found)
            return
        top = best(opened, sweep=name, top=NUM_SHOWN)
        families = best_of_families(opened, sweep=name)
    num_failed = found.states.get("failed", 0)
    click.echo(
        f"Sweep {name}: {found.num_done} of {number_of(found.planned_trials, 'trial')} done, {num_failed} failed.\n"
    )
    print_trials(top)
    _print_baselines(top)
    click.echo()
    print_trials(families, with_languages=False)
    _print_saving(found)
    print_next(f"xstilts show {name} {found.best_trial}", what="its configuration, stages and cost")


def _print_saving(found: SweepStatus) -> None:
    """Print the steps that were run, and those of the same trials without sharing and without pruning."""
    num = found.num_done
    if not found.steps_to_end or not num:
        return
    as_trials = num * found.steps_paid / found.steps_to_end
    click.echo(
        f"\nSteps: {found.steps_paid:,}; had nothing been shared: {found.steps_unshared:,}; had every trial been run "
        f"alone\nto its end: {found.steps_to_end:,}. That is {number_of(num, 'trial')} for the steps of "
        f"{as_trials:.2g}."
    )


def _print_baselines(trials: Sequence[BestTrial]) -> None:
    """Print baseline scores of the miniature task, to compare with; those of XNLI are in the literature."""
    from search.cli.commands.best import evaluation_task
    from search.cli.output import percent

    if evaluation_task(trials[0].config) != "miniature_nli":
        return
    from trainables.miniature.baselines import BASELINES

    click.echo(
        f"\nMiniature baselines in %: majority {percent(BASELINES.majority)}; a linear word-overlap classifier\n"
        f"trained on English {percent(BASELINES.word_overlap['en'])} in English, "
        f"{percent(statistics.fmean(BASELINES.word_overlap.values()))} over {len(BASELINES.word_overlap)} languages."
    )

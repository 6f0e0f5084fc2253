"""`xstilts search` and `xstilts resume`: launch a sweep, or continue it."""

from __future__ import annotations

import contextlib
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

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from search.driver.settling import Placement
    from search.driver.sweep import SweepRequest
    from search.forecast.forecasting import Forecast, Range
    from search.home import Home
    from search.query import BestTrial

_SECONDS_OF_SILENCE = 5.0
NUM_SHOWN = 5
"""Best trials that a sweep prints at its end."""


class _Options(TypedDict):
    """Options of `xstilts search` that say where and how."""

    from_sweep: str | None
    dry_run: bool
    take_over: bool
    record: str | None
    store: str | None


@click.command
@click.argument("spec")
@click.option("--name", metavar="N", help="Name of the sweep.  [default: the spec's own]")
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
    as_json: bool,  # noqa: FBT001  click passes it by name
    **options: Unpack[_Options],
) -> None:
    """Launch the sweep that SPEC describes, or continue it where it stopped.

    SPEC is a shipped name (`xstilts spaces` lists them) or the path of a YAML
    file. Interrupt it at any time: what was finished is kept, and the same
    command continues. The spec may have changed since: the difference is
    printed, trials that are still of its space count, and the others are set
    aside. While another process drives the sweep, this one shows its progress.

    \b
    Example:
      xstilts search demo --trials 20 --set seed=3
    """  # noqa: D301  (click reads the control character)
    from search.driver.earlier import with_earlier
    from search.driver.sweep import SweepRequest
    from search.home import find_home
    from search.ray_surroundings import check_ray_surroundings, given_address
    from spaces.overrides import with_settings
    from spaces.sweep_spec import checked_name, load_sweep_spec

    wanted = with_settings(load_sweep_spec(spec), settings)
    home = find_home(record=options["record"], store=options["store"])
    chosen = wanted.name if name is None else checked_name(name)
    wanted = with_earlier(wanted, name=chosen, home=home, wanted=options["from_sweep"])
    planned = trials or wanted.trials
    request = SweepRequest(spec=wanted, name=chosen, home=home, trials=planned, take_over=options["take_over"])
    if options["dry_run"]:
        if given_address(os.environ) is None:
            check_ray_surroundings(os.environ)  # a cluster is asked for its hosts
        _print_preview(request, as_json=as_json)
        return
    _say_if_fewer(chosen, home, trials=trials)
    _run(request)
    _print_outcome(request.name, home, as_json=as_json)


@click.command
@click.argument("name")
@trials_option
@take_over_option
@record_option
@store_option
@json_option
def resume(name: str, trials: int | None, take_over: bool, as_json: bool, **places: str | None) -> None:  # noqa: FBT001
    """Continue the sweep NAME from its record; --trials raises how many it has.

    Finished trials are kept, interrupted ones run again from the last stage
    that was finished.
    """
    from search.driver.sweep import SweepRequest
    from search.home import find_home
    from search.record import open_record
    from spaces.sweep_spec import make_sweep_spec

    home = find_home(record=places["record"], store=places["store"])
    with open_record(home.record, read_only=True) as opened:
        known = opened.sweep(name)
    spec = make_sweep_spec(known.spec)
    _say_if_fewer(name, home, trials=trials)
    planned = trials or known.planned_trials
    _run(SweepRequest(spec=spec, name=name, home=home, trials=planned, take_over=take_over))
    _print_outcome(name, home, as_json=as_json)


def _say_if_fewer(name: str, home: Home, *, trials: int | None) -> None:
    """Say that a sweep keeps its plan when fewer trials are asked for than it has."""
    from search.errors import InputError
    from search.record import open_record

    if trials is None:
        return
    with contextlib.suppress(InputError), open_record(home.record, read_only=True) as opened:  # it may be a new one
        planned = opened.sweep(name).planned_trials
        if trials < planned:
            click.echo(
                f"Sweep {name} has {planned} trials planned, and a plan only grows: --trials {trials} changes nothing.",
                err=True,
            )


def _run(request: SweepRequest) -> None:
    from search.driver.sweep import run_sweep
    from search.errors import SweepOwnedError

    try:
        run_sweep(request)
    except SweepOwnedError:
        if request.take_over:
            raise
        _follow(request)
    except KeyboardInterrupt:
        click.echo(f"\nStopped. What was finished is kept; continue with: xstilts resume {request.name}", err=True)
        raise


def _follow(request: SweepRequest) -> None:
    """Show a sweep that another process drives, until it is complete."""
    from search.driver.following import follow_sweep

    try:
        is_complete = follow_sweep(request)
    except KeyboardInterrupt:
        click.echo(f"\nThe sweep {request.name} goes on; look at it with: xstilts status {request.name}", err=True)
        raise
    if not is_complete:
        click.echo(
            f"\nNobody drives the sweep {request.name} any more, and it is not complete; what was finished is kept. "
            f"Continue with: xstilts resume {request.name}",
            err=True,
        )
        raise KeyboardInterrupt


def _print_preview(request: SweepRequest, *, as_json: bool) -> None:
    from search.cli.output import print_json, print_next
    from search.forecast.previewing import preview_sweep

    preview = preview_sweep(request, on_progress=_Patience())
    changes = preview.changes
    if as_json:
        fields = [{"field": one.field, "before": one.before, "after": one.after} for one in changes.fields]
        print_json(
            {
                "sweep": request.name,
                "is_new": preview.is_new,
                "changes": fields,
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
    for line in changes.lines():
        click.echo(line)
    state = "new" if preview.is_new else "on record" if changes.revision else "on record, and unchanged"
    click.echo(f"Sweep {request.name} is {state}; {preview.num_to_propose} trials are left to be proposed.")
    for line in _forecast_lines(preview.forecast, place=preview.place):
        click.echo(line)
    print_next(f"xstilts status {request.name}", what="how it stands; the same command without --dry-run runs it")


class _Patience:
    """Says on stderr how far a simulation is that takes more than a few seconds."""

    def __init__(self) -> None:
        self._began = self._said = time.monotonic()

    def __call__(self, done: int, of: int) -> None:
        now = time.monotonic()
        if now - self._said < _SECONDS_OF_SILENCE:
            return
        self._said = now
        left = (now - self._began) * (of - done) / done
        click.echo(f"Simulating the sweep: {done:,} of {of:,} proposals, about {left:.0f} s left", err=True)


def _trials(forecast: Forecast) -> str:
    if not forecast.left_out:
        return f"{forecast.trials} trials"
    return f"the first {forecast.trials:,} of {forecast.trials + forecast.left_out:,} trials"


def _forecast_lines(forecast: Forecast, *, place: Placement) -> list[str]:
    """Return what a sweep will cost, a line a quantity, shared and alone."""
    from search.cli.output import size

    told = "" if forecast.is_exact else "  (lowest to highest of some courses: it depends on scores)"
    hours = forecast.device_hours
    lines = [
        f"\nExpected of {_trials(forecast)}{told}:",
        f"  trials          {place.in_words()}",
        f"  stages made     {_range(forecast.stages_made)}",
        f"  steps           {_range(forecast.steps_paid)}",
        f"  if alone        {_range(forecast.steps_if_alone)} steps",
        f"  store           {_range(forecast.peak_bytes, lambda taken: size(round(taken)))}",
    ]
    if place.warning:
        lines.insert(0, f"\nNothing starts yet: {place.warning}")
    if forecast.left_out:
        lines.append(f"  not simulated   the {forecast.left_out:,} trials after these: it would take too long")
    if hours is None:
        lines.append("  device hours    not known: no stage with this encoder was timed here; run two trials first")
    else:
        lines.append(f"  device hours    {_range(hours, '{:.2f}'.format)}")
        lines.append(f"  if alone        {_range(forecast.device_hours_if_alone, '{:.2f}'.format)} device hours")
    return lines


def _range(told: Range | None, shown: Callable[[float], str] = "{:,.0f}".format) -> str:
    if told is None:
        return "not known: a phase has epochs over a task of unknown size"
    expected, low, high = (shown(value) for value in (told.expected, told.low, told.high))
    return expected if low == high else f"{expected} ({low} to {high})"


def _print_outcome(name: str, home: Home, *, as_json: bool) -> None:
    from search.cli.best import print_answers
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
    click.echo(f"Sweep {name}: {found.num_done} of {found.planned_trials} trials done, {num_failed} failed.\n")
    print_answers(top)
    _print_baselines(top)
    click.echo()
    print_answers(families, with_languages=False)
    print_next(f"xstilts show {name} {found.best_trial}", what="its configuration, lineage and cost")


def _print_baselines(answers: Sequence[BestTrial]) -> None:
    """Print what a generated task's scores are to be held against; XNLI's are in the literature."""
    from search.cli.best import evaluation_task
    from search.cli.output import percent

    if evaluation_task(answers[0].config) != "miniature_nli":
        return
    from trainables.miniature.baselines import baselines

    known = baselines()
    click.echo(
        f"\nMiniature baselines in %: majority {percent(known.majority)}; a linear word-overlap classifier\n"
        f"trained on English {percent(known.word_overlap['en'])} in English, "
        f"{percent(statistics.fmean(known.word_overlap.values()))} over {len(known.word_overlap)} languages."
    )

"""`xstilts search` and `xstilts resume`: launch a sweep, or continue it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from search.cli.options import json_option, record_option, set_option, store_option, trials_option

if TYPE_CHECKING:
    from search.home import Home


@click.command(short_help="Launch, or continue, a sweep.")
@click.argument("spec")
@click.option("--name", metavar="N", help="Name of the sweep.  [default: the spec's own]")
@trials_option
@set_option
@record_option
@store_option
@json_option
def search(
    spec: str,
    name: str | None,
    trials: int | None,
    settings: tuple[str, ...],
    as_json: bool,  # noqa: FBT001  click passes it by name
    **places: str | None,
) -> None:
    """Launch the sweep that SPEC describes, or continue it where it stopped.

    SPEC is a shipped name (`xstilts spaces` lists them) or the path of a YAML
    file. Interrupt it at any time: what was finished is kept, and the same
    command continues.

    \b
    Example:
      xstilts search demo --trials 20 --set seed=3
    """  # noqa: D301  (click reads the control character)
    from search.driver.sweep import SweepRequest, run_sweep
    from search.home import find_home
    from spaces.overrides import with_settings
    from spaces.sweep_spec import load_sweep_spec

    wanted = with_settings(load_sweep_spec(spec), settings)
    home = find_home(record=places["record"], store=places["store"])
    request = SweepRequest(spec=wanted, name=name or wanted.name, home=home, trials=trials or wanted.trials)
    run_sweep(request)
    _print_outcome(request.name, home, as_json=as_json)


@click.command(short_help="Continue a sweep by name.")
@click.argument("name")
@trials_option
@record_option
@store_option
@json_option
def resume(name: str, trials: int | None, record: str | None, store: str | None, as_json: bool) -> None:  # noqa: FBT001
    """Continue the sweep NAME from its record; --trials raises how many it has.

    Finished trials are kept, interrupted ones run again from the last stage
    that was finished.
    """
    from search.driver.sweep import SweepRequest, run_sweep
    from search.home import find_home
    from search.record import open_record
    from spaces.sweep_spec import make_sweep_spec

    home = find_home(record=record, store=store)
    with open_record(home.record, read_only=True) as opened:
        known = opened.sweep(name)
    spec = make_sweep_spec(known.spec)
    run_sweep(SweepRequest(spec=spec, name=name, home=home, trials=trials or known.planned_trials))
    _print_outcome(name, home, as_json=as_json)


def _print_outcome(name: str, home: Home, *, as_json: bool) -> None:
    from search.cli.output import percent, print_json, print_next
    from search.query import sweep_status
    from search.record import open_record

    with open_record(home.record, read_only=True) as opened:
        found = sweep_status(opened, sweep=name)
    if as_json:
        print_json(found)
        return
    click.echo(f"Sweep {name}: {found.num_done} of {found.planned_trials} trials done.")
    if found.best_trial is not None:
        click.echo(f"Best: trial {found.best_trial}, {found.objective} {percent(found.best_score)} %")
    print_next(f"xstilts best {name}", what="its best configurations")

"""`xstilts run`: runs one trial, without Ray and Optuna."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.cli.options import WholeNumber, json_option, set_option, store_option

if TYPE_CHECKING:
    from search.home import Home
    from trainables.config import TrialConfig
    from trainables.results import TrialResult


@click.command
@click.argument("trial", type=click.Path(path_type=Path), metavar="TRIAL.yaml")
@click.option("--workers", type=WholeNumber(min=1), metavar="N", help="Number of ranks: engine.num_workers.")
@click.option("--zero", type=click.IntRange(0, 3), metavar="Z", help="ZeRO stage, 0 to 3: engine.zero_stage.")
@click.option("--seed", type=WholeNumber(min=0), metavar="S", help="Seed of every training phase.")
@set_option
@store_option
@json_option
def run(trial: Path, settings: tuple[str, ...], store: str | None, as_json: bool, **numbers: int | None) -> None:  # noqa: FBT001
    """Run the trial that TRIAL.yaml describes, and print its zero-shot scores.

    The file has the fields of a trial's configuration, written as `trial:` in
    a sweep spec. `xstilts show` prints the configuration of any trial in this
    format. Stages that are already in the store are not trained again.

    \b
    Example:
      xstilts run trial.yaml --workers 2 --zero 2 --set target.steps=200
    """  # noqa: D301  (click reads the control character)
    from search.home import find_home
    from search.interface.single_trial import run_here
    from search.trial_file import load_trial_file

    fields = {"engine.num_workers": numbers["workers"], "engine.zero_stage": numbers["zero"]}
    chosen = [f"{field}={value}" for field, value in fields.items() if value is not None]
    config = load_trial_file(trial, settings=[*settings, *chosen], seed=numbers["seed"])
    home = find_home(store=store)
    result = run_here(config, home=home)
    _print_result(result, config=config, losses=_losses(result, home=home), as_json=as_json)


def _losses(result: TrialResult, *, home: Home) -> dict[str, list[float]]:
    """Return phase -> training loss of each step, for the phases that train; keys of further targets have a number."""
    from trainables.ranks.jobs import LOSSES

    store = home.open_store()
    losses: dict[str, list[float]] = {}
    for run in result.stages:
        stage = store.find(run.key) if run.phase != "evaluation" else None
        if stage is None:
            continue
        number = sum(name.startswith(f"further.{run.further}.") for name in losses)
        name = f"further.{run.further}.target.{number}" if run.further else run.phase
        losses[name] = json.loads((stage.folder / LOSSES).read_text())
    return losses


def _print_result(result: TrialResult, *, config: TrialConfig, losses: dict[str, list[float]], as_json: bool) -> None:
    from search.cli.commands.best import describe_score
    from search.cli.output import duration, percent, print_evaluations, print_json, print_languages, print_next

    scores = {"average": result.average, "english": result.english, "worst": result.worst}
    costs = {
        "cost_paid_seconds": result.cost_paid_seconds,
        "cost_if_alone_seconds": result.cost_if_alone_seconds,
    }
    if as_json:
        print_json(result.model_dump(mode="json") | scores | costs | {"losses": losses})
        return
    click.echo(f"{describe_score(config.model_dump(mode='json'))} in %: average {percent(result.average)}")
    print_languages(result.languages)
    print_evaluations(result.evaluations)
    click.echo(f"Cost: {duration(result.cost_paid_seconds)}")
    print_next("xstilts search demo", what="a search over many trials")

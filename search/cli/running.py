"""`xstilts run`: one trial, without Ray and Optuna."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.cli.options import json_option, set_option, store_option

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

    from search.home import Home
    from trainables.config import TrialConfig
    from trainables.results import TrialResult
    from trainables.trials.checkpoint_keeper import StopRequest


@click.command
@click.argument("trial", type=click.Path(path_type=Path), metavar="TRIAL.yaml")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Ranks; sets engine.num_workers.")
@click.option("--zero", type=click.IntRange(0, 3), metavar="Z", help="ZeRO stage 0-3; sets engine.zero_stage.")
@click.option("--seed", type=click.IntRange(min=0), metavar="S", help="Seed of every training phase.")
@set_option
@store_option
@json_option
def run(trial: Path, settings: tuple[str, ...], store: str | None, as_json: bool, **numbers: int | None) -> None:  # noqa: FBT001
    """Run the trial that TRIAL.yaml describes, and print its zero-shot scores.

    The file has the fields of a trial's configuration; `xstilts show` prints
    that of any trial of a sweep in this form. Stages that the store holds are
    used as they are.

    \b
    Example:
      xstilts run trial.yaml --workers 2 --zero 2 --set target.steps=200
    """  # noqa: D301  (click reads the control character)
    from search.home import find_home
    from search.trial_file import load_trial_file

    fields = {"engine.num_workers": numbers["workers"], "engine.zero_stage": numbers["zero"]}
    chosen = [f"{field}={value}" for field, value in fields.items() if value is not None]
    config = load_trial_file(trial, settings=[*settings, *chosen], seed=numbers["seed"])
    home = find_home(store=store)
    result = _run(config, home=home)
    _print_result(result, config=config, losses=_losses(result, home=home), as_json=as_json)


def _run(config: TrialConfig, *, home: Home) -> TrialResult:
    from search.home import check_home
    from search.progress import showing_progress
    from trainables.checks.trial import check_trial
    from trainables.ranks.local_devices import devices_here
    from trainables.ranks.local_group import LocalGroup
    from trainables.trials.checkpoint_keeper import StopRequest
    from trainables.trials.trial import Workplace, run_trial

    check_trial(config)
    devices = devices_here(config.engine)
    engine = config.engine.model_copy(update={"device": devices.kind})
    config = config.model_copy(update={"engine": engine})
    check_home(home, with_record=False)
    progress = home.scratch / "progress" / f"run-{os.getpid()}.json"
    log = home.scratch / f"run-{os.getpid()}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    stop = StopRequest()
    with (
        contextlib.closing(LocalGroup(engine, devices=devices, log=log)) as group,
        showing_progress(progress),
        _stopping_on_signals(stop),
    ):
        place = Workplace(store=home.open_store(), group=group, progress=progress, stop=stop)
        return run_trial(config, workplace=place)


@contextlib.contextmanager
def _stopping_on_signals(stop: StopRequest) -> Generator[None]:
    """Let Ctrl-C and SIGTERM end training with a checkpoint; a second one ends it now."""

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.make()
        click.echo("Stopping after a checkpoint; once more to stop now.", err=True)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _losses(result: TrialResult, *, home: Home) -> dict[str, list[float]]:
    """Return phase -> training loss of every step, of the phases that train; further targets' by number."""
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
    from search.cli.best import score_words
    from search.cli.output import duration, percent, print_evaluations, print_json, print_languages, print_next

    scores = {"average": result.average, "english": result.english, "worst": result.worst}
    costs = {
        "cost_paid_seconds": result.cost_paid_seconds,
        "cost_if_alone_seconds": result.cost_if_alone_seconds,
    }
    if as_json:
        print_json(result.model_dump(mode="json") | scores | costs | {"losses": losses})
        return
    click.echo(f"{score_words(config.model_dump(mode='json'))} in %: average {percent(result.average)}")
    print_languages(result.languages)
    print_evaluations(result.evaluations)
    click.echo(f"Cost: {duration(result.cost_paid_seconds)}")
    print_next("xstilts search demo", what="search over such trials")

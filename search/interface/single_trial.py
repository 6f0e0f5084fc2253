"""Runs one trial on this machine, without Ray and Optuna."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from search.home import Home, check_home
from search.interface.requests import plain
from search.live_view import showing_progress
from search.trial_file import load_trial_file, read_trial
from trainables.checks.open_files import of_ranks, raise_open_files
from trainables.checks.preflight import check_trial
from trainables.config import EngineConfig, TrialConfig
from trainables.ranks.devices import RankDevices
from trainables.ranks.local_devices import devices_here, this_host
from trainables.ranks.local_group import LocalGroup
from trainables.ranks.precision import precision_here, scoring_here
from trainables.results import TrialResult
from trainables.trials.checkpoint_keeper import StopRequest
from trainables.trials.memory_plan import fitted_fields, rank_room, trained_model
from trainables.trials.trial import TrialResources, run_trial


def trial_of(
    trial: TrialConfig | Mapping[str, object] | str | Path, *, settings: Sequence[str] = (), seed: int | None = None
) -> TrialConfig:
    """Return a checked trial.

    Args:
        trial: The path of a trial file, or the trial itself; its paths are then relative to the working directory.
        settings: Texts like `target.steps=200`, which replace values.
        seed: Seed of all training phases; None: the seeds of the trial.

    Raises:
        InputError: A field or a setting is wrong.
    """
    if isinstance(trial, str | Path):
        return load_trial_file(Path(trial), settings=settings, seed=seed)
    document = plain(trial)
    assert isinstance(document, dict)  # noqa: S101  a model and a mapping are written as one
    return read_trial(document, folder=Path.cwd(), settings=settings, seed=seed)


def run_here(config: TrialConfig, *, home: Home) -> TrialResult:
    """Run a trial with rank processes of this machine, and show its progress on standard error.

    Args:
        config: The trial.
        home: Has the store, and the scratch folder for the log of the ranks.

    Raises:
        InputError: Data, encoder, store or devices do not fit.
        RunError: The training failed.
        StoppedError: The user interrupted it, and a checkpoint is kept.
    """
    check_trial(config)
    devices = devices_here(config.engine)
    engine = _settled(config, devices=devices)
    config = config.model_copy(update={"engine": engine})
    check_home(home, with_record=False)
    raise_open_files(needed=of_ranks(engine.num_workers))
    progress = home.scratch / "progress" / f"run-{os.getpid()}.json"
    log = home.scratch / f"run-{os.getpid()}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    stop = StopRequest()
    with (
        contextlib.closing(LocalGroup(engine, devices=devices, log=log)) as group,
        showing_progress(progress),
        _stopping_on_signals(stop),
    ):
        resources = TrialResources(store=home.open_store(), group=group, progress=progress, stop=stop)
        return run_trial(config, resources=resources)


def _settled(config: TrialConfig, *, devices: RankDevices) -> EngineConfig:
    """Return the engine of a trial for the devices of this machine; what they decide is printed."""
    engine = config.engine
    precision = precision_here(engine, devices=devices)
    if precision != engine.arithmetic:
        these = "The processor here has" if devices.kind == "cpu" else "The GPUs here have"
        sys.stderr.write(f"{these} {precision}: engine.precision is {precision} (auto).\n")
    engine = engine.model_copy(update={"device": devices.kind, "precision": precision})
    if devices.kind == "cpu":
        engine = engine.model_copy(update={"evaluation_precision": scoring_here(engine, precision=precision)})
    model = None if devices.kind == "cpu" else trained_model([config], engine=engine)
    if model is None:
        return engine
    found = fitted_fields(engine, model=model, room=rank_room(engine, devices=devices, hosts=[this_host()]))
    for name, value in found.values.items():
        reason = f" ({found.reasons[name]})" if name in found.reasons else ""
        sys.stderr.write(f"engine.{name}, which is auto, is {value}{reason}.\n")
    return engine.model_copy(update=found.values)


@contextlib.contextmanager
def _stopping_on_signals(stop: StopRequest) -> Generator[None]:
    """Stop training with a checkpoint at Ctrl-C or SIGTERM; stop it at once at a second one. Main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.make()
        sys.stderr.write("Saving a checkpoint, then stopping; press Ctrl-C again to stop now.\n")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)

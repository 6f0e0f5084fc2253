"""Launches sweeps and reads their results in Python: the public interface of xstilts for notebooks and scripts.

Public are the names in `__all__`. `launch`, `resume` and `run_trial` do what `xstilts search`, `resume` and `run` do.
They and `open_sweep` return a `Sweep`, with methods for the best trials, comparisons, plots and pandas frames;
`run_trial` returns a `TrialResult`. `load_spec` and `to_yaml` read and write a `SweepSpec`; a trial is a `TrialConfig`.
Errors are an `InputError` (nothing was started) or a `RunError`. These names keep their meaning. Everything else in the
packages `search`, `spaces` and `trainables` is private by convention, and may change in every release.

    import search

    demo = search.open_sweep("demo")
    trials = demo.trials()  # a pandas frame with one row for each trial
    print(trials.groupby("family").score.max())
    print(demo.best())
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from search.interface.sweep_results import Sweep
    from spaces.sweep_spec import SweepSpec
    from trainables.config import TrialConfig
    from trainables.errors import InputError, RunError
    from trainables.results import TrialResult

__all__ = [
    "InputError",
    "RunError",
    "Sweep",
    "SweepSpec",
    "TrialConfig",
    "TrialResult",
    "launch",
    "load_spec",
    "open_sweep",
    "resume",
    "run_trial",
    "to_yaml",
]

_CLASSES = {
    "InputError": "trainables.errors",
    "RunError": "trainables.errors",
    "Sweep": "search.interface.sweep_results",
    "SweepSpec": "spaces.sweep_spec",
    "TrialConfig": "trainables.config",
    "TrialResult": "trainables.results",
}
"""Public class -> its module, imported at its first use so that `import search` stays fast."""


def launch(
    spec: SweepSpec | Mapping[str, object] | str | Path,
    *,
    settings: Mapping[str, object] | None = None,
    start_from: str | None = None,
    detach: bool = False,
    record: str | None = None,
    store: str | None = None,
    **overrides: object,
) -> Sweep:
    """Launch a sweep, or continue it where it stopped, as `xstilts search` does; return it when it is complete.

    Progress is printed on standard error. Ctrl-C stops the sweep after its trials wrote a checkpoint, and raises
    KeyboardInterrupt; the same call continues it. `resume` takes over a sweep whose driver has no heartbeat.

        import search

        sweep = search.launch("demo", trials=6, settings={"trial.target.steps": 100}, seed=3)
        print(sweep.best())

    Args:
        spec: Name of a spec that ships, path of a YAML file, or the spec itself.
        settings: Dotted path in the spec -> value, as `--set` takes them: `{"families.text.steps": 100}`.
        start_from: Earlier sweep whose results come first, as `--from` takes it.
        detach: Whether a process of its own runs the sweep. The call then returns at once, and the sweep continues when
            this process ends; `Sweep.wait` waits for it.
        record: Path or URL of the record; None: the one in XSTILTS_HOME.
        store: Path or URL of the store; None: the one in XSTILTS_HOME.
        **overrides: Fields of the spec -> value: `name="mine", trials=20, seed=3`. Trials that the sweep already has
            count.

    Raises:
        InputError: The spec, the data, the store or the record has an error; nothing was started.
        RunError: Every trial failed, Ray ended, or the disk cannot be used.
    """
    from search.interface import requests

    wishes = requests.Wishes(
        settings=requests.setting_texts({**overrides, **(settings or {})}),
        from_sweep=start_from,
        record=record,
        store=store,
    )
    request = requests.new_request(spec, wishes)
    return _ran(request, trials=request.trials if "trials" in overrides else None, detach=detach)


def resume(
    name: str,
    *,
    trials: int | None = None,
    take_over: bool = False,
    detach: bool = False,
    record: str | None = None,
    store: str | None = None,
) -> Sweep:
    """Continue a sweep with the spec in its record, as `xstilts resume` does; return it when it is complete.

    Args:
        name: Name of the sweep.
        trials: Number of trials of the sweep, with those it already has; None: the planned number.
        take_over: Whether to take the sweep over from a driver without a heartbeat.
        detach: Whether a process of its own runs the sweep, as in `launch`.
        record: Path or URL of the record; None: the one in XSTILTS_HOME.
        store: Path or URL of the store; None: the one in XSTILTS_HOME.

    Raises:
        InputError: The record has no such sweep, or data or store have an error; nothing was started.
        RunError: Every trial failed, Ray ended, or the disk cannot be used.
    """
    from search.interface import requests

    wishes = requests.Wishes(trials=trials, take_over=take_over, record=record, store=store)
    return _ran(requests.resuming_request(name, wishes), trials=trials, detach=detach)


def run_trial(
    trial: TrialConfig | Mapping[str, object] | str | Path,
    *,
    settings: Mapping[str, object] | None = None,
    workers: int | None = None,
    zero: int | None = None,
    seed: int | None = None,
    store: str | None = None,
) -> TrialResult:
    """Run one trial on this machine without Ray, as `xstilts run` does, and return its scores and its lineage.

    Args:
        trial: Path of a trial file, or the trial itself.
        settings: Dotted path in the trial -> value: `{"target.steps": 200}`.
        workers: Number of ranks; None: `engine.num_workers`.
        zero: ZeRO stage, 0 to 3; None: `engine.zero_stage`.
        seed: Seed of every training phase; None: the seeds of the trial.
        store: Path or URL of the store; None: the one in XSTILTS_HOME.

    Raises:
        InputError: Trial, data, encoder, store or devices do not fit.
        RunError: The training failed.
    """
    from search.home import find_home
    from search.interface.requests import setting_texts
    from search.interface.single_trial import run_here, trial_of

    numbers = {"engine.num_workers": workers, "engine.zero_stage": zero}
    chosen = {field: value for field, value in numbers.items() if value is not None}
    config = trial_of(trial, settings=setting_texts({**(settings or {}), **chosen}), seed=seed)
    return run_here(config, home=find_home(store=store))


def open_sweep(name: str, *, record: str | None = None, store: str | None = None) -> Sweep:
    """Return a sweep on record, whose methods return its best trials, comparisons, plots and pandas frames.

    Args:
        name: Name of the sweep.
        record: Path or URL of the record; None: the record in XSTILTS_HOME.
        store: Path or URL of the store, which comparisons read predictions from; None: the store in XSTILTS_HOME.

    Raises:
        RecordMissingError: There is no record at this place.
        UnknownSweepError: The record has no such sweep; the message names near matches.
    """
    from search.interface import sweep_results

    return sweep_results.open_sweep(name, record=record, store=store)


def load_spec(spec: Mapping[str, object] | str | Path) -> SweepSpec:
    """Return a checked sweep spec.

    Args:
        spec: Name of a spec that ships, path of a YAML file, or the fields of a spec; paths in such fields are relative
            to the working directory.

    Raises:
        InputError: It is wrong, or there is no such spec.
    """
    from search.interface.requests import spec_of

    return spec_of(spec)


def to_yaml(spec: SweepSpec | TrialConfig) -> str:
    """Return a sweep spec or a trial as YAML with the fields that were set; reading it returns the same object."""
    import yaml

    return yaml.safe_dump(spec.model_dump(mode="json", exclude_unset=True), sort_keys=False, allow_unicode=True)


def _ran(request: object, *, trials: int | None, detach: bool) -> Sweep:
    from search.driver.sweep import SweepRequest
    from search.interface.detached import start_detached
    from search.interface.requests import run_or_follow, warn_if_fewer_trials
    from search.interface.sweep_results import Sweep

    assert isinstance(request, SweepRequest)  # noqa: S101  made above; its class is imported late
    warn_if_fewer_trials(request, trials=trials)
    if detach:
        start_detached(request)
    else:
        run_or_follow(request)
    return Sweep(request.name, home=request.home)


def __getattr__(name: str) -> object:
    """Return a public class, imported at its first use so that `import search` stays fast."""
    if name in _CLASSES:
        return getattr(importlib.import_module(_CLASSES[name]), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)

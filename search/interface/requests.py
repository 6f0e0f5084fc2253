"""Sweeps that a user asks for: the command line and Python make and run their requests here, in the same way."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, JsonValue

from search.driver.completed_spec import complete_spec
from search.driver.earlier_sweep import with_earlier
from search.driver.sweep import SweepRequest
from search.errors import InputError, SweepOwnedError
from search.home import Home, find_home
from search.record import open_record
from spaces.overrides import with_settings
from spaces.sweep_name import checked_name
from spaces.sweep_spec import SweepSpec, load_sweep_spec, make_sweep_spec, read_sweep_spec
from trainables.config import canonical_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a user asks for beside a spec."""

    name: str | None = None
    """Name of the sweep; None: the name in the spec."""
    trials: int | None = None
    """Number of trials of the sweep; None: the number in the spec, or on record."""
    settings: tuple[str, ...] = ()
    """Texts like `sampler.name=tpe`, which replace values of the spec."""
    from_sweep: str | None = None
    """Earlier sweep to start from."""
    take_over: bool = False
    """Whether to take the sweep over from a driver without heartbeats."""
    record: str | None = None
    """Path or URL of the record; None: the one in XSTILTS_HOME."""
    store: str | None = None
    """Path or URL of the store; None: the one in XSTILTS_HOME."""

    @property
    def home(self) -> Home:
        """The record, the store and the scratch folder.

        Raises:
            InputError: The file that XSTILTS_RECORD_FILE names cannot be read.
        """
        return find_home(record=self.record, store=self.store)


def new_request(spec: SweepSpec | Mapping[str, object] | str | Path, wishes: Wishes) -> SweepRequest:
    """Return the request for a sweep that a spec describes; the sweep may be on record already.

    Args:
        spec: The name of a spec that ships, the path of a YAML file, or the spec itself.
        wishes: What else the user asks for.

    Raises:
        InputError: The spec, a setting, the name or the earlier sweep is wrong.
    """
    written = spec_of(spec)
    changed = with_settings(written, wishes.settings)
    home, name = wishes.home, changed.name if wishes.name is None else checked_name(wishes.name)
    source = spec if isinstance(spec, str) else ""
    completed = complete_spec(changed, source=source, written=written, settings=wishes.settings, name=name, home=home)
    full = with_earlier(completed.spec, name=name, home=home, wanted=wishes.from_sweep)
    return SweepRequest(
        spec=full,
        name=name,
        home=home,
        trials=wishes.trials or full.trials,
        take_over=wishes.take_over,
        defaults=completed.fields,
    )


def resuming_request(name: str, wishes: Wishes) -> SweepRequest:
    """Return the request to continue a sweep with the spec in its record.

    Raises:
        RecordMissingError: There is no record.
        UnknownSweepError: The record has no such sweep.
    """
    home = wishes.home
    with open_record(home.record, read_only=True) as opened:
        known = opened.sweep(name)
    planned = wishes.trials or known.planned_trials
    spec = make_sweep_spec(known.spec)
    return SweepRequest(spec=spec, name=name, home=home, trials=planned, take_over=wishes.take_over)


def spec_of(spec: SweepSpec | Mapping[str, object] | str | Path) -> SweepSpec:
    """Return a checked spec; paths in a spec without a file are relative to the working directory.

    Raises:
        InputError: It is wrong, or there is no such spec.
    """
    if isinstance(spec, str | Path):
        return load_sweep_spec(spec)
    document = plain(spec)
    assert isinstance(document, dict)  # noqa: S101  a model and a mapping are written as one
    return read_sweep_spec(document, folder=Path.cwd())


def plain(value: object) -> JsonValue:
    """Return a value of Python as JSON has it: models and tuples become mappings and lists, paths become texts.

    Raises:
        InputError: It is something else.
    """
    match value:
        case BaseModel():
            return value.model_dump(mode="json", exclude_unset=True)
        case None | bool() | int() | float() | str():
            return value
        case Path():
            return str(value)
        case Mapping():
            return {str(key): plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case _:
            msg = f"{value!r} cannot be a value of a spec: it is a {type(value).__name__}; use numbers, texts and lists"
            raise InputError(msg)


def setting_texts(values: Mapping[str, object]) -> tuple[str, ...]:
    """Return path -> value as the texts that `--set` takes.

    Raises:
        InputError: A value cannot be one of a spec.
    """
    try:
        return tuple(f"{path}={canonical_json(plain(value))}" for path, value in values.items())
    except ValueError as error:  # a number that JSON does not have
        msg = f"a value of the settings {dict(values)!r} cannot be written ({error}); use finite numbers"
        raise InputError(msg) from None


def run_or_follow(request: SweepRequest) -> None:
    """Run a sweep; if another process drives it, show its progress until it ends.

    Raises:
        InputError: The spec, the data, the store or the record has an error; nothing was started.
        RunError: Every trial failed, Ray ended, or the disk cannot be used.
        KeyboardInterrupt: The user interrupted the sweep, or the process that drives it has ended early.
    """
    from search.driver.sweep import run_sweep

    if threading.current_thread() is not threading.main_thread():
        msg = "a sweep runs in the main thread only, because it handles Ctrl-C; call it there, or set detach=True"
        raise InputError(msg)
    try:
        run_sweep(request)
    except SweepOwnedError:
        if request.take_over:
            raise
        _follow(request)
    except KeyboardInterrupt:
        _say(f"\nStopped. Finished work is kept; continue with: xstilts resume {request.name}")
        raise


def _follow(request: SweepRequest) -> None:
    """Show the progress of a sweep that another process drives, until it is complete."""
    from search.driver.follower import follow_sweep

    try:
        is_complete = follow_sweep(request)
    except KeyboardInterrupt:
        _say(f"\nThe sweep {request.name} still runs in the other process; see: xstilts status {request.name}")
        raise
    if not is_complete:
        _say(
            f"\nNo process drives the sweep {request.name} any more, and it is not complete. Finished work is kept; "
            f"continue with: xstilts resume {request.name}"
        )
        raise KeyboardInterrupt


def warn_if_fewer_trials(request: SweepRequest, *, trials: int | None) -> None:
    """Print a warning if a user asks for fewer trials than planned: a sweep never lowers their number."""
    if trials is None:
        return
    with contextlib.suppress(InputError), open_record(request.home.record, read_only=True) as opened:
        planned = opened.sweep(request.name).planned_trials  # it may be a new one
        if trials < planned:
            _say(
                f"Sweep {request.name} already has {planned} planned trials, and their number can only grow: --trials "
                f"{trials} has no effect."
            )


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")

"""Writes a sweep as an Optuna study to an SQLite file, for optuna-dashboard and other readers of studies."""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any  # a DB-API connection has no shared static type

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState
from pydantic import JsonValue

from search.record import State
from search.sampler.distributions import Coordinates, Described, describe
from spaces.space.tree import Assignment, Space

_STATES: dict[State, TrialState] = {
    "proposed": TrialState.WAITING,
    "running": TrialState.RUNNING,
    "finished": TrialState.COMPLETE,
    "failed": TrialState.FAIL,
    "pruned": TrialState.PRUNED,
    "interrupted": TrialState.WAITING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyTrial:
    """The parts of a sweep's trial that a study holds."""

    number: int
    state: State
    assignment: Assignment | None
    """None for an excluded trial: the study shows it as failed and without parameters."""
    coordinates: Coordinates
    score: float | None
    rungs: Mapping[int, float]
    """Rung -> the sweep's objective."""
    started_at: float | None
    ended_at: float | None
    attributes: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    """Further values that the dashboard shows."""


def write_study(file: Path, *, name: str, space: Space, trials: Iterable[StudyTrial]) -> None:
    """Write a study that maximises, with the sweep's trials under their own numbers.

    Args:
        file: The database; it must not exist yet.
        name: Name of the study.
        space: The sweep's space.
        trials: Ordered by number, from 0, without gaps.
    """
    # In memory first: every value of a trial is its own transaction, and each would wait for the disk.
    storage = optuna.storages.RDBStorage("sqlite://")
    try:
        with _quiet():
            study = optuna.create_study(storage=storage, study_name=name, direction="maximize")
            study.add_trials(_frozen(trial, space) for trial in trials)
        connection: Any = storage.engine.raw_connection().driver_connection
        with contextlib.closing(sqlite3.connect(file)) as written:
            connection.backup(written)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _frozen(trial: StudyTrial, space: Space) -> FrozenTrial:
    if trial.assignment is None:
        described, state = Described(), TrialState.FAIL
    else:
        described = describe(space, trial.assignment, coordinates=trial.coordinates)
        state = _STATES[trial.state]
    distributions: dict[str, BaseDistribution] = described.distributions
    frozen = optuna.trial.create_trial(
        state=state,
        value=trial.score if state is TrialState.COMPLETE else None,
        params=described.params,
        distributions=distributions,
        intermediate_values=dict(trial.rungs),
        user_attrs=trial.attributes,
    )
    frozen.datetime_start = _moment(trial.started_at) or frozen.datetime_start
    if state.is_finished():
        frozen.datetime_complete = _moment(trial.ended_at) or frozen.datetime_start
    return frozen


def _moment(seconds: float | None) -> dt.datetime | None:
    """Return a time as Optuna stores it: local, without a time zone."""
    return None if seconds is None else dt.datetime.fromtimestamp(seconds)  # noqa: DTZ006


@contextlib.contextmanager
def _quiet() -> Any:
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)

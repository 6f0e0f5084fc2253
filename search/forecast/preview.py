"""Computes what a search command would change in a sweep, and what it would cost: `xstilts search SPEC --dry-run`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import partial

from search.driver.device_plan import Placement, plan_cluster_devices, plan_local_devices
from search.driver.spec_changes import Changes, changes_of
from search.driver.sweep import SweepRequest, check_families, joins_cluster
from search.errors import RecordMissingError, UnknownSweepError
from search.forecast.forecaster import Forecast, Forecaster
from search.forecast.measured_times import MeasuredTimes, measured_times
from search.home import Home, check_home
from search.record import History, Record, open_record
from search.sampler import PastTrial
from search.scheduling.scheduler import ENDED, past_trial
from search.stages.keep_checks import stage_sizes
from trainables.config import TrialConfig
from trainables.stage_store import is_there


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a search command would do."""

    changes: Changes
    """Changes against the sweep on record."""
    is_new: bool
    """Whether there is no sweep of this name yet."""
    num_to_propose: int
    """Number of trials that still have to be proposed."""
    forecast: Forecast
    """Forecast of the remaining work: proposals, and trials that have not ended."""
    place: Placement
    """Devices of the trials, and how many run at a time."""


def preview_sweep(
    request: SweepRequest, *, on_progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Preview:
    """Return what `run_sweep` would do, after the same checks. Nothing is changed.

    Args:
        request: The request for `run_sweep`.
        on_progress: Called with the number of simulated proposals and their total number.

    Raises:
        InputError: As `run_sweep`.
    """
    config = check_families(request.spec)
    check_home(request.home)
    place = _place(request, config)
    with _record(request.home) as record:
        try:
            if record is not None:
                forecaster = _forecaster(request, config, record, on_progress, place=place)
                return _preview_existing(record, request, forecaster=forecaster, place=place)
        except UnknownSweepError:
            pass
        forecaster = _forecaster(request, config, record, on_progress, place=place)
    forecast = forecaster.forecast(num_to_propose=request.trials)
    return Preview(changes=Changes(), is_new=True, num_to_propose=request.trials, forecast=forecast, place=place)


def _place(request: SweepRequest, config: TrialConfig) -> Placement:
    """Return where the sweep would run: on this machine, or on the cluster in RAY_ADDRESS."""
    from search.driver.cluster_hosts import this_machine

    if not joins_cluster():
        return plan_local_devices(request.spec, config.engine, hosts=this_machine())
    from search.driver.tune_run import RayCluster

    with RayCluster() as cluster:
        return plan_cluster_devices(request.spec, config.engine, hosts=cluster.hosts())


def _preview_existing(record: Record, request: SweepRequest, *, forecaster: Forecaster, place: Placement) -> Preview:
    changes = changes_of(record, request.name, spec=request.spec)
    planned = max(request.trials, record.sweep(request.name).planned_trials)
    trials = record.trials(request.name)
    num_left = max(0, planned - (len(trials) - len(changes.set_aside)))
    waiting = [trial for trial in trials if trial.state not in ENDED and trial.number not in changes.set_aside]
    goals = request.spec.goals
    history = History(record, sweep=request.name, make=partial(past_trial, goals=goals), goals=goals)
    forecaster.set_trials(
        [_after(changes, trial) for trial in history.trials()],
        waiting={trial.number: trial.trial_config for trial in waiting},
    )
    return Preview(
        changes=changes,
        is_new=False,
        num_to_propose=num_left,
        forecast=forecaster.forecast(num_to_propose=num_left),
        place=place,
    )


def _after(changes: Changes, trial: PastTrial) -> PastTrial:
    """Return a trial in the form that samplers use, as it will be after the changes are recorded."""
    if trial.number in changes.set_aside:
        return replace(trial, state="failed")
    assignments = {} if changes.revision is None else changes.revision.assignments
    return replace(trial, assignment=assignments.get(str(trial.number), trial.assignment))


def _forecaster(
    request: SweepRequest,
    config: TrialConfig,
    record: Record | None,
    on_progress: Callable[[int, int], None],
    *,
    place: Placement,
) -> Forecaster:
    return Forecaster(
        request.spec.model_copy(update={"concurrency": place.concurrency}),
        is_made=request.home.open_store(read_only=True).has if is_there(request.home.store) else lambda _: False,
        sizes=stage_sizes(config, spec=request.spec),
        times=MeasuredTimes()
        if record is None
        else measured_times(record, encoder=config.encoder.name, ranks=config.engine.num_workers),
        on_progress=on_progress,
    )


@contextlib.contextmanager
def _record(home: Home) -> Generator[Record | None]:
    try:
        opened = open_record(home.record, read_only=True)
    except RecordMissingError:
        yield None
        return
    with opened as record:
        yield record

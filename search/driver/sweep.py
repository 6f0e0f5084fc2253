"""Runs a sweep from its spec to its last trial. A new and a resumed sweep use the same code."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from search.driver.budget_watch import BudgetWatch
from search.driver.checkpoint_arms import check_checkpoint_arms
from search.driver.completed_spec import lines_of
from search.driver.device_plan import Placement, plan_devices, plan_local_devices
from search.driver.ray_door import check_ray
from search.driver.spec_changes import changes_of
from search.driver.stop_signals import StopSignals
from search.driver.trial_order import TrialOrder
from search.errors import InputError, RecordMissingError, RunError, SearchError, UnknownSweepError
from search.home import Home, check_home
from search.leftovers import SCRATCH_PREFIX, find_dead_sessions, note_session
from search.live_view import LiveView
from search.published_record import publishing, restore_copy
from search.query import quarantined_places, sweep_status
from search.ray_environment import given_address
from search.record import JsonObject, Ownership, Record, open_record, own_sweep
from search.record.rows import NoteKind
from search.scheduling.disk_pause import DiskPause, can_write, free_bytes
from search.scheduling.scheduler import Start, TrialScheduler
from search.scheduling.stage_demand import StagePlans
from search.stages import leave_note
from search.stages.disk_room import free_disk
from search.stages.keep_checks import check_keep, make_keeper
from search.tracking.sinks import check_sinks
from search.tracking.tracker import tracking
from spaces.fast_defaults import Completed
from spaces.own_tasks import own_tasks
from spaces.space.binder import bind
from spaces.space.enumeration import default_assignment
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec, recorded
from trainables.checks.open_files import raise_open_files, with_ray
from trainables.checks.preflight import check_trial
from trainables.config import TrialConfig
from trainables.stage_store import StageStore

if TYPE_CHECKING:
    from search.driver.tune_run import RayCluster

log = logging.getLogger(__name__)

UNFINISHED = ("proposed", "running", "interrupted")
SECONDS_BETWEEN_VIEWS = 0.5

STOPPED: NoteKind = "stopped"
"""Kind of the event that says that a sweep needs no further trials (`stop` in its spec)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRequest:
    """What the user asked for."""

    spec: SweepSpec
    """The checked spec."""
    name: str
    """Name of the sweep in the record."""
    home: Home
    """Record, store, scratch."""
    trials: int
    """Number of trials that the sweep is planned to have."""
    take_over: bool = False
    """Whether to take the sweep over from a driver without heartbeats."""
    defaults: tuple[str, ...] = ()
    """Parts of the spec that its user did not name, as `field: value`; an event of a new sweep lists them."""


def run_sweep(request: SweepRequest) -> None:
    """Run a sweep until it has the requested number of trials; finished trials are not run again.

    Raises:
        InputError: The spec, the data, the store or the record has an error; nothing was started.
        RunError: Every trial failed, Ray ended, or the disk cannot be used.
        KeyboardInterrupt: The user interrupted the sweep; finished trials are on record.
    """
    config = check_families(request.spec)
    engine = config.engine
    check_home(request.home)
    check_sinks(request.spec.track)
    raise_open_files(needed=with_ray(engine.num_workers))
    if _may_have_work(request):
        check_ray()
    if not joins_cluster():  # the hosts of a cluster are known only after Ray has started
        from search.driver.cluster_hosts import this_machine

        plan_local_devices(request.spec, engine, hosts=this_machine())
    restore_copy(request.home, sweep=request.name)
    with open_record(request.home.record) as opened, _take_ownership(opened, request) as ownership:
        record = ownership.record
        _revise(record, request)
        _put_sweep(record, request)
        with tracking(request.home, request.name, request.spec.track):
            record.interrupt_running(request.name)
            try:
                if is_unfinished(record, request.name):
                    with publishing(request.home, request.name):
                        _tune(record, request, config=config, fence=ownership.fence)
            finally:
                record.interrupt_running(request.name)
        _check_any_succeeded(record, request.name)


def joins_cluster() -> bool:
    """Return whether a sweep runs on an existing cluster, whose address is in RAY_ADDRESS."""
    return given_address(os.environ) is not None


def check_families(spec: SweepSpec) -> TrialConfig:
    """Check one trial of each family against data, encoder and store; return the last of these trials.

    Raises:
        InputError: A check failed; the message says what to change.
    """
    space = make_space(spec)
    configs = [bind(space, default_assignment(space, family=family)) for family in spec.families]
    for config in configs:
        check_trial(config)
    check_checkpoint_arms(space, configs[-1])
    check_keep(spec, configs)
    return configs[-1]


def _revise(record: Record, request: SweepRequest) -> None:
    """Record what has changed in the sweep since its last run, and print it."""
    changes = changes_of(record, request.name, spec=request.spec)
    if changes.revision is None:
        return
    for line in changes.lines():
        sys.stderr.write(f"{line}\n")
    record.revise(request.name, revision=changes.revision)


def _tune(record: Record, request: SweepRequest, *, config: TrialConfig, fence: int) -> None:
    from search.driver.record_keeper import record_keeper
    from search.driver.tune_run import RayCluster, tune_trials

    engine = config.engine
    for left in find_dead_sessions(request.home):
        left.clear()
    with RayCluster() as cluster, _scratch(request, cluster) as scratch:
        place = plan_devices(request.spec, engine, hosts=cluster.hosts(), is_local=cluster.session is not None)
        if place.warning:
            log.warning("%s", place.warning)
        store = request.home.open_store()
        leave_note(record, sweep=request.name, store=store)
        pause = _pause(record, request, store=store)
        scheduler = TrialScheduler(
            record,
            name=request.name,
            spec=request.spec,
            concurrency=place.concurrency,
            plans=StagePlans(store, rungs=request.spec.rungs),
            pause=pause,
        )
        if keeper := make_keeper(record, name=request.name, spec=request.spec, store=store, config=config):
            scheduler.keep(keeper)
        quarantine = cluster.quarantine(
            lambda: quarantined_places(record, sweep=request.name), devices=place.devices, num_ranks=engine.num_workers
        )
        if _follows_cluster(request, cluster):
            scheduler.follow(cluster.room(place.devices, num_ranks=engine.num_workers, quarantine=quarantine))
        with (
            _reporting_lost_ray(cluster),
            _view(request),
            record_keeper(request.home.record, is_cluster=cluster.session is None) as address,
            StopSignals(request.home.stop_path(request.name)) as stopping,
        ):
            cluster.on_lost = stopping.stop_now
            budget = BudgetWatch(
                request.spec.budget,
                status=lambda: sweep_status(record, sweep=request.name),
                num_ranks=engine.num_workers,
                on_reached=stopping.file.touch,
            )
            tune_trials(
                scheduler,
                order=lambda start: _make_order(start, request, place=place, fence=fence, keeper=address),
                resources=quarantine,
                scratch=scratch,
                is_stopping=lambda: stopping.is_asked or budget.is_reached(now=scheduler.has_room),
            )
            scheduler.tidy()
        _report_early_end(request, stopping=stopping, budget=budget, pause=pause)
        if scheduler.reason_to_stop:
            record.note(request.name, kind=STOPPED, payload={"reason": scheduler.reason_to_stop})
            sys.stderr.write(f"The sweep has stopped by itself: {scheduler.reason_to_stop}.\n")


def _report_early_end(request: SweepRequest, *, stopping: StopSignals, budget: BudgetWatch, pause: DiskPause) -> None:
    """Print or raise the reason if the sweep ended before its last trial.

    Raises:
        KeyboardInterrupt: The user asked the sweep to stop.
        RunError: The disk cannot be used.
    """
    if stopping.is_asked:
        raise KeyboardInterrupt
    if budget.reached is not None:
        sys.stderr.write(
            f"Stopped at {budget.reached}.\nTo continue, raise this limit in the spec and run the same command again.\n"
        )
    if pause.has_given_up:
        msg = (
            f"sweep {request.name!r} has stopped: its disk is full, or cannot be used; finished trials and stages are "
            f"kept. Free some space (`xstilts stages gc`), then continue with `xstilts resume {request.name}`"
        )
        raise RunError(msg)


def _follows_cluster(request: SweepRequest, cluster: RayCluster) -> bool:
    """Return whether concurrency follows the size of the cluster. Not in fixed order, where proposals depend on it."""
    return cluster.session is None and request.spec.concurrency is None and request.spec.order == "completion"


@contextlib.contextmanager
def _scratch(request: SweepRequest, cluster: RayCluster) -> Generator[Path]:
    """Yield a temporary folder for Ray Tune's own state, not on the store's disk; list a local session meanwhile."""
    with tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX, ignore_cleanup_errors=True) as folder:
        if cluster.session is None:
            yield Path(folder)
            return
        note = note_session(request.home, folder=cluster.session, scratch=Path(folder))
        try:
            yield Path(folder)
        finally:
            note.unlink(missing_ok=True)


@contextlib.contextmanager
def _reporting_lost_ray(cluster: RayCluster) -> Generator[None]:
    """Raise a RunError in place of any other error if Ray has ended: the other error is a consequence."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if not cluster.is_lost:
            raise
        msg = (
            "Ray's process on this machine (raylet) has ended; finished trials and stages are kept: run the same "
            "command again"
        )
        raise RunError(msg) from error


def _pause(record: Record, request: SweepRequest, *, store: StageStore) -> DiskPause:
    folders, files = [request.home.scratch, store.root], list[Path]()
    if "://" not in request.home.record:
        files.append(Path(request.home.record))
        folders.append(files[0].parent)

    def note(reason: str) -> None:
        with contextlib.suppress(SearchError):  # the record may be on that disk
            record.note(request.name, kind="paused", payload={"reason": reason})

    return DiskPause(
        free=lambda: free_bytes(folders),
        make_room=lambda: free_disk(record, store=store),
        works=lambda: all(file.exists() for file in files) and can_write(folders),
        note=note,
    )


def _make_order(start: Start, request: SweepRequest, *, place: Placement, fence: int, keeper: str | None) -> TrialOrder:
    trial = start.trial
    return TrialOrder(
        sweep=request.name,
        number=trial.number,
        config=trial.trial_config.model_copy(update={"engine": place.engine}),
        devices=place.devices,
        rungs=request.spec.rungs,
        rung=start.rung,
        expired=start.expired,
        tasks=own_tasks(request.spec.tasks),
        record=request.home.record,
        keeper=keeper,
        fence=fence,
        store=request.home.store,
        downloads=request.home.downloads,
        progress=request.home.progress_path(request.name, number=trial.number),
        log=request.home.log_path(request.name, number=trial.number),
        stop=request.home.stop_path(request.name),
    )


def _as_recorded(request: SweepRequest, *, record: Record) -> JsonObject:
    """Return the recorded spec if it has the same meaning, else the new one: older versions wrote fewer fields."""
    written = recorded(request.spec)
    try:
        known = record.sweep(request.name).spec
    except UnknownSweepError:
        return written
    return known if make_sweep_spec(known) == request.spec else written


@contextlib.contextmanager
def _view(request: SweepRequest) -> Generator[None]:
    """Show the sweep's progress from a thread with its own connection to the record; Tune uses the main thread."""
    ended = threading.Event()
    thread = threading.Thread(target=_keep_showing, args=(request, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _keep_showing(request: SweepRequest, ended: threading.Event) -> None:
    folder = request.home.progress_folder(request.name)
    with (
        contextlib.suppress(RecordMissingError),  # its disk has gone: the driver's own writes say so
        open_record(request.home.record, read_only=True) as record,
        LiveView(request.name, record=record, folder=folder) as view,
    ):
        while not ended.wait(SECONDS_BETWEEN_VIEWS):
            view.update()


def _take_ownership(record: Record, request: SweepRequest) -> Ownership:
    """Return this process's ownership of the sweep, so that no second driver runs its trials.

    Raises:
        SweepOwnedError: Another process drives it.
    """
    request.home.scratch.mkdir(parents=True, exist_ok=True)
    try:
        record.sweep(request.name)
    except UnknownSweepError:
        for line in lines_of(Completed(spec=request.spec, fields=request.defaults)):
            sys.stderr.write(f"{line}\n")
        _put_sweep(record, request)
        if request.defaults:
            record.note(request.name, kind="defaults", payload={"fields": list(request.defaults)})
    return own_sweep(record, request.name, take_over=request.take_over)


def _may_have_work(request: SweepRequest) -> bool:
    """Return whether Ray may be needed: False only if the sweep is on record and complete."""
    with contextlib.suppress(InputError, RunError), open_record(request.home.record, read_only=True) as record:
        planned = record.sweep(request.name).planned_trials
        return request.trials > planned or is_unfinished(record, request.name)
    return True


def _put_sweep(record: Record, request: SweepRequest) -> None:
    record.put_sweep(
        request.name,
        spec=_as_recorded(request, record=record),
        objective=request.spec.score,
        planned_trials=request.trials,
    )


def has_stopped(record: Record, name: str) -> bool:
    """Return whether a sweep has stopped by itself: none of its later events proposed a trial."""
    kinds = [event.kind for event in record.events(name)]
    return STOPPED in kinds and "proposed" not in kinds[len(kinds) - kinds[::-1].index(STOPPED) :]


def is_unfinished(record: Record, name: str) -> bool:
    """Return whether a sweep has trials to run or to propose."""
    trials = [trial for trial in record.trials(name) if trial.set_aside is None]
    return len(trials) < record.sweep(name).planned_trials or any(trial.state in UNFINISHED for trial in trials)


def _check_any_succeeded(record: Record, name: str) -> None:
    trials = [trial for trial in record.trials(name) if trial.set_aside is None]
    if trials and all(trial.state == "failed" for trial in trials):
        msg = (
            f"every trial of sweep {name!r} failed; the error of the last one: {trials[-1].error}. See `xstilts show "
            f"{name} N` for the error of trial N"
        )
        raise RunError(msg)

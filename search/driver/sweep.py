"""One sweep, from its spec to its last trial. Starting and resuming are this one path."""

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

from search.driver.budgeting import BudgetWatch
from search.driver.changes import changes_of
from search.driver.checkpoint_arms import check_checkpoint_arms
from search.driver.ray_door import check_ray
from search.driver.settling import Placement, settle, settle_here
from search.driver.stopping import Stopping
from search.driver.trial_order import TrialOrder
from search.errors import InputError, RunError, SearchError, UnknownSweepError
from search.home import Home, check_home
from search.leftovers import left_sessions, noted_session
from search.progress import LiveView
from search.published import publishing, restore_copy
from search.query import places_set_apart, sweep_status
from search.ray_surroundings import given_address
from search.record import JsonObject, Ownership, Record, open_record
from search.scheduling.pausing import DiskPause, can_write, free_bytes
from search.scheduling.planning import StagePlans
from search.scheduling.proposing import Proposer, Start
from search.stages import Limits, collect
from spaces.binding import bind
from spaces.drawing import default_assignment
from spaces.own_tasks import own_tasks
from spaces.sweep_spec import SweepSpec, make_space, make_sweep_spec, recorded
from trainables.checks.trial import check_trial
from trainables.config import TrialConfig
from trainables.errors import TrainablesError
from trainables.stage_store import StageStore

if TYPE_CHECKING:
    from search.driver.tuning import RayCluster

log = logging.getLogger(__name__)

UNFINISHED = ("proposed", "running", "interrupted")
SECONDS_BETWEEN_VIEWS = 0.5


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
    """Trials that the sweep shall have."""
    take_over: bool = False
    """Whether to take the sweep from a driver that gives no sign of life."""


def run_sweep(request: SweepRequest) -> None:
    """Run a sweep until it has the trials asked for; finished ones are not run again.

    Raises:
        InputError: Something about the spec, the data, the store or the record is wrong; nothing was started.
        RunError: Every trial failed.
        KeyboardInterrupt: The user interrupted; everything finished is on record.
    """
    engine = check_families(request.spec).engine
    check_home(request.home)
    if _may_have_work(request):
        check_ray()
    if not joins_cluster():  # else the cluster's machines are asked, once Ray is there
        from search.driver.cluster_hosts import this_machine

        settle_here(request.spec, engine, hosts=this_machine())
    restore_copy(request.home, sweep=request.name)
    with open_record(request.home.record) as opened, _owned(opened, request) as ownership:
        record = ownership.record
        _revise(record, request)
        _put_sweep(record, request)
        record.interrupt_running(request.name)
        try:
            if is_unfinished(record, request.name):
                with publishing(request.home, request.name):
                    _tune(record, request, fence=ownership.fence)
        finally:
            record.interrupt_running(request.name)
        _check_any_succeeded(record, request.name)


def joins_cluster() -> bool:
    """Return whether a sweep runs on a cluster that was there before, which RAY_ADDRESS names."""
    return given_address(os.environ) is not None


def check_families(spec: SweepSpec) -> TrialConfig:
    """Check one trial of each family against data, encoder and store; returns the last of them.

    Raises:
        InputError: What is wrong and what to do.
    """
    space = make_space(spec)
    configs = [bind(space, default_assignment(space, family=family)) for family in spec.families]
    for config in configs:
        check_trial(config)
    check_checkpoint_arms(space, configs[-1])
    return configs[-1]


def _revise(record: Record, request: SweepRequest) -> None:
    """Take in what has changed of the sweep, and say so."""
    changes = changes_of(record, request.name, spec=request.spec)
    if changes.revision is None:
        return
    for line in changes.lines():
        sys.stderr.write(f"{line}\n")
    record.revise(request.name, revision=changes.revision)


def _tune(record: Record, request: SweepRequest, *, fence: int) -> None:
    from search.driver.record_keeper import record_keeper
    from search.driver.tuning import RayCluster, tune_trials

    engine = check_families(request.spec).engine
    for left in left_sessions(request.home):
        left.clear()
    with RayCluster() as cluster, _scratch(request, cluster) as scratch:
        place = settle(request.spec, engine, hosts=cluster.hosts(), is_local=cluster.session is not None)
        if place.warning:
            log.warning("%s", place.warning)
        store = request.home.open_store()
        pause = _pause(record, request, store=store)
        proposer = Proposer(
            record,
            name=request.name,
            spec=request.spec,
            concurrency=place.concurrency,
            plans=StagePlans(store, rungs=request.spec.rungs),
            pause=pause,
        )
        quarantine = cluster.quarantine(
            lambda: places_set_apart(record, sweep=request.name), devices=place.devices, num_ranks=engine.num_workers
        )
        if _follows_cluster(request, cluster):
            proposer.follow(cluster.room(place.devices, num_ranks=engine.num_workers, quarantine=quarantine))
        with (
            _losing(cluster),
            _view(request),
            record_keeper(request.home.record, is_cluster=cluster.session is None) as keeper,
            Stopping(request.home.stop_path(request.name)) as stopping,
        ):
            cluster.on_lost = stopping.stop_now
            budget = BudgetWatch(
                request.spec.budget,
                status=lambda: sweep_status(record, sweep=request.name),
                num_ranks=engine.num_workers,
                on_reached=stopping.file.touch,
            )
            tune_trials(
                proposer,
                order=lambda start: _order(start, request, place=place, fence=fence, keeper=keeper),
                resources=quarantine,
                scratch=scratch,
                is_stopping=lambda: stopping.is_asked or budget.is_reached(now=proposer.has_room),
            )
        _tell_end(request, stopping=stopping, budget=budget, pause=pause)


def _tell_end(request: SweepRequest, *, stopping: Stopping, budget: BudgetWatch, pause: DiskPause) -> None:
    """Say why nothing runs any more, where there is more to run.

    Raises:
        KeyboardInterrupt: The user asked it to stop.
        RunError: Its disk cannot be used.
    """
    if stopping.is_asked:
        raise KeyboardInterrupt
    if budget.reached is not None:
        sys.stderr.write(f"Stopped at {budget.reached}; raise it in the spec, and the same command goes on.\n")
    if pause.has_given_up:
        msg = (
            f"sweep {request.name!r} has stopped: its disk stayed full, or could not be used; what was finished is "
            f"kept. Free some space (`xstilts stages gc`), then go on with `xstilts resume {request.name}`"
        )
        raise RunError(msg)


def _follows_cluster(request: SweepRequest, cluster: RayCluster) -> bool:
    """Return whether concurrency grows and shrinks with the cluster; in fixed order proposals depend on it."""
    return cluster.session is None and request.spec.concurrency is None and request.spec.order == "completion"


@contextlib.contextmanager
def _scratch(request: SweepRequest, cluster: RayCluster) -> Generator[Path]:
    """Give a folder for Ray Tune's own state, away from the store's disk, and note the session while it lives."""
    with tempfile.TemporaryDirectory(prefix="xstilts-tune-", ignore_cleanup_errors=True) as folder:
        if cluster.session is None:
            yield Path(folder)
            return
        note = noted_session(request.home, folder=cluster.session, scratch=Path(folder))
        try:
            yield Path(folder)
        finally:
            note.unlink(missing_ok=True)


@contextlib.contextmanager
def _losing(cluster: RayCluster) -> Generator[None]:
    """Say that Ray is gone where it is: whatever was raised follows from it."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if not cluster.is_lost:
            raise
        msg = "Ray's process on this machine (raylet) has ended; what was finished is kept: run the same command again"
        raise RunError(msg) from error


def _pause(record: Record, request: SweepRequest, *, store: StageStore) -> DiskPause:
    folders = [request.home.scratch, store.root]
    if "://" not in request.home.record:
        folders.append(Path(request.home.record).parent)

    def make_room() -> int:
        try:
            return collect(record, store=store, limits=Limits()).freed_bytes
        except TrainablesError as error:
            log.warning("nothing could be removed: %s", error)
            return 0

    def note(reason: str) -> None:
        with contextlib.suppress(SearchError):  # the record may be on that disk
            record.note(request.name, kind="paused", payload={"reason": reason})

    return DiskPause(
        free=lambda: free_bytes(folders),
        make_room=make_room,
        works=lambda: can_write(folders),
        note=note,
    )


def _order(start: Start, request: SweepRequest, *, place: Placement, fence: int, keeper: str | None) -> TrialOrder:
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
    """Return the spec as the record has it, if it says the same: an older version wrote fewer fields."""
    written = recorded(request.spec)
    try:
        known = record.sweep(request.name).spec
    except UnknownSweepError:
        return written
    return known if make_sweep_spec(known) == request.spec else written


@contextlib.contextmanager
def _view(request: SweepRequest) -> Generator[None]:
    """Show how the sweep goes, from a thread with a record of its own, while Tune has the main thread."""
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
        open_record(request.home.record, read_only=True) as record,
        LiveView(request.name, record=record, folder=folder) as view,
    ):
        while not ended.wait(SECONDS_BETWEEN_VIEWS):
            view.update()


def _owned(record: Record, request: SweepRequest) -> Ownership:
    """Return this process's ownership of the sweep: two drivers would run each other's trials.

    Raises:
        SweepOwnedError: Another process drives it.
    """
    request.home.scratch.mkdir(parents=True, exist_ok=True)
    try:
        record.sweep(request.name)
    except UnknownSweepError:
        _put_sweep(record, request)
    return record.own(request.name, take_over=request.take_over)


def _may_have_work(request: SweepRequest) -> bool:
    """Return whether Ray may be needed: not where the sweep is on record and complete."""
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


def is_unfinished(record: Record, name: str) -> bool:
    """Return whether a sweep has trials to run or to propose."""
    trials = [trial for trial in record.trials(name) if trial.set_aside is None]
    return len(trials) < record.sweep(name).planned_trials or any(trial.state in UNFINISHED for trial in trials)


def _check_any_succeeded(record: Record, name: str) -> None:
    trials = [trial for trial in record.trials(name) if trial.set_aside is None]
    if trials and all(trial.state == "failed" for trial in trials):
        msg = f"every trial of sweep {name!r} failed, the last with: {trials[-1].error}; see `xstilts status {name}`"
        raise RunError(msg)

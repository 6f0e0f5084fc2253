"""What a trial and the driver do while the record's disk is full: no trial fails, and the driver gives up in time."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any  # Any: stands for parts of a trial

import pytest

from search.driver.searcher import RecordSearcher
from search.driver.trial_actor import SweepTrainable
from search.driver.trial_order import TrialOrder
from search.driver.trial_trainable import DISK, ORDER, TrialTrainable
from search.errors import RecordFullError
from search.record import Record
from search.scheduling.disk_pause import SECONDS_TO_WAIT
from search.scheduling.scheduler import Start
from tests.search_tests.scheduling.test_scheduler import Disk, Table, spec_of
from tests.search_tests.scheduling.test_scheduler import scheduler as make_scheduler
from tests.trainables_tests.trials.test_failures import order_in
from trainables.errors import DiskFullError

pytestmark = pytest.mark.slow
METHODS = ("started", "staged", "measured", "waits")


def full(*_: object, **__: object) -> None:
    raise RecordFullError("record.db")


def searcher(record: Record, disk: Disk, *, places: int = 1) -> RecordSearcher:
    pause = disk.pause()
    scheduler = make_scheduler(record, spec=spec_of(), concurrency=places, plans=Table(), pause=pause)

    def order(start: Start) -> TrialOrder:
        return order_in(Path("unused")).model_copy(update={"number": start.trial.number})

    return RecordSearcher(scheduler, order=order, is_stopping=lambda: False, max_trials=20)


def test_a_driver_that_cannot_record_an_end_gives_up_in_time(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(free=0)
    tune = searcher(record, disk, places=2)
    started = [tune.suggest(name) for name in ("a", "b")]
    monkeypatch.setattr(type(record), "trial", full)
    tune.on_trial_complete("a", error=True)
    tune.on_trial_complete("b", error=True)

    assert all(started)
    assert tune.suggest("c") is None
    assert disk.notes
    disk.now = SECONDS_TO_WAIT + 1
    assert tune.suggest("c") == RecordSearcher.FINISHED
    assert tune.is_finished
    with pytest.raises(RecordFullError):
        tune.report_remaining()


def test_an_end_that_could_not_be_recorded_is_recorded_after_the_pause(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(free=0)
    tune = searcher(record, disk)
    first = tune.suggest("a")
    with monkeypatch.context() as patch:
        patch.setattr(type(record), "trial", full)
        tune.on_trial_complete("a", {"disk": "full"})
        assert tune.suggest("b") is None
    disk.free, disk.now = 50 << 20, 30.0

    assert tune.suggest("b") is None  # the trial's own pause begins
    disk.free, disk.now = 100 << 20, 60.0
    assert tune.suggest("b") == first


@pytest.mark.parametrize("method", METHODS)
def test_a_trial_that_cannot_record_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    failures: list[str] = []

    class Recording(TrialTrainable):
        publisher = SimpleNamespace(**dict.fromkeys(METHODS, lambda *_, **__: None))

    Recording.publisher.failed = lambda _, failure: failures.append(failure.error)

    def run(*_: object, resources: Any, **__: object) -> None:
        if method == "waits":
            raise DiskFullError("the store", "full")
        resources.on_stage(None)

    setattr(Recording.publisher, method, full)
    monkeypatch.setattr("search.driver.trial_trainable.run_trial", run)
    ended = Recording({ORDER: order_in(tmp_path).model_dump_json()}).step()

    assert (ended["done"], ended[DISK], failures) == (True, "full", [])


def test_the_error_reaches_another_process_as_it_is() -> None:
    error = pickle.loads(pickle.dumps(RecordFullError("record.db")))  # noqa: S301  (as Ray sends it)

    assert (type(error), str(error)) == (RecordFullError, str(RecordFullError("record.db")))


def test_a_trial_whose_record_is_gone_waits_and_makes_no_new_one(tmp_path: Path) -> None:
    order = order_in(tmp_path).model_copy(update={"record": str(tmp_path / "gone.db")})
    ended = SweepTrainable({ORDER: order.model_dump_json()}).step()

    assert (ended["done"], ended[DISK]) == (True, "unusable")
    assert not (tmp_path / "gone.db").exists()

"""Sweeps of trials that train nothing: several runs of Ray Tune, and actors that are kept, on a real local Ray."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from search.driver import tune_run as tuning
from search.driver.trial_actor import SweepTrainable
from search.driver.trial_order import TrialOrder
from search.driver.trial_trainable import DISK, RUNG
from search.record import Record, open_record
from search.scheduling.disk_pause import Disk, DiskPause
from search.scheduling.lost_trials import Fault
from search.scheduling.scheduler import Finished, Start, TrialScheduler, Wait
from tests.end_to_end.drivers import SECONDS
from tests.search_tests.driver.test_spec_changes import spec_of
from tests.search_tests.scheduling.test_scheduler import Table
from trainables.config import EngineConfig
from trainables.ranks.devices import RankDevices
from trainables.results import TrialResult

pytestmark = pytest.mark.slow

NUM_TRIALS = 5


class IdleTrial(SweepTrainable):
    """A trial that trains nothing and records a result."""

    def step(self) -> dict[str, Any]:
        """Record a made-up result."""
        self.publisher.started(self._order)
        scores = {"de": 0.5, "en": 0.5, "sw": 0.5}
        self.publisher.measured(
            self._order, TrialResult(languages=scores, num_items=1, task_scores={}, stages=()), rung=self._rung
        )
        return {"done": True, RUNG: self._rung, DISK: None}


class MeetingTrial(IdleTrial):
    """A trial that ends only once the other one of its pair runs too."""

    def step(self) -> dict[str, Any]:
        """Wait for the other one, and record a made-up result."""
        place, number = self._order.log.parent, self._order.number
        (place / f"runs-{number}").touch()
        deadline = time.monotonic() + SECONDS
        while not (place / f"runs-{number ^ 1}").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return super().step()


class InPairs(TrialScheduler):
    """Starts two trials when the two before them have ended, as where both of them made what the next ones need."""

    num_started = num_ended = 0

    def next(self) -> Start | Wait | Finished:
        """Return the next trial of a pair."""
        if self.num_started % 2 == 0 and self.num_ended < self.num_started:
            return Wait()
        step = super().next()
        self.num_started += isinstance(step, Start)
        return step

    def ended(
        self, number: int, *, disk: Disk | None = None, fault: Fault | None = None, is_lost: bool = False
    ) -> None:
        """Count the trial."""
        super().ended(number, disk=disk, fault=fault, is_lost=is_lost)
        self.num_ended += 1


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuning.RayCluster]:
    """A local Ray, started by a process that has a key of AWS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "Accordion-in-the-cellar")
        patch.delenv("RAY_ADDRESS", raising=False)
        with tuning.RayCluster() as cluster:
            yield cluster


def tune(
    folder: Path,
    record: Record,
    *,
    concurrency: int = 1,
    num_trials: int = NUM_TRIALS,
    kind: type[TrialScheduler] = TrialScheduler,
    trainable: type[IdleTrial] = IdleTrial,
) -> None:
    """Run a sweep of trials that train nothing."""
    engine = EngineConfig(threads_per_rank=1, device="cpu")
    devices = RankDevices(kind="cpu", computes_on="cpu", threads=1)
    spec = spec_of(trials=num_trials)
    record.put_sweep("demo", spec=spec.model_dump(mode="json"), objective="average", planned_trials=num_trials)

    def order(start: Start) -> TrialOrder:
        return TrialOrder(
            sweep="demo",
            number=start.trial.number,
            config=start.trial.trial_config.model_copy(update={"engine": engine}),
            devices=devices,
            record=str(folder / "record.db"),
            store=str(folder / "store"),
            downloads=folder / "downloads",
            progress=folder / f"progress-{start.trial.number}.json",
            log=folder / "log",
        )

    pause = DiskPause(free=lambda: 1 << 40, make_room=lambda: 0, works=lambda: True, note=lambda _: None)
    scheduler = kind(record, name="demo", spec=spec, concurrency=concurrency, plans=Table(), pause=pause)
    resources = tuning.trial_resources(devices, num_ranks=1)
    tuning.tune_trials(scheduler, order=order, resources=resources, scratch=folder / "tune", trainable=trainable)


def test_tune_is_started_anew_after_some_trials_and_ray_logs_no_key(
    cluster: tuning.RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "TRIALS_A_RUN", 2)
    with open_record(tmp_path / "record.db") as record:
        tune(tmp_path, record)
        states = [trial.state for trial in record.trials("demo")]
    assert cluster.session is not None
    logs = [path.read_text(errors="replace") for path in (cluster.session / "logs").glob("*") if path.is_file()]

    assert states == ["finished"] * NUM_TRIALS
    assert len(list((tmp_path / "tune").iterdir())) == 3
    assert any("Creating runtime env" in log for log in logs)
    assert not any("Accordion" in log for log in logs)


def test_actors_are_kept_while_no_trial_is_ready(cluster: tuning.RayCluster, tmp_path: Path) -> None:  # noqa: ARG001
    with open_record(tmp_path / "record.db") as record:
        tune(tmp_path, record, concurrency=2, num_trials=6, kind=InPairs, trainable=MeetingTrial)
        processes = {event.payload["process"] for event in record.events("demo") if event.kind == "running"}

    assert len(processes) == 2

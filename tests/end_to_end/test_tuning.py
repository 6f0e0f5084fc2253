"""A sweep that takes several runs of Ray Tune, on a real local Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from search.driver import tuning
from search.driver.trial_actor import SweepTrainable
from search.driver.trial_order import TrialOrder
from search.driver.trial_trainable import DISK, RUNG
from search.record import open_record
from search.scheduling.pausing import DiskPause
from search.scheduling.proposing import Proposer, Start
from tests.search_tests.test_changes import spec_of
from tests.search_tests.test_driver import Table
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


def test_tune_is_started_anew_after_some_trials_and_ray_logs_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "TRIALS_A_RUN", 2)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "Accordion-in-the-cellar")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    engine = EngineConfig(threads_per_rank=1, device="cpu")
    devices = RankDevices(kind="cpu", computes_on="cpu", threads=1)
    resources = tuning.trial_resources(devices, num_ranks=1)
    spec = spec_of(trials=NUM_TRIALS)
    with open_record(tmp_path / "record.db") as record:
        record.put_sweep("demo", spec=spec.model_dump(mode="json"), objective="average", planned_trials=NUM_TRIALS)

        def order(start: Start) -> TrialOrder:
            return TrialOrder(
                sweep="demo",
                number=start.trial.number,
                config=start.trial.trial_config.model_copy(update={"engine": engine}),
                devices=devices,
                record=str(tmp_path / "record.db"),
                store=str(tmp_path / "store"),
                downloads=tmp_path / "downloads",
                progress=tmp_path / "progress.json",
                log=tmp_path / "log",
            )

        pause = DiskPause(free=lambda: 1 << 40, make_room=lambda: 0, works=lambda: True, note=lambda _: None)
        proposer = Proposer(record, name="demo", spec=spec, concurrency=1, plans=Table(), pause=pause)
        with tuning.RayCluster() as cluster:
            tuning.tune_trials(
                proposer, order=order, resources=resources, scratch=tmp_path / "tune", trainable=IdleTrial
            )
            assert cluster.session is not None
            logs = [path.read_text(errors="replace") for path in (cluster.session / "logs").glob("*") if path.is_file()]
        states = [trial.state for trial in record.trials("demo")]

    assert states == ["finished"] * NUM_TRIALS
    assert len(list((tmp_path / "tune").iterdir())) == 3
    assert any("Creating runtime env" in log for log in logs)
    assert not any("Accordion" in log for log in logs)

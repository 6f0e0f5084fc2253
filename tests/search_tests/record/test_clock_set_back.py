"""A clock that is set back three days while a sweep is stopped: nothing of ours waits for it to come round again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from search.record import open_record
from tests.search_tests.building import proposal, result
from tests.trainables_tests.stage_maker import make
from trainables.stage_store import StageStore

KEY, OTHER_KEY = "ab" + "0" * 62, "cd" + "1" * 62


@pytest.mark.slow
def test_a_sweep_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = StageStore(tmp_path / "store")
    make(store, KEY)
    with open_record(tmp_path / "record.db") as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=2)
        record.propose("demo", proposal=proposal())
        record.start("demo", number=0)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 3 * 86400)
    monkeypatch.setattr(time, "time_ns", lambda: int((now - 3 * 86400) * 1e9))
    began = time.monotonic()
    with open_record(tmp_path / "record.db") as record:
        record.interrupt_running("demo")
        record.start("demo", number=0)
        record.finish("demo", number=0, result=result(0.5))
        record.propose("demo", proposal=proposal())
        ids = [event.id for event in record.events("demo")]
        assert ids == sorted(ids)
        assert [trial.state for trial in record.trials("demo")] == ["finished", "proposed"]
    other = StageStore(store.root)
    with other.using():
        assert other.find(KEY) is not None
        make(other, OTHER_KEY)
    assert other.space.remove(KEY) > 0
    assert time.monotonic() - began < 30

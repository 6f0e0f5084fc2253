"""A model is exported whole, or not at all, while other processes clean the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from search.model_export import StageMissingError, export_trial
from search.record import Record, open_record
from tests.search_tests.building import proposal, result
from tests.trainables_tests.stage_maker import FACTS
from trainables.models import hugging_face_folder, task_model
from trainables.models.weights import write_weights
from trainables.ranks.jobs import HEADS
from trainables.stage_store import StageStore

KEY = "a" * 64


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    store = StageStore(tmp_path / "store")
    with store.lease(KEY), store.work_folder(KEY) as folder:
        write_weights({"weight": torch.zeros(2)}, folder / HEADS)
        store.commit(KEY, folder=folder, facts=FACTS)
    return store


def export(record: Record, store: StageStore, folder: Path) -> None:
    record.put_sweep("demo", spec={}, objective="average", planned_trials=1)
    number = record.propose("demo", proposal=proposal("none")).number
    record.start("demo", number=number)
    record.finish("demo", number=number, result=result(key="a"))
    export_trial(record, sweep="demo", number=number, folder=folder, store=store.url)


def test_nobody_removes_a_stage_that_is_exported(
    store: StageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    freed: list[int] = []
    monkeypatch.setattr(task_model, "head_state", lambda *_, **__: {})
    monkeypatch.setattr(hugging_face_folder, "export_classifier", lambda *_, **__: freed.append(remove(store)))

    with open_record(str(tmp_path / "record.db")) as record:
        export(record, store, tmp_path / "model")

    assert freed == [0]
    assert remove(store) > 0


def remove(store: StageStore) -> int:
    """Remove the stage as another process does."""
    return StageStore(store.url).space.remove(KEY)


def test_a_stage_that_is_gone_meanwhile_is_an_error_with_the_next_step(
    store: StageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise FileNotFoundError(HEADS)

    monkeypatch.setattr(task_model, "head_state", fail)

    with (
        open_record(str(tmp_path / "record.db")) as record,
        pytest.raises(StageMissingError, match="does not have stage aaaaaaaaaaaa of trial 0; give the sweep's store"),
    ):
        export(record, store, tmp_path / "model")

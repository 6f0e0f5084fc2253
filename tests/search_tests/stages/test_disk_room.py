"""A full disk is freed of the vectors above frozen layers that no rank reads: the next phase makes them again."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.record import Record
from search.stages.disk_room import free_disk
from trainables.data.cache_room import using
from trainables.data.made_once import take_lock
from trainables.stage_store import StageStore


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return StageStore(tmp_path / "store")


def vectors(store: StageStore, name: str, *, size: int = 1000) -> Path:
    folder = store.root / "cache" / "prefix" / name
    folder.mkdir(parents=True)
    (folder / "vectors.npy").write_bytes(bytes(size))
    return folder


def test_vectors_that_nobody_reads_go_and_the_others_stay(store: StageStore, record: Record) -> None:
    unused, used = vectors(store, "a" * 64), vectors(store, "b" * 64)

    with using(used):
        freed = free_disk(record, store=store)

    assert freed == 1000
    assert (unused.exists(), used.exists()) == (False, True)
    assert free_disk(record, store=store) == 1000


def test_half_written_vectors_go_unless_a_process_writes_them(store: StageStore, record: Record) -> None:
    left, written = vectors(store, f".{'a' * 64}.1.x.part"), vectors(store, f".{'b' * 64}.1.x.part")

    with (written.parent / f"{'b' * 64}.lock").open("w") as lock:
        assert take_lock(lock.fileno())
        assert free_disk(record, store=store) == 1000

    assert (left.exists(), written.exists()) == (False, True)


def test_encoded_splits_stay(store: StageStore, record: Record) -> None:
    encoded = store.root / "cache" / "encoded" / ("a" * 64)
    encoded.mkdir(parents=True)

    assert free_disk(record, store=store) == 0
    assert encoded.exists()

"""The stage store: a stage is whole or it is not there, whatever happened to its maker or its files."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trainables_tests.stage_maker import FACTS, make
from trainables.errors import StoreUnusableError
from trainables.stage_store import StageStore
from trainables.stage_store.manifest import MANIFEST
from trainables.stage_store.space import stage_folder

KEY = "ab" + "0" * 62
OTHER_KEY = "cd" + "1" * 62


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return StageStore(tmp_path / "store")


def maker(store: StageStore, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.trainables_tests.stage_maker", str(store.root), KEY, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_committed_stage_is_found_with_its_facts_and_files(store: StageStore) -> None:
    made = make(store, KEY)

    found = store.find(KEY)

    assert found == made
    assert found is not None
    assert found.facts == FACTS
    assert (found.folder / "model.safetensors").read_text() == "weights"
    assert (found.folder / "inner/losses.json").read_text() == "[1.0]"


def test_a_stage_that_was_never_made_is_not_found(store: StageStore) -> None:
    make(store, OTHER_KEY)

    assert store.find(KEY) is None


def test_another_process_that_opens_the_folder_finds_the_stage(store: StageStore) -> None:
    make(store, KEY)

    assert StageStore(store.root).find(KEY) == store.find(KEY) is not None


def test_keys_names_every_stage(store: StageStore) -> None:
    make(store, OTHER_KEY)
    make(store, KEY)

    assert list(store.keys()) == [KEY, OTHER_KEY]


def test_nothing_is_left_in_the_work_folder(store: StageStore) -> None:
    make(store, KEY)

    assert names(store.root / "work") == []


def test_work_that_fails_leaves_neither_stage_nor_scratch(store: StageStore) -> None:
    def fail_half_way() -> None:
        with store.work_folder(KEY) as folder:
            (folder / "model.safetensors").write_text("half")
            raise MemoryError

    with pytest.raises(MemoryError):
        fail_half_way()

    assert store.find(KEY) is None
    assert names(store.root / "work") == []


def truncate(folder: Path) -> None:
    (folder / "model.safetensors").write_text("weig")


def flip_a_byte(folder: Path) -> None:
    (folder / "model.safetensors").write_text("weighTs")


def remove_a_file(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def change_a_nested_file(folder: Path) -> None:
    (folder / "inner/losses.json").write_text("[2.0]")


def tear_the_manifest(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text[: len(text) // 2])


def empty_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("")


def take_the_manifest_of_another_stage(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace(KEY, OTHER_KEY))


DAMAGES = {
    truncate: "model.safetensors has changed",
    flip_a_byte: "model.safetensors has changed",
    remove_a_file: "model.safetensors is missing",
    change_a_nested_file: "inner/losses.json has changed",
    tear_the_manifest: "its manifest cannot be read",
    empty_the_manifest: "its manifest cannot be read",
    take_the_manifest_of_another_stage: "its manifest is of stage cd1111111111",
}


@pytest.mark.parametrize(("damage", "problem"), DAMAGES.items(), ids=[damage.__name__ for damage in DAMAGES])
def test_a_damaged_stage_is_set_aside_with_a_warning(
    damage: Callable[[Path], None], problem: str, store: StageStore, caplog: pytest.LogCaptureFixture
) -> None:
    damage(make(store, KEY).folder)

    with caplog.at_level(logging.WARNING):
        found = store.find(KEY)

    assert found is None
    assert problem in caplog.text
    assert len(names(store.root / "damaged")) == 1
    assert list(store.keys()) == []


def test_a_damaged_stage_can_be_made_again(store: StageStore) -> None:
    flip_a_byte(make(store, KEY).folder)
    store.find(KEY)

    make(store, KEY)

    found = store.find(KEY)
    assert found is not None
    assert (found.folder / "model.safetensors").read_text() == "weights"
    assert len(names(store.root / "damaged")) == 1


def test_a_folder_without_a_manifest_is_no_stage(store: StageStore) -> None:
    (make(store, KEY).folder / "manifest.json").unlink()

    assert store.find(KEY) is None
    assert list(store.keys()) == []


def test_a_stage_whose_manifest_was_lost_can_be_made_again(store: StageStore) -> None:
    (make(store, KEY).folder / "manifest.json").unlink()
    store.find(KEY)

    make(store, KEY)

    assert store.find(KEY) is not None


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_of_any_file_is_noticed(data: st.DataObject, store: StageStore) -> None:
    folder = make(store, KEY).folder
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")
    path = data.draw(st.sampled_from(files))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)

    assert store.find(KEY) is None


def test_the_manifest_lists_every_file_with_its_size(store: StageStore) -> None:
    manifest = json.loads((make(store, KEY).folder / "manifest.json").read_text())

    assert {name: entry["num_bytes"] for name, entry in manifest["files"].items()} == {
        "inner/losses.json": 5,
        "model.safetensors": 7,
    }


def test_a_maker_killed_with_the_lease_leaves_it_free_and_no_stage(store: StageStore, tmp_path: Path) -> None:
    killed = maker(store, str(tmp_path / "made"), "hold")
    assert killed.stdout is not None
    assert killed.stdout.readline() == "held\n"
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert store.find(KEY) is None

    make(store, KEY)  # would wait for ever if the lease were still held

    assert store.find(KEY) is not None


@pytest.mark.slow
def test_a_lease_keeps_others_waiting_until_it_is_given_back(store: StageStore, tmp_path: Path) -> None:
    with store.lease(KEY):
        waiting = maker(store, str(tmp_path / "made"))
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(3)
        assert store.find(KEY) is None

    assert waiting.wait() == 0
    assert store.find(KEY) is not None


def test_leases_of_different_stages_do_not_wait_for_each_other(store: StageStore, tmp_path: Path) -> None:
    with store.lease(OTHER_KEY):
        assert maker(store, str(tmp_path / "made")).wait() == 0

    assert store.find(KEY) is not None


def test_processes_that_want_one_stage_make_it_once(store: StageStore, tmp_path: Path) -> None:
    made = tmp_path / "made"
    makers = [maker(store, str(made)) for _ in range(4)]

    assert [one.wait() for one in makers] == [0, 0, 0, 0]
    assert made.read_text() == "made\n"
    assert list(store.keys()) == [KEY]
    assert names(store.root / "damaged") == []


def test_a_file_in_the_stores_place_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("not a folder")

    with pytest.raises(StoreUnusableError, match=r"store'? cannot be written.*choose another by --store"):
        StageStore(tmp_path / "store")


def test_a_file_in_the_place_of_one_of_its_folders_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("not a folder")

    with pytest.raises(StoreUnusableError, match="choose another by --store"):
        StageStore(tmp_path)


def test_a_relative_store_stays_in_its_place_when_the_working_directory_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = StageStore(Path("store"))
    make(store, KEY)

    monkeypatch.chdir("/")

    assert store.find(KEY) is not None


def test_a_checkpoint_is_not_continued_once_what_it_was_made_from_holds_other_files(
    store: StageStore, tmp_path: Path
) -> None:
    made = make(store, KEY)
    with store.lease(OTHER_KEY):
        (tmp_path / "state").mkdir()
        (tmp_path / "state" / "weights").write_text("some")
        store.put_checkpoint(OTHER_KEY, step=3, folder=tmp_path / "state", made_from=[KEY])
    truncate(made.folder)
    before = StageStore(store.root).newest_checkpoint(OTHER_KEY)
    assert StageStore(store.root).find(KEY) is None

    make(StageStore(store.root), KEY)
    same = StageStore(store.root).newest_checkpoint(OTHER_KEY)
    store.space.remove(KEY)
    make(StageStore(store.root), KEY, text="other weights")
    other = StageStore(store.root).newest_checkpoint(OTHER_KEY)

    assert before is not None
    assert same == before
    assert other is None


def test_scratch_of_a_killed_process_is_removed_when_its_stage_is_made_again(tmp_path: Path) -> None:
    store = StageStore(tmp_path)
    left = tmp_path / "work" / "abc-12345678"
    left.mkdir()

    with store.lease("abc"), store.work_folder("abc"):
        assert not left.exists()


def test_a_stage_of_the_first_manifest_version_is_still_read(store: StageStore) -> None:
    path = make(store, KEY).folder / "manifest.json"
    manifest = json.loads(path.read_text())
    first = {name: manifest[name] for name in ("key", "facts", "files")}
    path.write_text(json.dumps({"version": 1, **first}))

    assert StageStore(store.root).find(KEY) is not None


@pytest.mark.parametrize("method", ["is_file", "stat"])
def test_a_file_whose_inode_the_disk_has_lost_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    store = StageStore(tmp_path / "store")
    make(store, KEY)
    real = getattr(Path, method)

    def broken(self: Path, **rest: object) -> object:
        if self.name == "model.safetensors":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(self))
        return real(self, **rest)

    with monkeypatch.context() as patch:
        patch.setattr(Path, method, broken)
        assert StageStore(store.root).space.verify(KEY) == "model.safetensors cannot be read (Input/output error)"


def test_only_what_combines_stages_has_a_manifest_that_earlier_versions_cannot_read(store: StageStore) -> None:
    for key, parts in ((KEY, ()), (OTHER_KEY, (KEY,))):
        with store.lease(key), store.work_folder(key) as folder:
            (folder / "model.safetensors").write_text("weights")
            store.commit(key, folder=folder, facts=FACTS.model_copy(update={"parts": parts}))

    plain, combined = (json.loads((store.root / stage_folder(key) / MANIFEST).read_text()) for key in (KEY, OTHER_KEY))

    assert (plain["version"], "parts" in plain["facts"]) == (3, False)
    assert (combined["version"], combined["facts"]["parts"]) == (4, [KEY])
    assert set(combined["lineage"]) == {KEY}

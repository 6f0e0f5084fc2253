"""A store that several records use: nothing is freed that the given record cannot know to be free."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from search.cli.main import exit_code
from search.errors import StoreSharedError
from search.record import open_record
from search.stages import Limits, collect, leave_note, sweep_note
from search.stages.disk_room import free_disk
from tests.trainables_tests.stage_maker import FACTS
from trainables.stage_store import StageStore

KEYS = tuple(letter * 64 for letter in "abc")


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    """A store with three stages that no trial of any record here uses, and a checkpoint of a fourth."""
    store = StageStore(tmp_path / "store")
    for key in KEYS:
        with store.lease(key), store.work_folder(key) as folder:
            (folder / "model.safetensors").write_bytes(b"weights")
            store.commit(key, folder=folder, facts=FACTS)
    checkpoint = store.root / "checkpoints" / ("d" * 64) / "0000000003-00000001"
    checkpoint.mkdir(parents=True)
    (checkpoint / "state.pt").write_bytes(b"state")
    return store


def record_of(folder: Path, *sweeps: str) -> Path:
    folder.mkdir(exist_ok=True)
    with open_record(folder / "record.db") as record:
        for name in sweeps:
            record.put_sweep(name, spec={}, objective="average", planned_trials=1)
    return folder / "record.db"


def note(place: Path, store: StageStore, *, sweep: str) -> None:
    """Do what a driver does when it opens the store."""
    with open_record(place) as record:
        leave_note(record, sweep=sweep, store=store)


def gc(place: Path, store: StageStore, *words: str) -> int:
    return exit_code(["stages", "gc", "--record", str(place), "--store", str(store.root), *words])


def everything(store: StageStore) -> list[tuple[str, bytes]]:
    """Return all that a store holds but its notes."""
    files = (path for path in sorted(store.root.rglob("*")) if path.is_file() and path.parent.name != "sweeps")
    return [(path.relative_to(store.root).as_posix(), path.read_bytes()) for path in files]


@pytest.fixture
def mine(tmp_path: Path, store: StageStore) -> Path:
    """The record whose sweep has used the store."""
    place = record_of(tmp_path / "mine", "demo")
    with open_record(place) as record:
        store.sweep_notes.add(sweep_note(record, sweep="demo"))
    return place


LIMITS: tuple[tuple[str, ...], ...] = ((), ("--keep-best", "0"), ("--max-bytes", "0"), ("--dry-run",))


@pytest.mark.parametrize("words", LIMITS)
@pytest.mark.parametrize("sweeps", [("other",), ("demo",), ("demo", "more")])
def test_another_record_frees_nothing_without_force(
    mine: Path,
    store: StageStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    sweeps: tuple[str, ...],
) -> None:
    """Also where its sweep has the same name."""
    other, before = record_of(tmp_path / "other", *sweeps), everything(store)
    assert gc(other, store, *words) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "'demo'" in said
    assert str(mine) in said
    assert "--force" in said
    assert everything(store) == before
    assert gc(other, store, *words, "--force") == 0


def test_force_forgets_the_other_sweeps(mine: Path, store: StageStore, tmp_path: Path) -> None:
    other = record_of(tmp_path / "other", "other")
    note(other, store, sweep="other")
    assert gc(other, store) == 2
    assert gc(other, store, "--dry-run", "--force") == 0
    assert len(store.sweep_notes.all()) == 2
    assert gc(other, store, "--force") == 0
    assert [left.sweep for left in store.sweep_notes.all()] == ["other"]
    assert gc(other, store) == 0
    assert gc(mine, store) == 2


def test_the_record_itself_frees_what_its_trials_do_not_need(mine: Path, store: StageStore) -> None:
    assert gc(mine, store) == 0
    assert list(store.keys()) == []


@pytest.mark.parametrize("way", ["copied", "moved", "linked"])
def test_a_copy_of_a_record_is_not_taken_for_it(
    mine: Path, store: StageStore, tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    """A copy can be old, and lack the trials that were proposed since; a moved record is the only one."""
    other = tmp_path / "elsewhere/record.db"
    other.parent.mkdir()
    if way == "linked":
        other.symlink_to(mine)
    else:
        shutil.copytree(mine.parent, other.parent, dirs_exist_ok=True)
    if way == "moved":
        shutil.rmtree(mine.parent)
    assert gc(other, store) == (2 if way == "copied" else 0)
    assert (str(mine) in " ".join(capsys.readouterr().err.split())) == (way == "copied")


UNREADABLE = (
    b"",
    b"{}",
    b"no json",
    b"\xff\xfe",
    b'{"sweep": ""}',
    b"[" * 100_000,
    json.dumps({"sweep": "x"}).encode(),
)


@pytest.mark.parametrize("content", UNREADABLE, ids=range(len(UNREADABLE)))
def test_an_unreadable_note_is_a_sweep_that_is_not_known(
    mine: Path, store: StageStore, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (store.root / f"sweeps/{'0123' * 8}").write_bytes(content)
    before = everything(store)
    assert gc(mine, store) == 2
    assert "unreadable note" in capsys.readouterr().err
    assert everything(store) == before
    assert gc(mine, store, "--force") == 0
    assert [left.sweep for left in store.sweep_notes.all()] == ["demo"]
    assert gc(mine, store) == 0


@pytest.mark.parametrize("name", ["f" * 32, "0" * 32])
def test_a_note_under_another_name_is_read_and_forgotten(
    mine: Path, store: StageStore, tmp_path: Path, name: str
) -> None:
    other = record_of(tmp_path / "other", "other")
    (file,) = (store.root / "sweeps").iterdir()
    file.rename(file.with_name(name))
    assert gc(other, store) == 2
    assert gc(mine, store) == 0
    assert gc(other, store, "--force") == 0
    assert store.sweep_notes.all() == []


def test_a_store_without_notes_is_not_freed_by_a_record_that_knows_none_of_its_stages(
    store: StageStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, before = record_of(tmp_path / "other", "other"), everything(store)
    assert gc(other, store) == 2
    assert "none of the store's stages" in " ".join(capsys.readouterr().err.split())
    assert everything(store) == before


def test_the_first_note_in_a_store_of_an_earlier_version_says_that_others_have_used_it(
    store: StageStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, before = record_of(tmp_path / "new", "new"), everything(store)
    note(place, store, sweep="new")
    note(place, store, sweep="new")
    assert len(store.sweep_notes.all()) == 2
    assert gc(place, store) == 2
    assert "sweeps of an earlier version" in " ".join(capsys.readouterr().err.split())
    assert everything(store) == before


def test_an_empty_store_has_only_the_note_of_its_sweep(tmp_path: Path) -> None:
    store, place = StageStore(tmp_path / "store"), record_of(tmp_path / "new", "new")
    note(place, store, sweep="new")
    assert [left.sweep for left in store.sweep_notes.all()] == ["new"]


def test_a_driver_on_a_full_disk_frees_no_stage_or_checkpoint_that_another_record_may_need(
    mine: Path, store: StageStore, tmp_path: Path
) -> None:
    place = record_of(tmp_path / "other", "other")
    (store.root / "damaged" / f"{KEYS[0]}-1").mkdir(parents=True)
    (store.root / "damaged" / f"{KEYS[0]}-1/model.safetensors").write_bytes(b"rot")
    note(place, store, sweep="other")
    assert opened_freed(place, store) == len(b"rot")
    assert sorted(store.keys()) == sorted(KEYS)
    assert list(store.root.glob("checkpoints/*/*/state.pt"))

    with open_record(mine) as record, pytest.raises(StoreSharedError):
        collect(record, store=store, limits=Limits())


def test_a_driver_on_a_full_disk_frees_what_is_left_in_a_store_of_its_own(mine: Path, store: StageStore) -> None:
    assert opened_freed(mine, store) > 0
    assert list(store.keys()) == []
    assert not list(store.root.glob("checkpoints/*/*/state.pt"))


def opened_freed(place: Path, store: StageStore) -> int:
    with open_record(place) as record:
        return free_disk(record, store=store)

"""Cached data that decide results: whatever is done to their files, they are noticed, quarantined and made again."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.cli.main import exit_code
from tests.own_task import write_fields
from tests.trainables_tests.training.test_vision_features import frozen_tower, opened, write_tower
from trainables.data import encoded_split, encoded_writer, made_once, sealed_cache
from trainables.data.encoded_split import EncodedTask
from trainables.data.labels.classes import Reading
from trainables.data.sealed_cache import SEAL, check_cache, is_whole, make_unless_whole, write_checksums
from trainables.evaluation.kept_outputs import KeptOutputs
from trainables.own_tasks.task_file import load_task_file
from trainables.stage_store import StageStore
from trainables.training.vision_features import making_features, with_vision_features

pytestmark = pytest.mark.usefixtures("tiny_world")

Damage = Callable[[Path], None]


def flip(path: Path, *, at: float) -> None:
    """Change one byte and keep the file's size and times."""
    facts, content = path.stat(), bytearray(path.read_bytes())
    content[int(at * (len(content) - 1))] ^= 0x41
    path.write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def flip_first(path: Path) -> None:
    flip(path, at=0.0)


def flip_middle(path: Path) -> None:
    flip(path, at=0.5)


def flip_last(path: Path) -> None:
    flip(path, at=1.0)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def lose(path: Path) -> None:
    path.unlink()


def become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: tuple[Damage, ...] = (
    *(flip_first, flip_middle, flip_last),
    *(truncate, empty, append, lose, become_a_folder),
)
FILES = ("examples.arrow", "facts.json", "images.arrow", "images.npy", SEAL)


def cached(store: Path, kind: str) -> Path:
    """Return the only cached folder of a kind."""
    (folder,) = (path for path in (store / "cache" / kind).iterdir() if path.is_dir())
    return folder


def contents(split: EncodedTask) -> list[Any]:
    """Return everything that a trial reads of an encoded split with images."""
    generator = np.random.default_rng(0)
    batch = split.batch(range(len(split)), generator=generator)
    return [split.image_hashes.tolist(), {name: values.tolist() for name, values in batch.items()}]


def store_of(tmp_path: Path) -> Path:
    return Path(StageStore(tmp_path / "store").root)


def verified(store: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """Return the exit code of `stages verify`, and the caches that it names."""
    capsys.readouterr()
    code = exit_code(["stages", "verify", "--store", str(store), "--json"])
    return code, [folder["name"] for folder in json.loads(capsys.readouterr().out)["damaged_cached"]]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_encoded_split_is_named_and_made_again(
    damage: Damage,
    name: str,
    tiny_encoder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = store_of(tmp_path)
    before = contents(opened(tiny_encoder, store / "cache"))
    folder = cached(store, "encoded")
    assert verified(store, capsys) == (0, [])

    damage(folder / name)

    lost_seal = damage is lose and name == SEAL  # then it is like one of an older version
    assert verified(store, capsys) == ((0, []) if lost_seal else (1, [f"encoded/{folder.name}"]))
    assert contents(opened(tiny_encoder, store / "cache")) == before
    assert ("is damaged" in caplog.text) == (not lost_seal)
    (quarantined,) = [[*folder.iterdir()] for folder in (store / "cache").glob("damaged")]
    assert len(quarantined) == (0 if lost_seal else 1)
    assert [*StageStore(store).space.leftovers()] == [f"cache/damaged/{path.name}" for path in quarantined]
    assert verified(store, capsys) == (0, [])


def test_a_folder_of_another_key_is_noticed(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = store_of(tmp_path)
    before = contents(opened(tiny_encoder, store / "cache"))
    folder = cached(store, "encoded")
    opened(tiny_encoder, store / "cache", num_examples=7)
    (other,) = (path for path in folder.parent.iterdir() if path != folder)
    shutil.rmtree(folder)
    shutil.copytree(other, folder)

    assert verified(store, capsys) == (1, [f"encoded/{folder.name}"])
    assert contents(opened(tiny_encoder, store / "cache")) == before
    assert verified(store, capsys) == (0, [])


@pytest.mark.parametrize("stands", ["without checksums", "a file in the folder's place", "an empty folder"])
def test_what_an_older_version_left_is_made_again(tiny_encoder: Path, tmp_path: Path, stands: str) -> None:
    store = store_of(tmp_path)
    before = contents(opened(tiny_encoder, store / "cache"))
    folder = cached(store, "encoded")
    if stands == "without checksums":
        (folder / SEAL).unlink()
        flip(folder / "images.npy", at=0.9)
        assert [(found.problem, found.is_sealed) for found in check_cache(store / "cache")] == [(None, False)]
    else:
        shutil.rmtree(folder)
        folder.mkdir() if stands == "an empty folder" else folder.write_bytes(b"no folder")

    assert contents(opened(tiny_encoder, store / "cache")) == before
    assert [(found.problem, found.is_sealed) for found in check_cache(store / "cache")] == [(None, True)]
    assert [*(store / "cache/damaged").iterdir()] == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_image_features_are_made_again(
    damage: Damage, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = store_of(tmp_path)
    split = opened(tiny_encoder, store / "cache")
    frozen = frozen_tower(write_tower(tmp_path / "tower"), cache=store / "cache")

    def features() -> list[Any]:
        for _ in making_features(split, frozen=frozen):
            pass
        task = with_vision_features(split, frozen=frozen)
        return [np.asarray(task.example(number)["image"]).tolist() for number in range(len(task))]

    before = features()
    folder = cached(store, "vision")

    damage(folder / "features.npy")

    assert verified(store, capsys) == (1, [f"vision/{folder.name}"])
    assert features() == before
    assert verified(store, capsys) == (0, [])


STRAYS = [".DS_Store", ".nfs0000000000c0ffee00000001", "._examples.arrow", "Thumbs.db", "desktop.ini", "more.arrow"]


@pytest.mark.parametrize("name", STRAYS)
def test_a_file_of_another_program_is_no_damage(tiny_encoder: Path, tmp_path: Path, name: str) -> None:
    store = store_of(tmp_path)
    opened(tiny_encoder, store / "cache")
    (cached(store, "encoded") / name).write_bytes(b"stray")
    assert is_whole(cached(store, "encoded"))


@pytest.mark.parametrize("name", ["EIO", "EUCLEAN", "EBADMSG"])
def test_a_disk_that_cannot_read_a_file_any_more_is_damage(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    store = store_of(tmp_path)
    opened(tiny_encoder, store / "cache")
    folder = cached(store, "encoded")

    def broken(path: Path, **_: Any) -> None:
        raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(sealed_cache, "file_entry", broken)
        assert not is_whole(folder)
    assert not folder.exists()


def test_missing_rights_are_no_damage(tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of(tmp_path)
    opened(tiny_encoder, store / "cache")

    def closed(path: Path, **_: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(sealed_cache, "file_entry", closed)
    with pytest.raises(PermissionError):
        is_whole(cached(store, "encoded"))
    assert cached(store, "encoded").is_dir()


@pytest.mark.parametrize("content", ["", "[]", "null", '{"key": 1}', "[" * 200_000, "\udcff"])
def test_checksums_that_cannot_be_read_are_damage(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "cache/encoded" / ("a" * 64)
    folder.mkdir(parents=True)
    (folder / "rows").write_bytes(b"rows")
    write_checksums(folder, key=folder.name)
    (folder / SEAL).write_bytes(content.encode(errors="surrogateescape"))
    assert not is_whole(folder)
    assert not folder.exists()


def test_a_disk_that_loses_what_is_written_ends_with_a_message(tmp_path: Path) -> None:
    folder = tmp_path / "cache/encoded" / ("a" * 64)

    def make() -> None:
        folder.mkdir(parents=True)
        (folder / "rows").write_bytes(b"rows")
        write_checksums(folder, key=folder.name)
        (folder / "rows").write_bytes(b"lost")

    with pytest.raises(OSError, match="its files differ from what was written"):
        make_unless_whole(folder, make=make)


def test_features_that_the_disk_loses_end_with_a_message(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = opened(tiny_encoder, tmp_path / "cache")
    frozen = frozen_tower(write_tower(tmp_path / "tower"), cache=tmp_path / "cache")

    def lost(folder: Path, *, key: str) -> None:
        write_checksums(folder, key=key)
        (folder / "features.npy").write_bytes(b"lost")

    monkeypatch.setattr(made_once, "write_checksums", lost)
    with pytest.raises(OSError, match="its files differ from what was written"):
        list(making_features(split, frozen=frozen))


def test_counts_of_left_out_rows_are_of_one_reading(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows.csv").write_text("premise,hypothesis,label\nw1,w2,yes\nw3,w4,\nw5,w6,\n")
    columns = {name: name for name in ("premise", "hypothesis", "label")}
    fields = {"name": "mine", "kind": "sentence_pair", "columns": columns, "labels": ["yes", "no"]}
    spec = load_task_file(write_fields(tmp_path / "t.yaml", **fields, source={"files": {"train": "rows.csv"}}))

    num_rows: list[int] = []

    def noted(folder: Path, *, reading: Reading, **rest: Any) -> None:
        num_rows.append(reading.num_rows)
        encoded_writer.write_encoded(folder, reading=reading, **rest)

    def lost(folder: Path, *, key: str) -> None:
        monkeypatch.setattr(encoded_writer, "write_checksums", write_checksums)
        write_checksums(folder, key=key)
        (folder / "facts.json").write_bytes(b"lost")

    monkeypatch.setattr(encoded_writer, "write_checksums", lost)
    monkeypatch.setattr(encoded_split, "write_encoded", noted)
    (found,) = opened(tiny_encoder, tmp_path / "cache", spec=spec, pixels=None).split_rows
    assert (num_rows, found.num_rows, found.num_left_out) == ([3, 3], 3, 2)


def test_gc_frees_what_was_quarantined(tmp_path: Path) -> None:
    store = StageStore(tmp_path / "store")
    place = store.root / "cache/damaged"
    (place / "encoded-abc").mkdir(parents=True)
    (place / "encoded-abc/rows").write_bytes(b"rows")
    (place / "a file").write_bytes(b"file")
    assert store.space.leftovers() == {"cache/damaged/encoded-abc": 4, "cache/damaged/a file": 4}
    assert all(map(store.space.remove_leftover, store.space.leftovers()))
    assert [*place.iterdir()] == []


def test_a_folder_that_is_replaced_while_it_is_checked_is_not_reported(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(tmp_path)
    opened(tiny_encoder, store / "cache")
    folder = cached(store, "encoded")

    def raced(path: Path, **_: Any) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))

    monkeypatch.setattr(sealed_cache, "file_entry", raced)
    assert [*check_cache(store / "cache")] == []


@pytest.mark.parametrize("damage", [flip_first, flip_middle, flip_last, truncate, empty, append, lose])
def test_a_damaged_kept_output_is_computed_again(tmp_path: Path, damage: Damage) -> None:
    lengths = np.arange(1, 7, dtype=np.int32)
    batches = [np.array([0, 1, 2]), np.array([3, 4, 5])]
    kept = KeptOutputs(tmp_path, lengths=lengths, seconds=0.0)
    for batch in batches:
        kept.add((batch, {"scores": np.float32([batch * 2])}))
    assert len(kept.known(batches)) == 2
    file = min(tmp_path.rglob("*.npz"))

    damage(file)

    again = KeptOutputs(tmp_path, lengths=lengths, seconds=0.0)
    (known,) = again.known(batches)
    assert np.array_equal(known[1]["scores"], np.float32([known[0] * 2]))
    assert not file.exists()


@pytest.mark.parametrize("name", ["0-1.npz", f"{'0' * 64}.npz"])
def test_kept_outputs_that_another_name_hides_are_not_read(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Earlier versions named files by process and number: their content is not known to be whole."""
    lengths, batch = np.arange(1, 4, dtype=np.int32), np.array([0, 1, 2])
    kept = KeptOutputs(tmp_path, lengths=lengths, seconds=0.0)
    kept.add((batch, {"scores": np.float32([1, 2, 3])}))
    (file,) = tmp_path.rglob("*.npz")
    file.rename(file.with_name(name))
    assert kept.known([batch]) == []
    assert ("is damaged" in caplog.text) == (name != "0-1.npz")

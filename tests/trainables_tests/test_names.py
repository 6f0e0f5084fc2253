"""Names that come from outside are no paths: one test over every format that holds them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from search import xtreme_predictions
from search.home import find_home
from search.leftovers import find_dead_sessions
from search.record.integrity.snapshots import list_snapshots
from tests.search_tests.test_leftovers import identity_of_a_dead_process
from trainables.config import EvaluationConfig
from trainables.config.frozen import content_key
from trainables.data.sealed_cache import SEAL, is_whole, write_checksums
from trainables.errors import CheckpointError
from trainables.evaluation.items import Item
from trainables.models.pretrained.header import INDEX, read_tensors
from trainables.names import UnsafeNameError, inside, path_below, problem_of_name
from trainables.stage_store.contents import Contents
from trainables.stage_store.manifest import MANIFEST_VERSION, CheckpointManifest, Damaged, Manifest
from trainables.storage import open_storage
from trainables.tasks.spec import HubSource

KEY = "a" * 64
ENTRY = {"num_bytes": 4, "sha256": hashlib.sha256(b"evil").hexdigest()}
HOSTILE = {
    "a parent": "../victim",
    "far up": "../../../victim/.bashrc",
    "up in the middle": "part/../../victim",
    "dots alone": "..",
    "a dot alone": ".",
    "absolute": "/tmp/victim",  # noqa: S108  not made
    "two slashes": "//victim",
    "an empty part": "part//victim",
    "ends in a slash": "victim/",
    "a home": "~/victim",
    "another user's home": "~root",
    "a backslash": "..\\victim",
    "a backslash inside": "part\\victim",
    "NUL": "victim\0.txt",
    "a line break": "victim\n.txt",
    "an escape": "\x1b[2Jvictim",
    "right to left": "\u202evictim",
    "half a character": "victim\udcff",
    "empty": "",
    "very long": "v" * 5000,
    "a very long part": f"part/{'v' * 300}",
    "many parts": "/".join(["p"] * 3000),
}
Reader = Callable[[Path, str], None]


def sealed(**fields: Any) -> bytes:
    """Return a manifest whose seal is right: whoever may write a store can compute it."""
    facts: dict[str, Any] = {"version": MANIFEST_VERSION, "key": KEY, **fields}
    return json.dumps({**facts, "seal": seal_of(facts)}).encode()


def seal_of(facts: dict[str, Any]) -> str:
    try:
        return content_key(facts)
    except UnicodeEncodeError:  # half a character has no bytes, and so no checksum
        return "0" * 64


def refused_manifest(found: object) -> None:
    assert isinstance(found, Damaged)
    assert "cannot be read" in found.reason


def stage_manifest(folder: Path, name: str) -> None:
    del folder
    facts = {"phase": "target", "parent": None, "steps": 1, "seconds": 1.0}
    refused_manifest(Manifest.read(sealed(files={name: ENTRY}, facts=facts), key=KEY))


def test_a_manifest_says_which_name_is_unsafe() -> None:
    facts = {"phase": "target", "parent": None, "steps": 1, "seconds": 1.0}
    found = Manifest.read(sealed(files={"../victim": ENTRY}, facts=facts), key=KEY)
    assert isinstance(found, Damaged)
    assert found.reason.startswith("its manifest cannot be read (the name '../victim' has an empty part")


def part_of_a_stage(folder: Path, name: str) -> None:
    del folder
    if name:  # empty: the files lie beside the manifest
        facts = {"phase": "target", "parent": None, "steps": 1, "seconds": 1.0}
        refused_manifest(Manifest.read(sealed(files={"a": ENTRY}, facts=facts, part=name), key=KEY))


def checkpoint_manifest(folder: Path, name: str) -> None:
    del folder
    refused_manifest(CheckpointManifest.read(sealed(files={name: ENTRY}, step=3), key=KEY))


def checksums_of_a_cache(folder: Path, name: str) -> None:
    cached = folder / "cache/encoded" / KEY
    cached.mkdir(parents=True)
    (cached / "rows").write_bytes(b"evil")
    write_checksums(cached, key=KEY)
    fields = {"key": KEY, "files": {name: ENTRY}}
    (cached / SEAL).write_text(json.dumps({**fields, "seal": seal_of(fields)}))
    assert not is_whole(cached)


def storage_names(folder: Path, name: str) -> None:
    storage = open_storage(folder / "store")
    if not name:  # the storage's root
        return
    (folder / "store").mkdir(exist_ok=True)
    calls: list[Callable[[], object]] = [
        lambda: storage.read(name),
        lambda: storage.write(name, b"evil"),
        lambda: storage.create(name, b"evil"),
        lambda: storage.remove(name),
        lambda: storage.remove_folder(name),
        lambda: storage.entries(name),
        lambda: storage.local(name),
        lambda: storage.lock(name),
        lambda: storage.download(name, to=folder / "copy"),
        lambda: storage.move(name, to="damaged/x", first="a"),
        lambda: storage.move("stages/x", to=name, first="a"),
        lambda: storage.publish(folder, to=name, part="", last="a"),
    ]
    for call in calls:
        with pytest.raises(UnsafeNameError):
            call()


def downloads_of_a_bucket(folder: Path, name: str) -> None:
    class Bucket:
        url = "s3://bucket"

        def local(self, name: str) -> None:
            del name

    contents: Any = Contents(Bucket(), root=folder / "root")  # pyright: ignore[reportArgumentType]  (a stand-in)
    for call in (contents.drop, lambda name: contents.keep(folder, folder=name)):
        with pytest.raises(UnsafeNameError):
            call(name)


def weight_index(folder: Path, name: str) -> None:
    (folder / INDEX).write_text(json.dumps({"weight_map": {"weight": name}}))
    with pytest.raises(CheckpointError, match="must be in the same folder"):
        read_tensors(folder)


def languages_of_predictions(folder: Path, name: str) -> None:
    item = Item(item="0", gold=["entailment"], prediction=["entailment"], scores=[1.0])
    work = EvaluationConfig(languages=("en",))
    if not name:  # a file `test-.tsv`, in its folder
        return
    if "/" not in name and problem_of_name(f"test-{name}.tsv") is None:  # `test-..tsv` is a plain name
        return
    with pytest.raises(UnsafeNameError):
        xtreme_predictions._write(work, items={name: [item]}, folder=folder / "out")


def session_note(folder: Path, name: str) -> None:
    home = find_home()
    note = home.scratch / "sessions/note.json"
    note.parent.mkdir(parents=True)
    for places in ((name, str(folder / "xstilts-tune-1")), (str(folder / "session_1"), name)):
        fields = {"process": identity_of_a_dead_process(), "folder": places[0], "scratch": places[1]}
        note.write_text(json.dumps(fields))
        assert list(find_dead_sessions(home)) == []


def snapshot_of_a_record(folder: Path, name: str) -> None:
    """The name in a checksum file is not used: the snapshot is the file beside it."""
    snapshots = folder / "record.db.snapshots"
    snapshots.mkdir()
    (snapshots / "000000000007.db").write_bytes(b"evil")
    content = f"{ENTRY['sha256']}  {name}\n".encode(errors="surrogateescape")
    (snapshots / "000000000007.sha256").write_bytes(content)
    found = list_snapshots(folder / "record.db")
    assert [one.path for one in found] in ([], [snapshots / "000000000007.db"])


def repository_of_a_task(folder: Path, name: str) -> None:
    del folder
    with pytest.raises(ValidationError):
        HubSource(repository=name)


READERS: tuple[Reader, ...] = (
    *(stage_manifest, part_of_a_stage, checkpoint_manifest, checksums_of_a_cache),
    *(storage_names, downloads_of_a_bucket, weight_index, languages_of_predictions),
    *(session_note, snapshot_of_a_record, repository_of_a_task),
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "inside/home"))
    (tmp_path / "inside/folder").mkdir(parents=True)
    return tmp_path / "inside/home"


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("read", READERS)
def test_no_format_takes_a_name_that_leads_out(read: Reader, name: str, tmp_path: Path) -> None:
    victim = tmp_path / "inside/victim"
    victim.write_bytes(b"mine")
    read(tmp_path / "inside/folder", name)
    assert victim.read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]


@pytest.mark.parametrize(
    "name", ["model.safetensors", "part/model.safetensors", "Ä 1 (2).json", ".hidden", "a..b", "..a"]
)
def test_plain_names_are_taken(name: str, tmp_path: Path) -> None:
    assert path_below(tmp_path, name, where="a store") == tmp_path / name


@pytest.mark.parametrize("name", ["part/file", "../file", ".."])
def test_a_name_inside_a_folder_has_one_part(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnsafeNameError, match="a store contains the name"):
        inside(tmp_path, name, where="a store")


def test_a_long_name_is_told_in_short(tmp_path: Path) -> None:
    with pytest.raises(UnsafeNameError) as caught:
        path_below(tmp_path, "v" * 200_000, where="a store")
    assert len(str(caught.value)) < 400

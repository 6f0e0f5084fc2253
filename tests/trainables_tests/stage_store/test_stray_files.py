"""Files of other programs in a store: they are nobody's stage, and nothing ends because of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.cli.main import exit_code
from search.home import find_home
from search.record import open_record
from tests.search_tests.building import proposal, result
from tests.trainables_tests.stage_maker import make
from trainables.stage_store import StageStore
from trainables.stage_store.manifest import MANIFEST
from trainables.stage_store.space import stage_folder

KEY, OTHER_KEY = "ab" + "0" * 62, "cd" + "1" * 62
STRAYS = (".DS_Store", "Thumbs.db", "desktop.ini", "._manifest.json", ".Trash-1000/manifest.json", "Icon\r", "~$a.tmp")
FOLDERS = ("stages", "checkpoints", "holders", "leases", "users", "locks", "sweeps", "damaged", "work", "cache")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StageStore:
    """A store with a stage, and strays in every folder of it."""
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    with open_record(find_home().record) as record:
        record.put_sweep("demo", spec={}, objective="average", planned_trials=1)
        record.propose("demo", proposal=proposal())
        record.start("demo", number=0)
        record.finish("demo", number=0, result=result(0.5))
    store = find_home().open_store()
    make(store, KEY)
    for folder in FOLDERS:
        (store.root / folder).mkdir(exist_ok=True)
    for folder in [store.root, *(path for path in store.root.rglob("*") if path.is_dir())]:
        for name in STRAYS:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(b"\x00stray")
    for name in ("encoded", "encoded/" + KEY):
        (store.root / "cache" / name).mkdir(exist_ok=True)
        (store.root / "cache" / name / "Thumbs.db").write_bytes(b"\x00stray")
    return store


@pytest.mark.parametrize(
    "words", [["list"], ["list", "--json"], ["verify"], ["gc", "--dry-run", "--force"], ["gc", "--force"]], ids=" ".join
)
@pytest.mark.usefixtures("store")
def test_the_commands_go_on(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["stages", *words]) == 0
    captured = capsys.readouterr()
    assert "DAMAGED" not in captured.out
    assert "Traceback" not in captured.err


def test_stages_are_found_made_and_freed(store: StageStore) -> None:
    opened = StageStore(store.root)
    assert list(opened.keys()) == [KEY]
    assert opened.sweep_notes.all() == []
    with opened.using():
        assert opened.find(KEY) is not None
        made = make(opened, OTHER_KEY)
        for name in STRAYS[:3]:
            (made.folder / name).write_bytes(b"\x00stray")
        assert opened.find(OTHER_KEY) == made
        assert opened.space.remove(KEY) == 0
    assert opened.newest_checkpoint(KEY) is None
    assert opened.space.remove(KEY) > 0
    assert opened.find(KEY) is None


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\x00\x00", b'{"version": 3, "key": "' + KEY.encode() + b'", "files": {}}']
)
def test_an_empty_manifest_is_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    store = find_home().open_store()
    make(store, KEY)
    (store.root / stage_folder(KEY) / MANIFEST).write_bytes(content)
    assert exit_code(["stages", "verify"]) == 1
    assert "1 damaged" in capsys.readouterr().out
    assert exit_code(["stages", "list"]) == 0
    assert StageStore(store.root).find(KEY) is None

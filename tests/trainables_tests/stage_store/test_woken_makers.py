"""A process that was suspended while it judged a stage, and NFS, which loses answers: nobody's good stage is moved."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.trainables_tests.stage_maker import make
from trainables.stage_store import StageStore
from trainables.stage_store.manifest import MANIFEST
from trainables.stage_store.space import stage_folder
from trainables.storage.disk import DiskStorage

KEY = "ab" + "0" * 62

SUSPENDED = """
import os, signal, sys
from trainables.storage.disk import DiskStorage

def suspended(inner):
    def wrapped(self, name, *words, **rest):
        if {condition}:
            DiskStorage.{method} = inner
            os.kill(os.getpid(), signal.SIGSTOP)
        return inner(self, name, *words, **rest)
    return wrapped

DiskStorage.{method} = suspended(DiskStorage.{method})
from trainables.stage_store import StageStore
found = StageStore({root!r}).find({key!r})
print("found" if found else "none")
"""
POINTS = {
    "just before the move": ("move", "True"),
    "after it was judged": ("lock", "name.startswith('leases/')"),
}


def rot(store: StageStore) -> None:
    (store.root / stage_folder(KEY) / "model.safetensors").write_text("rotten!")


def stopped(process: subprocess.Popen[str]) -> bool:
    return Path("/proc", str(process.pid), "stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


def other_hosts(store: StageStore) -> StageStore:
    """Return the store as another host sees it after the expiry: the suspended process locks nothing there."""
    (store.root / "leases" / KEY).unlink(missing_ok=True)
    return StageStore(store.root)


@pytest.mark.parametrize("text", ["weights", "other weights"])
@pytest.mark.parametrize("point", POINTS)
def test_one_that_wakes_leaves_what_another_has_made(tmp_path: Path, point: str, text: str) -> None:
    store = StageStore(tmp_path / "store")
    make(store, KEY)
    rot(store)
    method, condition = POINTS[point]
    code = SUSPENDED.format(method=method, condition=condition, root=str(store.root), key=KEY)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as woken:
        try:
            while not stopped(woken):
                assert woken.poll() is None
                time.sleep(0.02)
            other = other_hosts(store)
            assert other.find(KEY) is None
            make(other, KEY, text=text)
            manifest = (store.root / stage_folder(KEY) / MANIFEST).read_bytes()
        finally:
            os.kill(woken.pid, signal.SIGCONT)
        assert woken.communicate(timeout=60)[0] == "found\n"
    assert (store.root / stage_folder(KEY) / MANIFEST).read_bytes() == manifest
    found = StageStore(store.root).find(KEY)
    assert found is not None
    assert (found.folder / "model.safetensors").read_text() == text
    assert len(list((store.root / "damaged").iterdir())) == 1  # the rotten one


def test_so_does_one_whose_stage_is_made_by_a_third_while_it_puts_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = StageStore(tmp_path / "store")
    make(store, KEY)
    rot(store)
    move = DiskStorage.move

    def raced(self: DiskStorage, folder: str, **rest: Any) -> None:
        monkeypatch.setattr(DiskStorage, "move", move)
        move(self, folder, to="damaged/" + KEY + "-rotten", first=MANIFEST)
        make(other_hosts(store), KEY, text="the second's")
        move(self, folder, **rest)
        make(other_hosts(store), KEY, text="the third's")

    monkeypatch.setattr(DiskStorage, "move", raced)
    found = StageStore(store.root).find(KEY)
    assert found is not None
    assert (found.folder / "model.safetensors").read_text() == "the third's"


def test_a_removal_that_wakes_leaves_what_another_has_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = StageStore(tmp_path / "store")
    make(store, KEY)
    remove = DiskStorage.remove

    def slept(self: DiskStorage, name: str) -> None:
        remove(self, name)
        if name.endswith(MANIFEST):
            monkeypatch.setattr(DiskStorage, "remove", remove)
            make(other_hosts(store), KEY)

    monkeypatch.setattr(DiskStorage, "remove", slept)
    assert store.space.remove(KEY) == 0
    assert StageStore(store.root).find(KEY) is not None


def test_one_that_wakes_before_it_removes_leaves_what_another_has_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has read the manifest of the stage before, and sleeps until another process has replaced the stage."""
    store = StageStore(tmp_path / "store")
    make(store, KEY)
    read = DiskStorage.read

    def slept(self: DiskStorage, name: str) -> bytes | None:
        content = read(self, name)
        if name.endswith(MANIFEST):
            monkeypatch.setattr(DiskStorage, "read", read)
            assert other_hosts(store).space.remove(KEY)
            make(other_hosts(store), KEY, text="another's")
        return content

    monkeypatch.setattr(DiskStorage, "read", slept)
    removed: list[str] = []
    remove = DiskStorage.remove

    def noted(self: DiskStorage, name: str) -> None:
        removed.extend([name] if name.endswith(MANIFEST) else [])
        remove(self, name)

    monkeypatch.setattr(DiskStorage, "remove", noted)
    assert store.space.remove(KEY) == 0
    assert removed == [f"{stage_folder(KEY)}/{MANIFEST}"]  # the other's own removal
    found = StageStore(store.root).find(KEY)
    assert found is not None
    assert (found.folder / "model.safetensors").read_text() == "another's"


Step = Callable[..., Any]


def lost(step: Step, error: int) -> Step:
    """Return a step that is done, and whose answer is lost: its client asks again, and tells the second answer."""

    def done(*words: Any, **rest: Any) -> Any:
        step(*words, **rest)
        raise OSError(error, os.strerror(error))

    return done


@pytest.mark.parametrize("error", [errno.EEXIST, errno.EIO, errno.ETIMEDOUT])
def test_a_file_that_was_created_without_an_answer_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    storage = DiskStorage(tmp_path)
    with monkeypatch.context() as nfs:
        nfs.setattr(os, "link", lost(os.link, error))
        assert storage.create("a/b", b"mine")
    assert not storage.create("a/b", b"another's")
    assert (storage.read("a/b"), [path.name for path in (tmp_path / "a").iterdir()]) == (b"mine", ["b"])


@pytest.mark.parametrize("error", [errno.ENOENT, errno.EIO])
def test_a_file_that_was_written_without_an_answer_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    monkeypatch.setattr(Path, "replace", lost(Path.replace, error))
    DiskStorage(tmp_path).write("a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("error", [errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY, errno.EIO])
@pytest.mark.parametrize("disk", ["the same", "another"])
def test_a_folder_that_was_published_without_an_answer_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, disk: str
) -> None:
    store, rename = StageStore(tmp_path / "store"), Path.rename
    answer = lost(rename, error)

    def renamed(self: Path, target: Path) -> Path:
        if disk == "another" and "work" in self.parts:
            raise OSError(errno.EXDEV, "another disk")
        return answer(self, target)

    with store.lease(KEY), store.work_folder(KEY) as folder:
        (folder / "model.safetensors").write_text("weights")
        with monkeypatch.context() as nfs:
            nfs.setattr(Path, "rename", renamed)
            assert store._storage.publish(folder, to="stages/x", part="", last="model.safetensors")  # pyright: ignore[reportPrivateUsage]
    assert (store.root / "stages/x/model.safetensors").read_text() == "weights"


def test_a_rename_that_was_not_done_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    storage = DiskStorage(tmp_path)
    storage.write("a", b"old")
    monkeypatch.setattr(Path, "replace", refused)
    monkeypatch.setattr(os, "link", refused)
    for step in (lambda: storage.write("a", b"new"), lambda: storage.create("b", b"new")):
        with pytest.raises(OSError, match="Input/output"):
            step()
    assert (storage.read("a"), storage.read("b")) == (b"old", None)

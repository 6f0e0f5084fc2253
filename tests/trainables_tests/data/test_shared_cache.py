"""Stores that share encoded data (`XSTILTS_CACHE`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from search.cli.machine_checks import installation_checks
from search.cli.main import exit_code
from search.stages import verify_cache
from tests.trainables_tests.training.test_vision_features import frozen_tower, opened, write_tower
from trainables.data import encoded_split
from trainables.data.shared_cache import VARIABLE, shared_cache
from trainables.data.sources import locator
from trainables.stage_store import StageStore
from trainables.training.vision_features import making_features

pytestmark = pytest.mark.usefixtures("tiny_world")


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stores share; it does not exist yet."""
    folder = tmp_path / "new" / "shared"
    monkeypatch.setenv(VARIABLE, str(folder))
    return folder


def test_a_second_store_encodes_nothing(
    shared: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(tiny_encoder, tmp_path / "first")
    monkeypatch.delattr(encoded_split, "write_encoded")
    second = opened(tiny_encoder, tmp_path / "second")
    assert (first.fingerprint, len(first)) == (second.fingerprint, len(second))
    assert [folder.name for folder in (shared / "encoded").iterdir() if folder.is_dir()] == [first.fingerprint]
    assert not (tmp_path / "first").exists()


def test_features_of_images_are_shared(shared: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    frozen = frozen_tower(write_tower(tmp_path / "tower"), cache=tmp_path / "own")
    for _ in making_features(opened(tiny_encoder, tmp_path / "own"), frozen=frozen):
        pass
    assert len([folder for folder in (shared / "vision").iterdir() if folder.is_dir()]) == 1
    assert not (tmp_path / "own").exists()


def test_verify_reads_the_shared_folder_too(
    shared: Path, tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = StageStore(tmp_path / "store")
    assert [*verify_cache(store)] == []
    assert not shared.exists()  # a command that only reads does not make it
    split = opened(tiny_encoder, store.root / "cache")
    (shared / "encoded" / split.fingerprint / "facts.json").write_text("{}")
    assert [(one.name, one.problem) for one in verify_cache(store)] == [
        (f"encoded/{split.fingerprint}", "facts.json has changed")
    ]
    assert exit_code(["stages", "verify", "--store", str(tmp_path / "store")]) == 1
    assert split.fingerprint[:12] in capsys.readouterr().out
    opened(tiny_encoder, store.root / "cache")  # quarantined, and made again
    assert [one.problem for one in verify_cache(store)] == [None]
    assert len([*(shared / "damaged").iterdir()]) == 1


def test_a_folder_that_cannot_be_made_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "below"))
    monkeypatch.setenv("XSTILTS_HOME", str(tmp_path / "home"))
    assert exit_code(["search", "demo", "--dry-run"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "XSTILTS_CACHE" in told
    assert "unset the variable: each store then keeps its own" in told


def test_without_the_variable_each_store_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert shared_cache() is None
    monkeypatch.setenv(VARIABLE, "")
    assert shared_cache() is None


def test_doctor_names_the_folder(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locator, "hub_is_reachable", lambda: False)
    said = installation_checks._data()  # pyright: ignore[reportPrivateUsage]
    assert said.endswith(f"; encoded data in {shared} (XSTILTS_CACHE)")

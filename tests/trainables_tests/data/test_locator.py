"""Where repositories are found, and what an encoder's folder must hold."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from trainables.data.sources import locator as locate
from trainables.data.sources.locator import locate_dataset, locate_model, locate_vision
from trainables.errors import CheckpointError, UnavailableError
from trainables.models.pretrained.encoder_folder import check_encoder_folder


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.delenv("HF_DATASETS_CACHE", raising=False)
    monkeypatch.delenv("XSTILTS_MIRROR", raising=False)


def test_the_mirror_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mirror/datasets/a/b").mkdir(parents=True)
    monkeypatch.setenv("XSTILTS_MIRROR", str(tmp_path / "mirror"))
    assert (locate_dataset("a/b").kind, locate_dataset("a/b").path) == ("mirror", tmp_path / "mirror/datasets/a/b")


def test_the_cache_serves_where_the_hub_is_away(tmp_path: Path) -> None:
    snapshot = tmp_path / "hf/hub/models--a--b/snapshots/c0ffee"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    assert (locate_model("a/b").kind, locate_model("a/b").path) == ("cache", snapshot)


def test_what_nobody_has_is_unavailable_and_the_message_says_what_to_do() -> None:
    with pytest.raises(UnavailableError, match=r"'a/b'.*HF_HUB_OFFLINE is set.*set XSTILTS_MIRROR.*datasets/a/b"):
        locate_dataset("a/b")


def test_a_hub_that_does_not_answer_is_given_up_on_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UnavailableError, match="the hub does not answer"):
        locate_model("a/b")


def test_a_mirror_that_is_no_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XSTILTS_MIRROR", "/nonexistent/mirror")
    with pytest.raises(UnavailableError, match="is not a folder"):
        locate_dataset("a/b")


def test_the_miniature_is_packaged(tmp_path: Path) -> None:
    assert (str(locate_model("miniature").path)[-14:], locate_vision("miniature").kind) == (
        "assets/encoder",
        "packaged",
    )
    assert locate_model(str(tmp_path)).kind == "folder"
    check_encoder_folder(Path(str(locate_model("miniature").path)))


FILES = {"config.json": "configuration", "model.safetensors": "weights", "tokenizer.json": "tokenizer"}


@pytest.mark.parametrize(("missing", "part"), FILES.items())
def test_a_folder_without_a_part_is_refused_by_the_parts_name(tmp_path: Path, missing: str, part: str) -> None:
    packaged = Path(str(locate_model("miniature").path))
    for name in FILES.keys() - {missing}:
        shutil.copy(packaged / name, tmp_path)
    with pytest.raises(CheckpointError, match=f"it has no {part}.*{missing}"):
        check_encoder_folder(tmp_path)


def test_pickled_weights_are_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "xlm-roberta"}')
    for name in ("tokenizer.json", "pytorch_model.bin"):
        (tmp_path / name).touch()
    with pytest.raises(CheckpointError, match="pickle can run any code"):
        check_encoder_folder(tmp_path)


def test_the_probe_is_asked_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:10")
    asked: list[str] = []
    monkeypatch.setattr(locate, "_accepts_connection", lambda endpoint: bool(asked.append(endpoint)))
    assert not locate.hub_is_reachable()
    assert not locate.hub_is_reachable()
    assert len(asked) == 1

"""An architecture that is no family is refused by its configuration, before anything else is downloaded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from trainables.data.sources import hub
from trainables.data.sources.locator import Location
from trainables.errors import CheckpointError
from trainables.models.families.by_name import FAMILIES
from trainables.plan import starting_weights
from trainables.plan.starting_weights import encoder_folder


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """What is asked of the hub, which holds one DistilBERT; no hub can be reached here."""
    asked: list[Sequence[str]] = []

    def download(repository: str, *, revision: str | None, files: Sequence[str]) -> Path:
        del repository, revision
        asked.append(files)
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "distilbert"}))
        return tmp_path

    def locate(name: str) -> Location:
        return Location(kind="hub", repository=name, path=None)

    monkeypatch.setattr(hub, "download_model", download)
    monkeypatch.setattr(starting_weights, "locate_model", locate)
    return asked


def test_only_the_configuration_is_downloaded(downloads: list[Sequence[str]]) -> None:
    with pytest.raises(CheckpointError) as refused:
        encoder_folder("owner/distilled", revision=None)

    assert downloads == [("config.json", "open_clip_config.json")]
    message = str(refused.value)
    assert "'distilbert'" in message
    assert all(family in message for family in FAMILIES)
    assert "docs/contributing/encoder.md" in message

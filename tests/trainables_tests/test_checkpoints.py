"""Where starting weights are, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainables.checkpoints import encoder_folder, with_absolute_encoder
from trainables.config import EncoderConfig, TrialConfig
from trainables.errors import UnavailableError


def test_an_encoder_in_a_folder_is_named_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "encoder").mkdir()
    monkeypatch.chdir(tmp_path)

    found = with_absolute_encoder(TrialConfig(encoder=EncoderConfig(name="encoder")))

    assert found.encoder.name == str(tmp_path / "encoder")


@pytest.mark.parametrize("name", ["miniature", "FacebookAI/xlm-roberta-base"])
def test_a_name_that_is_no_folder_stays(name: str) -> None:
    config = TrialConfig(encoder=EncoderConfig(name=name))

    assert with_absolute_encoder(config) == config


def test_the_cache_gives_the_revision_asked_for_or_says_which_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XSTILTS_MIRROR", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--owner--name" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").touch()

    with pytest.raises(UnavailableError, match=r"no revision 'def'.*only abc"):
        encoder_folder("owner/name", revision="def")

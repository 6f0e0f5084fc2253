"""Where starting weights are, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainables.config import EncoderConfig, PhaseConfig, TrialConfig, VisionConfig
from trainables.errors import UnavailableError
from trainables.plan.starting_weights import encoder_folder, with_absolute_folders


def test_an_encoder_in_a_folder_is_named_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "encoder").mkdir()
    monkeypatch.chdir(tmp_path)

    found = with_absolute_folders(TrialConfig(encoder=EncoderConfig(name="encoder")))

    assert found.encoder.name == str(tmp_path / "encoder")


def test_a_vision_tower_in_a_folder_is_named_by_its_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tower").mkdir()
    monkeypatch.chdir(tmp_path)
    towers = ("tower", "miniature", "openai/clip-vit-base-patch32", "small")

    found = [
        with_absolute_folders(
            TrialConfig(intermediate=PhaseConfig(mixture={"nlvr": 1.0}, steps=1, vision=VisionConfig(tower=tower)))
        )
        for tower in towers
    ]

    named = [config.intermediate.vision.tower for config in found if config.intermediate and config.intermediate.vision]
    assert named == [str(tmp_path / "tower"), *towers[1:]]


def test_texts_in_a_folder_are_named_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "texts").mkdir()
    monkeypatch.chdir(tmp_path)
    masked_lm = {"texts": "texts", "languages": ["de"], "ratio": 0.5}
    work = PhaseConfig.model_validate({"mixture": {"mnli": 1.0}, "steps": 1, "beside": {"masked_lm": masked_lm}})

    found = with_absolute_folders(TrialConfig(intermediate=work)).intermediate

    assert found is not None
    assert found.beside is not None
    assert found.beside.masked_lm is not None
    assert found.beside.masked_lm.texts == str(tmp_path / "texts")


def test_folders_of_further_targets_are_named_by_their_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "towers").mkdir()
    (tmp_path / "texts").mkdir()
    monkeypatch.chdir(tmp_path)
    towers = {"mixture": {"nlvr": 1.0}, "steps": 1, "vision": {"tower": "towers"}}
    texts = {
        "mixture": {"copa": 1.0},
        "steps": 1,
        "beside": {"masked_lm": {"texts": "./texts", "languages": ["th"], "ratio": 0.5}},
    }
    config = TrialConfig.model_validate({"further": {"xcopa": {"target": [towers, texts]}, "tatoeba": {}}})

    found = with_absolute_folders(config)

    first, second = found.further["xcopa"].target
    assert first.vision is not None
    assert first.vision.tower == str(tmp_path / "towers")
    assert second.beside is not None
    assert second.beside.masked_lm is not None
    assert second.beside.masked_lm.texts == str(tmp_path / "texts")
    assert found.further["tatoeba"] == config.further["tatoeba"]


@pytest.mark.parametrize("name", ["miniature", "FacebookAI/xlm-roberta-base"])
def test_a_name_that_is_no_folder_stays(name: str) -> None:
    config = TrialConfig(encoder=EncoderConfig(name=name))

    assert with_absolute_folders(config) == config


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

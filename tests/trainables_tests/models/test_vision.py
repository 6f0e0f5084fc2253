from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModel,
    Dinov2Config,
    Dinov2Model,
    ResNetConfig,
    ResNetModel,
    SiglipVisionConfig,
    SiglipVisionModel,
    ViTConfig,
    ViTModel,
)

import trainables
from trainables.config import VisionConfig
from trainables.errors import CheckpointError, ConfigError
from trainables.models.vision import build_vision_tower

SIZES: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 24,
    "patch_size": 8,
}
MINIATURE_TOWER = Path(trainables.__file__).parent / "miniature" / "assets" / "vision"


def test_a_small_tower_has_the_sizes_asked_for() -> None:
    tower = build_vision_tower(VisionConfig(num_layers=2, hidden_size=48, image_size=48, patch_size=8))

    features_BKV = tower(torch.zeros(2, 3, 48, 48))

    assert features_BKV.shape == (2, 36, 48)
    assert (tower.num_tokens, tower.hidden_size, tower.image_size) == (36, 48, 48)
    assert (tower.mean, tower.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_a_fine_grid_is_averaged_to_sixty_four_tokens() -> None:
    tower = build_vision_tower(VisionConfig(num_layers=1, hidden_size=16, image_size=64, patch_size=4)).eval()
    tower.model.forward = lambda **_: _Tokens(torch.arange(257.0)[None, :, None].expand(1, 257, 16))

    features_BKV = tower(torch.zeros(1, 3, 64, 64))

    assert tower.num_tokens == 64
    assert features_BKV.shape == (1, 64, 16)
    # The first of 8 x 8 is the mean of patches 0, 1, 16 and 17; token 0 is CLS, so their numbers are one higher.
    assert features_BKV[0, 0, 0] == (1 + 2 + 17 + 18) / 4


class _Tokens:
    def __init__(self, last_hidden_state: torch.Tensor) -> None:
        self.last_hidden_state = last_hidden_state


def test_patches_that_do_not_tile_the_image_are_refused() -> None:
    with pytest.raises(ValueError, match="50 is not a multiple of patch_size 8"):
        VisionConfig(image_size=50, patch_size=8)


@pytest.mark.parametrize(
    "model",
    [
        ViTModel(ViTConfig(**SIZES)),
        CLIPVisionModel(CLIPVisionConfig(**SIZES)),
        SiglipVisionModel(SiglipVisionConfig(**SIZES)),
        Dinov2Model(Dinov2Config(**SIZES)),
    ],
    ids=["vit", "clip", "siglip", "dinov2"],
)
def test_a_vision_model_from_a_folder_gives_its_patches(model: Any, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    preprocessor = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "size": {"height": 24, "width": 24}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(preprocessor))
    pixels = torch.randn(2, 3, 24, 24)

    tower = build_vision_tower(VisionConfig(tower="some/model", freeze=True), folder=tmp_path)

    with torch.no_grad():
        tokens = model.eval()(pixel_values=pixels).last_hidden_state
    torch.testing.assert_close(tower(pixels), tokens[:, -9:])
    assert tower.num_tokens == 9
    assert (tower.mean, tower.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_dinov2_takes_the_size_of_its_processor(tmp_path: Path) -> None:
    Dinov2Model(Dinov2Config(**SIZES | {"image_size": 40})).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(
        '{"crop_size": {"height": 24, "width": 24}, "size": {"shortest_edge": 32}}'
    )

    tower = build_vision_tower(VisionConfig(tower="some/model"), folder=tmp_path)

    assert tower.image_size == 24
    assert tower(torch.zeros(1, 3, 24, 24)).shape == (1, 9, 16)


def test_a_frozen_tower_has_neither_gradient_nor_dropout() -> None:
    tower = build_vision_tower(VisionConfig(tower="some/model", freeze=True), folder=MINIATURE_TOWER).train()

    assert not tower(torch.zeros(1, 3, 48, 48)).requires_grad
    assert not any(module.training for module in tower.modules())
    assert not any(parameter.requires_grad for parameter in tower.parameters())


def test_an_untrained_tower_cannot_be_frozen() -> None:
    with pytest.raises(ValueError, match=r"a small tower starts untrained; set freeze: false, or name a pretrained"):
        VisionConfig(tower="small", freeze=True)


def test_a_tower_that_is_not_frozen_is_trained() -> None:
    tower = build_vision_tower(VisionConfig(num_layers=1, hidden_size=16)).train()

    tower(torch.randn(1, 3, 48, 48)).square().sum().backward()

    assert tower.model.training
    assert all(parameter.grad is not None for parameter in tower.parameters())


def test_a_folder_without_a_vit_is_refused(tmp_path: Path) -> None:
    ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8], depths=[1])).save_pretrained(tmp_path / "resnet")
    vision = VisionConfig(tower="some/model")

    with pytest.raises(CheckpointError, match="'resnet' model, which has no square patches"):
        build_vision_tower(vision, folder=tmp_path / "resnet")
    with pytest.raises(CheckpointError, match="cannot load a vision model"):
        build_vision_tower(vision, folder=tmp_path / "nothing")
    with pytest.raises(ConfigError, match=r"vision\.tower"):
        build_vision_tower(vision)

"""The vision tower of a phase with images: pixels -> patch features. Dropped after the phase.

This is a door to `transformers`.

Shapes: B images, 3 channels, H x W pixels, P patches on a side of the tower's grid, K patch features that leave the
tower, V feature size.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self  # Any: transformers is untyped

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedConfig, ViTConfig, ViTModel

from trainables.config import VisionConfig
from trainables.errors import CheckpointError, ConfigError
from trainables.models.encoder import quiet_transformers
from trainables.models.pretrained.loading import loading
from trainables.models.vision_shape import MAX_GRID

_UNUSED = re.compile(r"(^|\.)(pooler|head|mask_token)(\.|$)")
"""Parts of a vision model that give no patch features."""

ChannelValues = tuple[float, float, float]
"""A number for each of red, green, blue, on pixels of 0..1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFormat:
    """What a tower expects of its pixels."""

    image_size: int
    """Side of the square, in pixels."""
    patch_size: int
    """Side of a patch, in pixels."""
    mean: ChannelValues = (0.5, 0.5, 0.5)
    """Subtracted from each channel."""
    std: ChannelValues = (0.5, 0.5, 0.5)
    """Each channel is divided by it, after the mean."""


class VisionTower(nn.Module):
    """A ViT-like model that returns patch features: no CLS, no register tokens, at most 64 of them.

    Args:
        model: Takes `pixel_values`, returns `last_hidden_state` whose last P * P tokens are the patches, by rows.
        image_format: What it expects of pixels.
        is_frozen: Keep it as loaded: no gradient, no dropout, also while the rest trains.
    """

    def __init__(self, model: nn.Module, *, image_format: ImageFormat, is_frozen: bool) -> None:
        super().__init__()
        self.model: Any = model
        self.image_size, self.mean, self.std = image_format.image_size, image_format.mean, image_format.std
        self.hidden_size: int = self.model.config.hidden_size
        self._grid = image_format.image_size // image_format.patch_size
        self.num_tokens = min(self._grid, MAX_GRID) ** 2
        self.is_frozen = is_frozen
        if is_frozen:
            self.requires_grad_(requires_grad=False).eval()

    def forward(self, pixel_values_B3HW: Tensor) -> Tensor:
        """Return patch features, B x `num_tokens` x `hidden_size`, averaged over neighbours where the grid is finer."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_frozen):
            tokens: Tensor = self.model(pixel_values=pixel_values_B3HW).last_hidden_state
            features_BPV = tokens[:, -(self._grid**2) :]
            if self._grid <= MAX_GRID:
                return features_BPV
            features_BVPP = features_BPV.transpose(1, 2).unflatten(2, (self._grid, self._grid))
            return nn.functional.adaptive_avg_pool2d(features_BVPP, MAX_GRID).flatten(2).transpose(1, 2)

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002  (torch's own signature)
        """Switch dropout on or off; a frozen tower never has it on."""
        return super().train(mode and not self.is_frozen)


def build_vision_tower(vision: VisionConfig, *, folder: Path | None = None) -> VisionTower:
    """Return the tower of a phase; a `small` one is drawn from torch's global random state.

    Args:
        vision: The phase's `vision`.
        folder: The tower's checkpoint; needed by every tower but `small`.

    Raises:
        ConfigError: A tower from a checkpoint was given no folder.
        CheckpointError: The folder holds no vision model of a known shape.
    """
    if vision.tower == "small":
        return _small_tower(vision)
    if folder is None:
        raise ConfigError("vision.tower", f"{vision.tower!r} has no folder; locate its checkpoint first")
    return _loaded_tower(folder, is_frozen=vision.freeze)


def _small_tower(vision: VisionConfig) -> VisionTower:
    head_size = 32 if vision.hidden_size % 32 == 0 else 16
    config = ViTConfig(
        hidden_size=vision.hidden_size,
        num_hidden_layers=vision.num_layers,
        num_attention_heads=vision.hidden_size // head_size,
        intermediate_size=4 * vision.hidden_size,
        image_size=vision.image_size,
        patch_size=vision.patch_size,
    )
    image_format = ImageFormat(image_size=vision.image_size, patch_size=vision.patch_size)
    return VisionTower(ViTModel(config, add_pooling_layer=False), image_format=image_format, is_frozen=vision.freeze)


def _loaded_tower(folder: Path, *, is_frozen: bool) -> VisionTower:
    loaded: tuple[Any, dict[str, Any]]
    with loading(folder, what="a vision model", needs="config.json and model.safetensors"), quiet_transformers():
        loaded = AutoModel.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    whole, report = loaded
    # CLIP and SigLIP checkpoints hold a text model too.
    model = getattr(whole, "vision_model", whole)
    _check_whole(folder, missing=report["missing_keys"], prefix="" if model is whole else "vision_model.")
    return VisionTower(model, image_format=_image_format(folder, config=model.config), is_frozen=is_frozen)


def _check_whole(folder: Path, *, missing: Collection[str], prefix: str) -> None:
    """Refuse a tower that lacks weights: transformers fills them with random numbers. Poolers are not used."""
    lost = sorted(name for name in missing if name.startswith(prefix) and not _UNUSED.search(name))
    if lost:
        msg = f"{str(folder)!r} lacks {len(lost)} of the vision tower's weights, {lost[0]} first; copy it anew"
        raise CheckpointError(msg, folder=folder, field=lost[0])


def _image_format(folder: Path, *, config: PreTrainedConfig) -> ImageFormat:
    image_size, patch_size = getattr(config, "image_size", None), getattr(config, "patch_size", None)
    if not isinstance(image_size, int) or not isinstance(patch_size, int):
        msg = f"{folder} holds a {config.model_type!r} model without square patches; use a ViT, CLIP, SigLIP or DINOv2"
        raise CheckpointError(msg)
    path = folder / "preprocessor_config.json"
    preprocessor: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    # DINOv2 was trained at 518 pixels and reads other sizes by interpolation; 224 is what its processor feeds it.
    if config.model_type.startswith("dinov2"):
        image_size = _size_of_pixels(preprocessor) or image_size
    half = (0.5, 0.5, 0.5)
    mean, std = preprocessor.get("image_mean") or half, preprocessor.get("image_std") or half
    return ImageFormat(image_size=image_size, patch_size=patch_size, mean=_channels(mean), std=_channels(std))


def _size_of_pixels(preprocessor: dict[str, Any]) -> int | None:
    size = preprocessor.get("crop_size") or preprocessor.get("size")
    return size.get("height") if isinstance(size, dict) else size


def _channels(values: Any) -> ChannelValues:
    red, green, blue = (float(value) for value in values)
    return red, green, blue

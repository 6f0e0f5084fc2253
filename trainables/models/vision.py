"""The vision tower of a phase with images: pixels -> patch features. It is discarded after the phase.

One of the few modules that import `transformers`.

Shapes: B images, 3 channels, H x W pixels, P patches on a side of the tower's grid, K patch features in the output,
V feature size.
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
from trainables.models.pretrained.loading_errors import loading
from trainables.models.transformers_model import quiet_transformers
from trainables.models.vision_shape import MAX_GRID

_UNUSED = re.compile(r"(^|\.)(pooler|head|mask_token)(\.|$)")
"""Parts of a vision model that patch features do not need."""

ChannelValues = tuple[float, float, float]
"""A number each for red, green and blue, for pixels in 0..1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFormat:
    """The form of pixels that a tower needs."""

    image_size: int
    """Side of the square, in pixels."""
    patch_size: int
    """Side of a patch, in pixels."""
    mean: ChannelValues = (0.5, 0.5, 0.5)
    """Means, subtracted from the channels."""
    std: ChannelValues = (0.5, 0.5, 0.5)
    """Standard deviations by which the channels are divided afterwards."""


class VisionTower(nn.Module):
    """A ViT-like model that returns at most 64 patch features, without CLS and register tokens.

    Args:
        model: Takes `pixel_values`; returns `last_hidden_state`, whose last P * P tokens are the patches, row by row.
        image_format: The form of pixels that it needs.
        is_frozen: Whether its weights are frozen: no gradients and no dropout, also while the other parts are trained.
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
        """Return patch features, B x `num_tokens` x `hidden_size`; a larger grid is averaged to `MAX_GRID` a side."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.is_frozen):
            tokens: Tensor = self.model(pixel_values=pixel_values_B3HW).last_hidden_state
            features_BPV = tokens[:, -(self._grid**2) :]
            if self._grid <= MAX_GRID:
                return features_BPV
            features_BVPP = features_BPV.transpose(1, 2).unflatten(2, (self._grid, self._grid))
            return nn.functional.adaptive_avg_pool2d(features_BVPP, MAX_GRID).flatten(2).transpose(1, 2)

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002  (torch's own signature)
        """Turn dropout on or off; in a frozen tower it is always off."""
        return super().train(mode and not self.is_frozen)


def build_vision_tower(vision: VisionConfig, *, folder: Path | None = None) -> VisionTower:
    """Return the tower of a phase; a `small` tower is initialised from torch's global random state.

    Args:
        vision: The phase's `vision`.
        folder: The tower's checkpoint; every tower except `small` needs it.

    Raises:
        ConfigError: The tower needs a checkpoint, but `folder` is None.
        CheckpointError: The folder does not hold a supported vision model.
    """
    if vision.tower == "small":
        return _small_tower(vision)
    if folder is None:
        raise ConfigError("vision.tower", f"{vision.tower!r} needs a checkpoint folder; locate it and pass `folder`")
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
    # CLIP and SigLIP checkpoints also hold a text model.
    model = getattr(whole, "vision_model", whole)
    _check_whole(folder, missing=report["missing_keys"], prefix="" if model is whole else "vision_model.")
    return VisionTower(model, image_format=_image_format(folder, config=model.config), is_frozen=is_frozen)


def _check_whole(folder: Path, *, missing: Collection[str], prefix: str) -> None:
    """Check that no weights are missing: transformers would initialise them randomly. Poolers are not needed."""
    lost = sorted(name for name in missing if name.startswith(prefix) and not _UNUSED.search(name))
    if lost:
        msg = (
            f"cannot load a vision tower from {str(folder)!r}: {len(lost)} of its weights are missing, the first is "
            f"{lost[0]}; copy the checkpoint again"
        )
        raise CheckpointError(msg, folder=folder, field=lost[0])


def _image_format(folder: Path, *, config: PreTrainedConfig) -> ImageFormat:
    image_size, patch_size = getattr(config, "image_size", None), getattr(config, "patch_size", None)
    if not isinstance(image_size, int) or not isinstance(patch_size, int):
        rule = f"it holds a {config.model_type!r} model, which has no square patches"
        msg = (
            f"cannot load a vision tower from {str(folder)!r}: {rule}; choose a ViT, CLIP, SigLIP or DINOv2 checkpoint"
        )
        raise CheckpointError(msg)
    path = folder / "preprocessor_config.json"
    preprocessor: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    # DINOv2 was trained with 518 pixels and interpolates other sizes; its processor resizes images to 224.
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

"""How many tokens a vision tower gives, read off its configuration. No torch: asked before anything is started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any  # Any: JSON

from trainables.config import VisionConfig

MAX_GRID = 8
"""Patches on a side that leave a tower: at most 64 tokens, so that image and text fit the encoder together."""


def num_tokens(vision: VisionConfig, *, folder: Path | None) -> int:
    """Return the tokens that one image becomes; 0 where the tower's files do not say.

    Args:
        vision: The phase's `vision`.
        folder: The tower's checkpoint; None for a `small` one, and for one that is still on the hub.
    """
    if vision.tower == "small":
        return _tokens(vision.image_size, vision.patch_size)
    if folder is None or not (folder / "config.json").is_file():
        return 0
    config: dict[str, Any] = json.loads((folder / "config.json").read_bytes())
    config = config.get("vision_config") or config
    image_size, patch_size = config.get("image_size"), config.get("patch_size")
    # DINOv2's own size is that of its training; its processor's, which counts, is smaller: `vision.py`.
    if str(config.get("model_type")).startswith("dinov2"):
        return 0
    if not isinstance(image_size, int) or not isinstance(patch_size, int):
        return 0
    return _tokens(image_size, patch_size)


def _tokens(image_size: int, patch_size: int) -> int:
    return min(image_size // patch_size, MAX_GRID) ** 2

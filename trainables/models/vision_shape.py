"""Computes the number of image tokens of a vision tower from its configuration. No torch, so that checks are fast."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any  # Any: JSON

from trainables.config import VisionConfig

MAX_GRID = 8
"""Largest grid side of a tower's output: at most 64 tokens, so that image and text together fit into the encoder."""


def num_tokens(vision: VisionConfig, *, folder: Path | None) -> int:
    """Return the number of tokens of one image; 0 if it cannot be read from the tower's files.

    Args:
        vision: The phase's `vision`.
        folder: The tower's checkpoint; None for a `small` tower, and for a tower that is not downloaded yet.
    """
    if vision.tower == "small":
        return _tokens(vision.image_size, vision.patch_size)
    if folder is None or not (folder / "config.json").is_file():
        return 0
    config: dict[str, Any] = json.loads((folder / "config.json").read_bytes())
    config = config.get("vision_config") or config
    image_size, patch_size = config.get("image_size"), config.get("patch_size")
    # The image size in DINOv2's configuration is that of its training; its processor uses a smaller one (`vision.py`).
    if str(config.get("model_type")).startswith("dinov2"):
        return 0
    if not isinstance(image_size, int) or not isinstance(patch_size, int):
        return 0
    return _tokens(image_size, patch_size)


def _tokens(image_size: int, patch_size: int) -> int:
    return min(image_size // patch_size, MAX_GRID) ** 2

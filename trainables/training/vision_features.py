"""Computes the features of a frozen vision tower once for a set of images; every trial and rank reads them.

A frozen tower has the same output for an image in every step of every trial. The outputs are kept in a folder named by
content: the images (as a set, with any text, tokenizer or length), the tower's weights, and its pixel format. One file,
a memory map, holds the features of all images in the order of their hashes. One process computes while others wait for
the same features (`trainables/data/made_once.py`); checksums are checked before they are used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from trainables.config.frozen import content_key
from trainables.data.encoded_split import EncodedTask
from trainables.data.images import IndirectColumn
from trainables.data.made_once import making_once
from trainables.data.shared_cache import cached_kind
from trainables.models.vision_shape import MAX_GRID
from trainables.tasks.kinds.pixels import decode_square, normalised

if TYPE_CHECKING:
    from trainables.models.vision import VisionTower

FORMAT = 1
"""Raised by hand when the meaning of a key changes."""

FILE = "features.npy"
"""Features in a cache's folder: float32, shape [num_images, K, V], ordered by the images' hashes."""

IMAGES_PER_BATCH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenTower:
    """A frozen tower, with the folder for its features.

    Args:
        tower: On the device that computes; frozen.
        identity: Identity of its weights: a hash of its files.
        cache: Folder that holds the `vision` folder; made when missing.
    """

    tower: VisionTower
    identity: str
    cache: Path

    def folder(self, task: EncodedTask) -> Path:
        """Return the folder for the features of a task's images."""
        hashes = sorted(map(bytes, task.image_hashes))
        key = content_key(
            {
                "format": FORMAT,
                "images": hashlib.sha256(b"".join(hashes)).hexdigest(),
                "tower": self.identity,
                "pixels": [self.tower.image_size, *self.tower.mean, *self.tower.std],
                "grid": MAX_GRID,
            }
        )
        return cached_kind("vision", cache=self.cache) / key


def making_features(task: EncodedTask, *, frozen: FrozenTower) -> Generator[None]:
    """Compute and publish the features of a task's images, unless they exist.

    It yields after each batch, around the reading of checksums, and while another process computes them, so that the
    caller can send heartbeats.

    Args:
        task: A task with images.
        frozen: The tower.

    Raises:
        OSError: The new folder is damaged: the disk does not keep what is written.
    """
    return making_once(frozen.folder(task), write=lambda part: _compute(part / FILE, task=task, tower=frozen.tower))


def with_vision_features(task: EncodedTask, *, frozen: FrozenTower) -> EncodedTask:
    """Return a task whose batches hold `image_features_BKV` in place of pixels, from existing features."""
    features = np.load(frozen.folder(task) / FILE, mmap_mode="r", allow_pickle=False)
    positions = np.empty(len(features), dtype=np.int64)
    positions[_by_hash(task)] = np.arange(len(features))
    return task.with_images(IndirectColumn(features, numbers=positions))


def _compute(path: Path, *, task: EncodedTask, tower: VisionTower) -> Generator[None]:
    files, order = task.image_files, _by_hash(task)
    shape = (len(order), tower.num_tokens, tower.hidden_size)
    features = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    for start in range(0, len(order), IMAGES_PER_BATCH):
        batch = [files[number] for number in order[start : start + IMAGES_PER_BATCH].tolist()]
        features[start : start + len(batch)] = _features(batch, tower=tower)
        yield
    features.flush()


@torch.no_grad()
def _features(files: Sequence[bytes], *, tower: VisionTower) -> NDArray[np.float32]:
    squares_BHW3 = np.stack([decode_square(file, size=tower.image_size) for file in files])
    pixels_B3HW = normalised(squares_BHW3, mean=tower.mean, std=tower.std)
    device = next(tower.parameters()).device
    return tower(pixels_B3HW.to(device)).float().cpu().numpy()


def _by_hash(task: EncodedTask) -> NDArray[np.int64]:
    """Return the numbers of a task's images in the order of their hashes."""
    return np.array(sorted(range(len(task.image_hashes)), key=list(map(bytes, task.image_hashes)).__getitem__))

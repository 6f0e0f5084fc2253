"""Measures the time of two trials on a frozen vision tower: the first computes its features, the second reads them.

    cd benchmarks; python -m encoders.vision_features [--images 400] [--save FILE]

The tower is a random ViT of the size of CLIP ViT-B/32, because weights do not change its speed. The images are the
miniature's. Both trials train on the same images with other seeds and other learning rates, on one rank. The benchmark
times the forward passes of the tower, and for the second trial also the reading of the features.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from machine import heading, save
from transformers import ViTConfig, ViTModel

from trainables.config import VisionConfig
from trainables.data.encoded_split import (
    EncodedRequest,
    EncodedTask,
    PixelFormat,
    TokenizerSource,
    open_encoded_task,
    tokenizer_fingerprint,
)
from trainables.models.encoder import load_tokenizer
from trainables.models.vision import VisionTower, build_vision_tower
from trainables.plan.starting_weights import encoder_folder, folder_identity
from trainables.tasks.registry import task
from trainables.training.vision_features import FrozenTower, making_features, with_vision_features

BATCH_SIZE = 32
EPOCHS = 3


def main() -> None:
    """Run both trials and print their times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--save", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = _write_tower(Path(place) / "tower")
        encoded = _open(Path(place) / "cache", num_examples=options.images)
        trials = [_trial(encoded, folder=folder, cache=Path(place) / "cache", seed=seed) for seed in (0, 1)]
        num_images = len(encoded.image_files)
    rows = [
        f"{name:<8}{calls:>18}{tower:>14.2f}{reading:>22.2f}"
        for name, (calls, tower, reading) in zip(("first", "second"), trials, strict=True)
    ]
    lines = [
        *heading(["torch", "transformers"]),
        f"tower     ViT of CLIP ViT-B/32's size; {num_images} images, {EPOCHS} passes over them",
        "",
        "trial     images through it     tower, s     reading features, s",
        *rows,
        f"second / first on the tower: {trials[1][1] / trials[0][1]:.1%}",
    ]
    print("\n".join(lines))
    if options.save:
        save(options.save, title="Features of a frozen vision tower", text="\n".join(lines))


def _trial(encoded: EncodedTask, *, folder: Path, cache: Path, seed: int) -> tuple[int, float, float]:
    """Return images through the tower, seconds on it, and seconds on opening the features and batching them."""
    tower = build_vision_tower(VisionConfig(tower="clip-sized", freeze=True), folder=folder)
    frozen = FrozenTower(tower=tower, identity=folder_identity(folder), cache=cache)
    with _timed(tower) as spent:
        for _ in making_features(encoded, frozen=frozen):
            pass
        started = time.perf_counter()
        data = with_vision_features(encoded, frozen=frozen)
        generator = np.random.default_rng(seed)
        for _ in range(EPOCHS):
            for indices in np.array_split(generator.permutation(len(data)), max(1, len(data) // BATCH_SIZE)):
                data.batch(indices, generator=generator)
        reading = time.perf_counter() - started
    return int(spent[0]), spent[1], reading


@contextmanager
def _timed(tower: VisionTower) -> Iterator[list[float]]:
    """Yield a list that receives the number of images that went through a tower, and the seconds."""
    spent = [0.0, 0.0]
    starts: list[float] = []
    before = tower.register_forward_pre_hook(lambda *_: starts.append(time.perf_counter()))

    def add(_: VisionTower, given: tuple[torch.Tensor, ...], __: torch.Tensor) -> None:
        spent[0] += len(given[0])
        spent[1] += time.perf_counter() - starts.pop()

    after = tower.register_forward_hook(add)
    yield spent
    before.remove()
    after.remove()


def _write_tower(folder: Path) -> Path:
    torch.manual_seed(0)
    ViTModel(ViTConfig(image_size=224, patch_size=32), add_pooling_layer=False).save_pretrained(folder)
    return folder


def _open(cache: Path, *, num_examples: int) -> EncodedTask:
    folder = encoder_folder("miniature", revision=None)
    tokenizer = TokenizerSource(tokenizer=load_tokenizer(folder), fingerprint=tokenizer_fingerprint(folder))
    request = EncodedRequest(
        spec=task("miniature_entailment"),
        split="train",
        tokenizer=tokenizer,
        max_length=48,
        num_examples=num_examples,
        cache=cache,
        pixels=PixelFormat(image_size=224),
    )
    return open_encoded_task(request)


if __name__ == "__main__":
    main()

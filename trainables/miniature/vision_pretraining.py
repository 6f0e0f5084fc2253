"""Trains the miniature's vision tower: a small ViT that classifies what is in each quarter of a rendered scene.

    python -m trainables.miniature.vision_pretraining --output FOLDER        (`make miniature` writes into the package)

It is trained on attribute labels of the scenes (shape, colour, size, count), without sentences. So it is for the
miniature what a vision model of the hub is for photographs: a pretrained tower.

Tensors: B scenes, Q quarters, P patches, D features, A attributes.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainables.config import VisionConfig
from trainables.miniature.draws import seeded
from trainables.miniature.images import render
from trainables.miniature.make import ASSETS
from trainables.miniature.scenes import QUARTERS, draw_scene
from trainables.miniature.world import COLOURS, SHAPES, SIZES
from trainables.models.vision import VisionTower, build_vision_tower

log = logging.getLogger(__name__)

IMAGE_SIZE, PATCH_SIZE = 48, 12
TOWER = VisionConfig(tower="small", num_layers=2, hidden_size=64, image_size=IMAGE_SIZE, patch_size=PATCH_SIZE)
NUM_SCENES, NUM_DEV_SCENES, NUM_STEPS, BATCH_SIZE = 20_000, 1_000, 2_500, 64
LEARNING_RATE, WEIGHT_DECAY, NUM_WARMUP_STEPS = 2e-3, 0.01, 100
NUM_CLASSES = {"shape": 1 + len(SHAPES), "colour": 1 + len(COLOURS), "size": 1 + len(SIZES), "count": 5}
"""Attribute -> classes; class 0 is an empty quarter, or an unknown size."""


def main() -> None:
    """Train the tower and write it to the folder `--output`."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ASSETS / "vision", help="folder of the tower")
    parser.add_argument("--steps", type=int, default=NUM_STEPS, help="optimiser steps")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    tower = train_tower(num_steps=arguments.steps)
    shutil.rmtree(arguments.output, ignore_errors=True)
    tower.model.half().save_pretrained(arguments.output)
    (arguments.output / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR, indent=2) + "\n")


PREPROCESSOR = {
    "image_processor_type": "ViTImageProcessor",
    "do_resize": True,
    "size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE},
    "resample": 2,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
"""How transformers prepares an image for the tower."""


def labelled_scenes(name: str, *, num_scenes: int) -> tuple[Tensor, Tensor]:
    """Return rendered scenes and the classes of their quarters.

    Args:
        name: Seed of the scenes.
        num_scenes: Number of scenes.

    Returns:
        Pixels in -1 to 1, shape [B, 3, 48, 48]; classes, shape [B, Q, A].
    """
    rng = seeded(name)
    pixels_BHWC = np.zeros((num_scenes, IMAGE_SIZE, IMAGE_SIZE, 3), np.uint8)
    classes_BQA = np.zeros((num_scenes, len(QUARTERS), len(NUM_CLASSES)), np.int64)
    for number in range(num_scenes):
        scene = draw_scene(rng.sample(SHAPES, rng.randint(2, 3)), rng=rng)
        pixels_BHWC[number] = np.asarray(render(scene, rng=rng))
        for view in scene:
            thing = view.thing
            classes_BQA[number, QUARTERS.index(view.quarter)] = (
                1 + SHAPES.index(thing.shape),
                1 + COLOURS.index(thing.colour) if thing.colour else 0,
                1 + SIZES.index(thing.size) if thing.size else 0,
                thing.count,
            )
    pixels_B3HW = torch.from_numpy(pixels_BHWC).permute(0, 3, 1, 2).float() / 127.5 - 1
    return pixels_B3HW, torch.from_numpy(classes_BQA)


def train_tower(*, num_steps: int) -> VisionTower:
    """Return a tower whose patch features show what is in the quarter of the patch.

    Args:
        num_steps: Optimiser steps.
    """
    pixels_B3HW, classes_BQA = labelled_scenes("vision train", num_scenes=NUM_SCENES)
    dev = labelled_scenes("vision val", num_scenes=NUM_DEV_SCENES)
    tower = build_vision_tower(TOWER)
    heads = nn.ModuleList(nn.Linear(tower.hidden_size, count) for count in NUM_CLASSES.values())
    parameters = [*tower.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True)
    for step in range(num_steps):
        chosen = torch.randint(0, NUM_SCENES, (BATCH_SIZE,))
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1.0, (step + 1) / NUM_WARMUP_STEPS) * (1 - step / num_steps)
        optimizer.zero_grad()
        _losses(tower, heads, pixels_B3HW[chosen], classes_BQA[chosen]).sum().backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if (step + 1) % 500 == 0:
            log.info("step %d: dev accuracy %s", step + 1, _accuracies(tower, heads, *dev))
    return tower


def _patch_logits(tower: nn.Module, heads: nn.ModuleList, pixels_B3HW: Tensor) -> list[Tensor]:
    features_BPD = tower(pixels_B3HW)
    return [head(features_BPD) for head in heads]


def _losses(tower: nn.Module, heads: nn.ModuleList, pixels_B3HW: Tensor, classes_BQA: Tensor) -> Tensor:
    classes_BPA = classes_BQA[:, _quarter_of_patch()]
    logits = _patch_logits(tower, heads, pixels_B3HW)
    pairs = zip(logits, classes_BPA.unbind(-1), strict=True)
    return torch.stack([functional.cross_entropy(one.flatten(0, 1), wanted.flatten()) for one, wanted in pairs])


@torch.no_grad()
def _accuracies(tower: nn.Module, heads: nn.ModuleList, pixels_B3HW: Tensor, classes_BQA: Tensor) -> dict[str, float]:
    """Return attribute -> accuracy over the patches of quarters that hold something."""
    classes_BPA = classes_BQA[:, _quarter_of_patch()]
    occupied_BP = classes_BPA[..., 0] > 0
    logits = _patch_logits(tower, heads, pixels_B3HW)
    hits = [(one.argmax(-1) == wanted) for one, wanted in zip(logits, classes_BPA.unbind(-1), strict=True)]
    return {
        name: round(hit_BP[occupied_BP].float().mean().item(), 3)
        for name, hit_BP in zip(NUM_CLASSES, hits, strict=True)
    }


def _quarter_of_patch() -> Tensor:
    side = IMAGE_SIZE // PATCH_SIZE
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return ((rows >= side // 2) * 2 + (columns >= side // 2)).flatten()


if __name__ == "__main__":
    main()

"""Features of a frozen tower: computed once, shared, and the same as those that pixels would have given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import ViTConfig, ViTModel

from tests.trainables_tests.tiny_jobs import Bench, engine, phase
from trainables.config import VisionConfig
from trainables.data.encoded_split import EncodedRequest, EncodedTask, PixelFormat, TokenizerSource, open_encoded_task
from trainables.data.shuffled_splits import with_shuffled_images
from trainables.models.encoder import load_encoder, load_tokenizer
from trainables.models.task_model import build_task_model, parameter_groups
from trainables.models.vision import VisionTower, build_vision_tower
from trainables.plan.starting_weights import folder_identity
from trainables.ranks.local_group import LocalGroup
from trainables.tasks.registry import task
from trainables.training.vision_features import FrozenTower, making_features, with_vision_features

pytestmark = pytest.mark.usefixtures("tiny_world")
TASKS = ("nlvr", "nlvr2", "flickr30k", "vqa_v2")


def write_tower(folder: Path, *, seed: int = 0) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        sizes: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        ViTModel(ViTConfig(**sizes, intermediate_size=32, image_size=16, patch_size=8)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def tower_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tower(tmp_path_factory.mktemp("tower"))


def frozen_tower(folder: Path, *, cache: Path) -> FrozenTower:
    tower = build_vision_tower(VisionConfig(tower="some/tower", freeze=True), folder=folder)
    return FrozenTower(tower=tower, identity=folder_identity(folder), cache=cache)


def opened(encoder: Path, cache: Path, *, name: str = "nlvr", **fields: Any) -> EncodedTask:
    tokenizer = TokenizerSource(tokenizer=load_tokenizer(encoder), fingerprint="tiny")
    given = {"spec": task(name), "split": "train", "tokenizer": tokenizer, "max_length": 48, "cache": cache}
    return open_encoded_task(EncodedRequest(**(given | {"pixels": PixelFormat(image_size=16)} | fields)))


def counted(tower: VisionTower) -> list[int]:
    """Return a list that grows by the number of images with each of the tower's forward passes."""
    seen: list[int] = []
    tower.register_forward_hook(lambda _, args, __: seen.append(len(args[0])))
    return seen


@pytest.mark.parametrize("name", TASKS)
def test_losses_are_those_that_pixels_give(name: str, tiny_encoder: Path, tower_folder: Path, tmp_path: Path) -> None:
    encoded, frozen = opened(tiny_encoder, tmp_path, name=name), frozen_tower(tower_folder, cache=tmp_path)
    assert list(making_features(encoded, frozen=frozen))
    runs: list[list[float]] = []

    for data in (encoded, with_vision_features(encoded, frozen=frozen)):
        work = phase(mixture={name: 1.0}, vision=VisionConfig(tower="some/tower", freeze=True))
        model = build_task_model(
            work, {name: encoded.spec}, encoder=load_encoder(tiny_encoder, dropout=0), vision_folder=tower_folder
        )
        optimizer = torch.optim.AdamW([*parameter_groups(model, weight_decay=0)], lr=1e-3)
        runs.append([])
        for step in range(4):
            batch = data.batch(range(8 * step, 8 * step + 8), generator=np.random.default_rng(step))
            loss = model(name, batch).losses_B.mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            runs[-1].append(loss.item())

    assert len(set(runs[0])) == 4
    assert runs[1] == pytest.approx(runs[0], abs=1e-6)


def test_the_second_trial_never_asks_the_tower(tiny_encoder: Path, tower_folder: Path, tmp_path: Path) -> None:
    first, second = (frozen_tower(tower_folder, cache=tmp_path) for _ in range(2))
    seen, seen_later = counted(first.tower), counted(second.tower)
    list(making_features(opened(tiny_encoder, tmp_path), frozen=first))

    # Another length and another part of the text's encoding, with the same images.
    later = opened(tiny_encoder, tmp_path, max_length=32)
    list(making_features(later, frozen=second))
    batch = with_vision_features(later, frozen=second).batch(range(8), generator=np.random.default_rng(0))

    assert sum(seen) == 120
    assert seen_later == []
    assert batch["image_features_BKV"].shape == (8, 4, 16)
    assert "pixel_values_B3HW" not in batch


def test_an_image_that_examples_share_is_looked_at_once(tiny_encoder: Path, tower_folder: Path, tmp_path: Path) -> None:
    frozen = frozen_tower(tower_folder, cache=tmp_path)
    seen = counted(frozen.tower)

    list(making_features(opened(tiny_encoder, tmp_path, name="nlvr2"), frozen=frozen))

    assert sum(seen) == 121  # each pair's own, and one that is the second of all


def test_other_weights_images_or_pixels_are_other_features(
    tiny_encoder: Path, tower_folder: Path, tmp_path: Path
) -> None:
    encoded, frozen = opened(tiny_encoder, tmp_path), frozen_tower(tower_folder, cache=tmp_path)
    other_tower = frozen_tower(write_tower(tmp_path / "other", seed=1), cache=tmp_path)
    copied_tower = frozen_tower(write_tower(tmp_path / "copied"), cache=tmp_path)
    other_mean = frozen_tower(tower_folder, cache=tmp_path)
    other_mean.tower.mean = (0.4, 0.5, 0.5)

    folders = {each.folder(encoded) for each in (frozen, other_tower, other_mean)}
    folders.add(frozen.folder(opened(tiny_encoder, tmp_path, num_examples=60)))

    assert len(folders) == 4
    assert copied_tower.folder(encoded) == frozen.folder(encoded)


def test_shuffled_images_are_shuffled_features(tiny_encoder: Path, tower_folder: Path, tmp_path: Path) -> None:
    encoded, frozen = opened(tiny_encoder, tmp_path), frozen_tower(tower_folder, cache=tmp_path)
    list(making_features(encoded, frozen=frozen))
    generator = np.random.default_rng(0)

    shuffled = with_shuffled_images(with_vision_features(encoded, frozen=frozen), seed=5)
    pixels = with_shuffled_images(encoded, seed=5).batch(range(9), generator=generator)["pixel_values_B3HW"]

    features = shuffled.batch(range(9), generator=generator)["image_features_BKV"]
    torch.testing.assert_close(features, frozen.tower(pixels), atol=1e-6, rtol=0)


def test_a_control_with_shuffled_images_reads_its_bases_features(
    tiny_encoder: Path, tower_folder: Path, tmp_path: Path
) -> None:
    encoded, frozen = opened(tiny_encoder, tmp_path), frozen_tower(tower_folder, cache=tmp_path)
    shuffled = with_shuffled_images(encoded, seed=5)
    list(making_features(encoded, frozen=frozen))
    generator = np.random.default_rng(0)

    pixels = shuffled.batch(range(9), generator=generator)["pixel_values_B3HW"]
    features = with_vision_features(shuffled, frozen=frozen).batch(range(9), generator=generator)["image_features_BKV"]

    torch.testing.assert_close(features, frozen.tower(pixels), atol=1e-6, rtol=0)


def test_features_that_are_cut_short_leave_nothing(tiny_encoder: Path, tower_folder: Path, tmp_path: Path) -> None:
    encoded, frozen = opened(tiny_encoder, tmp_path), frozen_tower(tower_folder, cache=tmp_path)
    making = making_features(encoded, frozen=frozen)
    while not list((tmp_path / "vision").glob(".*.part/features.npy")):
        next(making)

    making.close()

    assert [path.name for path in (tmp_path / "vision").iterdir() if path.suffix != ".lock"] == []


def test_who_comes_second_waits_and_computes_nothing(tiny_encoder: Path, tower_folder: Path, tmp_path: Path) -> None:
    encoded = opened(tiny_encoder, tmp_path)
    first, second = (frozen_tower(tower_folder, cache=tmp_path) for _ in range(2))
    looked_at = counted(second.tower)
    making, waiting = making_features(encoded, frozen=first), making_features(encoded, frozen=second)

    next(making)
    next(waiting)
    list(making)

    assert list(waiting) == []
    assert looked_at == []
    assert first.folder(encoded).is_dir()


@pytest.fixture(scope="module")
def two_ranks() -> Iterator[LocalGroup]:
    group = LocalGroup(engine(num_workers=2))
    yield group
    group.close()


@pytest.mark.slow
def test_two_ranks_train_a_mixture_of_image_tasks_on_one_set_of_features(
    tiny_encoder: Path, tmp_path: Path, two_ranks: LocalGroup
) -> None:
    bench = Bench(encoder=tiny_encoder, folder=tmp_path)
    fields: dict[str, Any] = {
        "mixture": {"nlvr2": 0.4, "vqa_v2": 0.3, "flickr30k": 0.2, "mnli": 0.1},
        "vision": VisionConfig(tower="miniature", freeze=True),
        "num_dev_items": 12,
    }
    first = bench.train(two_ranks, phase(**fields), config=engine(num_workers=2))
    made = {path: path.stat().st_mtime_ns for path in bench.cache.glob("vision/*/features.npy")}

    second = bench.train(two_ranks, phase(**(fields | {"seed": 1, "steps": 3})), config=engine(num_workers=2))

    assert made
    assert {path: path.stat().st_mtime_ns for path in bench.cache.glob("vision/*/features.npy")} == made
    assert first.losses != second.losses
    assert np.mean(first.losses[-5:]) < np.mean(first.losses[:5])
    assert {"nlvr2/shuffled_images", "vqa_v2/shuffled_images", "flickr30k/shuffled_images"} <= set(first.result.scores)

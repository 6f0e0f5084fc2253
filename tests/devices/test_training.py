"""Phases and trials on a device: what is sharded, halved, stopped or kept trains as what is not.

On CUDA sums are added in an order that differs from run to run (the gradient of embeddings), so that equal means within
a tolerance there; on one CPU rank other tests ask for the same bits.
"""

from __future__ import annotations

import statistics
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from tests.devices.conftest import NUM_GPUS, ON_CUDA, engine, two_workers
from tests.trainables_tests.tiny_jobs import VISION, Bench, phase
from trainables.config import EvaluationConfig, PhaseConfig, ScheduleConfig, TrialConfig, VisionConfig
from trainables.config.trial import EncoderConfig
from trainables.data.encoded_split import EncodedRequest, PixelFormat, TokenizerSource, open_encoded_task
from trainables.models.encoder import load_tokenizer
from trainables.models.vision import build_vision_tower
from trainables.plan.schedule import trunk_end
from trainables.plan.starting_weights import folder_identity, vision_folder
from trainables.ranks.local_group import LocalGroup
from trainables.stage_store import StageStore
from trainables.tasks.registry import task
from trainables.training.vision_features import FrozenTower, making_features, with_vision_features
from trainables.trials.trial import TrialResources, run_trial

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_world")]

MIXED = phase(mixture={"mnli": 0.5, "nlvr": 0.5}, vision=VISION, batch_size=16)
NUM_TRIALS, NUM_FIRST = (20, 4) if ON_CUDA else (5, 2)
"""All trials, and those before memory is looked at: allocators and caches have filled by then. On the CPU, where other
tests train at every ZeRO stage, few are enough to see that these tests run."""
GROWTH_BYTES = 32 * 2**20
"""An engine of the miniature holds some 9 MB, 16 bytes a parameter, and each trial makes two: what stays of them is
more than this after a few trials."""


def like(losses: list[float]) -> object:
    return pytest.approx(losses, abs=2e-4 if ON_CUDA else 1e-5, rel=0)


@pytest.fixture(scope="module")
def losses(bench: Bench, one_rank: LocalGroup) -> list[float]:
    """Losses of one rank at ZeRO stage 0 in float32."""
    return bench.train(one_rank, MIXED, config=engine()).losses


@pytest.mark.parametrize("zero_stage", [1, 2, 3] if ON_CUDA else [3])
def test_every_zero_stage_trains_as_stage_0_does(
    zero_stage: int, losses: list[float], bench: Bench, one_rank: LocalGroup
) -> None:
    assert bench.train(one_rank, MIXED, config=engine(zero_stage=zero_stage)).losses == like(losses)


@pytest.mark.parametrize("zero_stage", [0, 1, 2, 3] if ON_CUDA else [2])
def test_two_ranks_train_as_one_does(zero_stage: int, losses: list[float], bench: Bench, two_ranks: LocalGroup) -> None:
    config = two_workers(zero_stage=zero_stage, tokens_per_micro_batch=64)

    assert bench.train(two_ranks, MIXED, config=config).losses == like(losses)


def test_bfloat16_trains_as_float32_does(bench: Bench, one_rank: LocalGroup) -> None:
    work = phase(steps=60, learning_rate=3e-3)

    whole = bench.train(one_rank, work, config=engine()).losses
    half = bench.train(one_rank, work, config=engine(precision="bfloat16")).losses

    assert half != whole
    assert half[:5] == pytest.approx(whole[:5], abs=0.02)  # a loss of about 1, with 8 bits of mantissa
    learnt = [statistics.fmean(one[:10]) - statistics.fmean(one[-10:]) for one in (whole, half)]
    assert min(learnt) > 0.1


@pytest.mark.skipif(not ON_CUDA, reason="without CUDA both would be the CPU")
def test_the_device_trains_as_the_cpu_does(losses: list[float], bench: Bench) -> None:
    group = LocalGroup(engine(device="cpu"))
    try:
        on_cpu = bench.train(group, MIXED, config=engine(device="cpu")).losses
    finally:
        group.close()

    assert losses == pytest.approx(on_cpu, abs=1e-3, rel=0)


def test_a_phase_goes_on_from_what_was_kept_of_it(bench: Bench, one_rank: LocalGroup, tmp_path: Path) -> None:
    work = MIXED.model_copy(
        update={"schedule": ScheduleConfig(kind="warmup_stable_decay", warmup_steps=4), "weight_decay": 0.1}
    )
    unbroken = bench.train(one_rank, work, config=engine()).losses

    trunk = bench.train(one_rank, work, config=engine(), is_trunk=True)
    bench.train(one_rank, work, config=engine(checkpoint_seconds=1e-3), checkpoints=tmp_path)
    checkpoint = min((path for path in tmp_path.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    continued = [
        bench.train(one_rank, work, config=engine(), state=state).result for state in (trunk.folder, checkpoint)
    ]

    assert [one.first_step for one in continued] == [
        trunk_end(work.schedule, num_steps=20),
        int(checkpoint.name),
    ]
    assert [list(one.losses) for one in continued] == [like(unbroken)] * 2


def test_features_of_a_frozen_tower_are_those_that_it_computes_on_the_cpu(tiny_encoder: Path, tmp_path: Path) -> None:
    config, folder = VisionConfig(tower="miniature", freeze=True), vision_folder("miniature")
    assert folder is not None
    towers = [build_vision_tower(config, folder=folder) for _ in range(2)]
    pixels = PixelFormat(image_size=towers[0].image_size, image_mean=towers[0].mean, image_std=towers[0].std)
    source = TokenizerSource(tokenizer=load_tokenizer(tiny_encoder), fingerprint="tiny")
    encoded = open_encoded_task(
        EncodedRequest(spec=task("nlvr"), split="train", tokenizer=source, max_length=48, cache=tmp_path, pixels=pixels)
    )
    frozen = FrozenTower(
        tower=towers[0].to("cuda" if ON_CUDA else "cpu"), identity=folder_identity(folder), cache=tmp_path
    )

    assert list(making_features(encoded, frozen=frozen))
    kept = with_vision_features(encoded, frozen=frozen).batch(range(8), generator=np.random.default_rng(0))
    shown = encoded.batch(range(8), generator=np.random.default_rng(0))

    with torch.no_grad():
        expected = towers[1](shown["pixel_values_B3HW"])
    features = kept["image_features_BKV"]
    assert torch.allclose(features.reshape(expected.shape), expected, atol=1e-3, rtol=1e-3)


def test_trials_in_kept_ranks_do_not_grow_memory(figures: list[str], tmp_path: Path) -> None:
    group = LocalGroup(engine())
    resources = TrialResources(store=StageStore(tmp_path / "store"), group=group)
    used: list[int] = []
    try:
        for seed in range(NUM_TRIALS):
            run_trial(trial_of_the_miniature(seed), resources=resources)
            used.append(memory_used(group))
    finally:
        group.close()

    growth = max(used[NUM_FIRST:]) - used[NUM_FIRST - 1]
    what = "GPU memory in use" if ON_CUDA else "memory of the rank"
    figures.append(
        f"{what} after {NUM_TRIALS} trials in kept ranks: {used[-1] / 2**20:.0f} MiB, "
        f"{growth / 2**20:+.1f} MiB since trial {NUM_FIRST}"
    )
    assert growth < GROWTH_BYTES, used


def trial_of_the_miniature(seed: int) -> TrialConfig:
    """Return a short trial with images in its intermediate phase, that shares no stage with those of other seeds."""
    shared = {"batch_size": 32, "max_length": 64, "num_dev_items": 0, "seed": seed}
    return TrialConfig(
        encoder=EncoderConfig(name="miniature"),
        intermediate=PhaseConfig(
            mixture={"miniature_entailment": 1.0},
            steps=5,
            num_examples=200,
            vision=VisionConfig(tower="miniature", freeze=True),
            **shared,
        ),
        target=PhaseConfig(mixture={"miniature_nli": 1.0}, steps=5, num_examples=200, **shared),
        evaluation=EvaluationConfig(task="miniature_nli", languages=("en", "de"), num_items=20, max_length=64),
        engine=engine(),
    )


def memory_used(group: LocalGroup) -> int:
    """Return the memory that is used: of all GPUs, or of the rank's process, in bytes."""
    if ON_CUDA:
        return sum(total - free for free, total in (torch.cuda.mem_get_info(index) for index in range(NUM_GPUS)))
    (rank,) = group._ranks
    return psutil.Process(rank.process.pid).memory_info().rss

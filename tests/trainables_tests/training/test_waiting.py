"""How often training waits for its device: on a GPU each such call lets the device run dry."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.tiny import RARE
from tests.trainables_tests.engine_ranks import Ranks, ranks
from tests.trainables_tests.tiny_jobs import engine, phase
from tests.trainables_tests.training.profiled_training import SYNCHRONISING, failing_step, profiled_training
from trainables.config import EngineConfig, PhaseConfig
from trainables.models.encoder import load_tokenizer

pytestmark = [pytest.mark.usefixtures("tiny_world"), pytest.mark.slow]

NUM_STEPS = 4
SMALL_PASSES = 64


@pytest.fixture(scope="module")
def one_process() -> Iterator[Ranks]:
    with ranks(1) as group:
        yield group


@pytest.mark.parametrize("task", ["mnli", "miniature_text"])
def test_a_step_waits_at_most_once_however_many_passes_it_has(
    task: str, one_process: Ranks, tiny_encoder: Path, tmp_path: Path
) -> None:
    work = phase(mixture={task: 1.0}, steps=NUM_STEPS, num_examples=64, batch_size=32)

    counts = calls(one_process, tiny_encoder, tmp_path, work, engine(tokens_per_micro_batch=SMALL_PASSES))

    assert counts["passes"] > 2 * NUM_STEPS
    assert sum(counts[name] for name in SYNCHRONISING) <= NUM_STEPS


def test_no_pass_waits_where_the_optimiser_is_sharded(one_process: Ranks, tiny_encoder: Path, tmp_path: Path) -> None:
    work = phase(steps=NUM_STEPS, num_examples=64)

    few = calls(one_process, tiny_encoder, tmp_path, work, engine(zero_stage=2))
    many = calls(one_process, tiny_encoder, tmp_path, work, engine(zero_stage=2, tokens_per_micro_batch=SMALL_PASSES))

    assert many.pop("passes") > 2 * few.pop("passes")
    assert many == few


@pytest.mark.parametrize("as_on_gpu", [False, True], ids=["at once", "late"])
def test_a_loss_that_is_not_finite_is_told_with_its_step(
    *, as_on_gpu: bool, one_process: Ranks, tiny_encoder: Path, tmp_path: Path
) -> None:
    encoder = with_nan(tiny_encoder, tmp_path / "encoder")
    work = phase(steps=20)

    (failed,) = one_process.run(failing_step, encoder, tmp_path, work, engine(), as_on_gpu)
    (sound,) = one_process.run(profiled_training, tiny_encoder, tmp_path, work, engine(), as_on_gpu)

    assert failed.step > 0
    assert failed.last_finite == sound.losses[failed.step - 1]


def test_rounded_shapes_and_losses_that_are_read_late_change_no_loss(
    one_process: Ranks, tiny_encoder: Path, tmp_path: Path
) -> None:
    work = phase(steps=NUM_STEPS, num_examples=64)

    (at_once,) = one_process.run(profiled_training, tiny_encoder, tmp_path, work, engine())
    (late,) = one_process.run(profiled_training, tiny_encoder, tmp_path, work, engine(), True)

    assert late.losses == pytest.approx(at_once.losses, abs=1e-5, rel=0)
    assert len(late.losses) == NUM_STEPS


def with_nan(encoder: Path, folder: Path) -> Path:
    """Return a copy of an encoder that computes NaN for the rare word."""
    shutil.copytree(encoder, folder)
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][load_tokenizer(folder).convert_tokens_to_ids(RARE)] = torch.nan
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def calls(group: Ranks, encoder: Path, cache: Path, work: PhaseConfig, config: EngineConfig) -> dict[str, int]:
    (counts,) = group.run(profiled_training, encoder, cache, work, config)
    return counts.calls

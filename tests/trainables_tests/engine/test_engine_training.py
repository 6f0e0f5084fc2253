"""Training a phase on real ranks: how the work is spread changes nothing that counts."""

from __future__ import annotations

import contextlib
import os
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import XLMRobertaModel

from tests.tiny import RARE, write_encoder
from tests.trainables_tests.tiny_jobs import MAX_LENGTH, VISION, Bench, engine, phase
from trainables.config import PhaseConfig
from trainables.data.encoded_split import (
    EncodedRequest,
    EncodedTask,
    TokenizerSource,
    open_encoded_task,
    tokenizer_fingerprint,
)
from trainables.errors import NonFiniteLossError
from trainables.models.encoder import load_encoder, load_tokenizer
from trainables.models.task_model import build_task_model
from trainables.ranks.local_group import LocalGroup
from trainables.tasks.registry import task
from trainables.training.trainer import training_data

pytestmark = pytest.mark.usefixtures("tiny_world")

ONE_TASK = phase()
TWO_TASKS = phase(mixture={"mnli": 0.5, "nlvr": 0.5}, vision=VISION, batch_size=16)
UNEQUAL_TASKS = phase(mixture={"commonsense_qa": 0.25, "nlvr": 0.75}, vision=VISION, batch_size=16, weight_decay=0.1)
WORKLOADS = {"one task": ONE_TASK, "two tasks": TWO_TASKS, "unequal tasks": UNEQUAL_TASKS}
SMALL_MICRO_BATCHES = 64
"""Tokens: blocks of four examples are cut in two or more."""


@pytest.fixture(scope="module")
def bench(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(encoder=tiny_encoder, folder=tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module", params=WORKLOADS.values(), ids=WORKLOADS.keys())
def work(request: pytest.FixtureRequest) -> PhaseConfig:
    return request.param


@pytest.fixture(scope="module")
def losses_of_one_rank(work: PhaseConfig, bench: Bench, one_rank: LocalGroup) -> list[float]:
    return bench.train(one_rank, work).losses


def equal_to(losses: list[float]) -> object:
    return pytest.approx(losses, abs=1e-5, rel=0)


def opened(bench: Bench, name: str) -> EncodedTask:
    """Return a task's train split as the ranks see it."""
    source = TokenizerSource(tokenizer=load_tokenizer(bench.encoder), fingerprint=tokenizer_fingerprint(bench.encoder))
    return open_encoded_task(
        EncodedRequest(spec=task(name), split="train", tokenizer=source, max_length=MAX_LENGTH, cache=bench.cache)
    )


@pytest.mark.slow
@pytest.mark.parametrize("zero_stage", [0, 1, 2, 3])
def test_two_ranks_have_the_losses_of_one_at_every_zero_stage(
    work: PhaseConfig, zero_stage: int, losses_of_one_rank: list[float], bench: Bench, two_ranks: LocalGroup
) -> None:
    config = engine(num_workers=2, zero_stage=zero_stage, tokens_per_micro_batch=SMALL_MICRO_BATCHES)

    assert bench.train(two_ranks, work, config=config).losses == equal_to(losses_of_one_rank)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zero_stage", "offload"), [(0, "none"), (1, "none"), (2, "none"), (3, "none"), (2, "optimizer"), (3, "all")]
)
def test_one_rank_has_the_same_losses_at_every_zero_stage_and_micro_batch(
    work: PhaseConfig,
    zero_stage: int,
    offload: str,
    losses_of_one_rank: list[float],
    bench: Bench,
    one_rank: LocalGroup,
) -> None:
    config = engine(zero_stage=zero_stage, offload=offload, tokens_per_micro_batch=SMALL_MICRO_BATCHES)

    assert bench.train(one_rank, work, config=config).losses == equal_to(losses_of_one_rank)


def test_gradient_checkpointing_leaves_the_losses_as_they_are(bench: Bench, one_rank: LocalGroup) -> None:
    plain = bench.train(one_rank, TWO_TASKS)

    recomputed = bench.train(one_rank, TWO_TASKS, config=engine(gradient_checkpointing=True))

    assert recomputed.losses == equal_to(plain.losses)


def test_losses_are_those_of_a_plain_loop_in_torch(bench: Bench, one_rank: LocalGroup) -> None:
    work = phase(learning_rate=3e-3, weight_decay=0.3, adam_beta2=0.98, max_gradient_norm=0.5)

    trained = bench.train(one_rank, work)

    assert trained.losses == equal_to(losses_of_a_plain_loop(work, bench))


def losses_of_a_plain_loop(work: PhaseConfig, bench: Bench) -> list[float]:
    """Train as a textbook would: transformers' encoder, one batch a step, torch's AdamW and clipping."""
    data = training_data(work, {"mnli": opened(bench, "mnli")})
    model = build_task_model(work, {"mnli": task("mnli")}, encoder=load_encoder(bench.encoder, dropout=0.0))
    head = {name: value.clone() for name, value in model.heads["mnli"].scorer.state_dict().items()}
    weights = {name: torch.nn.Parameter(value) for name, value in head.items()}
    encoder = XLMRobertaModel.from_pretrained(
        bench.encoder, add_pooling_layer=False, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    parameters = [*encoder.parameters(), *weights.values()]
    optimizer = torch.optim.AdamW(
        [
            {"params": [one for one in parameters if one.ndim == 2], "weight_decay": work.weight_decay},
            {"params": [one for one in parameters if one.ndim == 1], "weight_decay": 0.0},
        ],
        betas=(0.9, work.adam_beta2),
        eps=work.adam_epsilon,
        foreach=False,
    )
    losses = []
    for step in range(20):
        (block,) = data.plan.step(step)
        batch = data.tasks["mnli"].batch(block.indices, generator=np.random.default_rng(0))
        mask = batch["attention_mask_BT"]
        hidden = encoder(input_ids=batch["input_ids_BT"], attention_mask=mask).last_hidden_state
        mean = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        normed = torch.nn.functional.layer_norm(
            mean, mean.shape[-1:], weights["norm.weight"], weights["norm.bias"], 1e-12
        )
        inner = torch.tanh(normed @ weights["dense.weight"].T + weights["dense.bias"])
        logits = inner @ weights["out_proj.weight"].T + weights["out_proj.bias"]
        loss = torch.nn.functional.cross_entropy(logits, batch["labels_B"])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, work.max_gradient_norm)
        warmed_up, left = (step + 1) / 3, (20 - step) / 18  # 10 % of 20 steps warm up
        for group in optimizer.param_groups:
            group["lr"] = work.learning_rate * min(warmed_up, left)
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.slow
def test_one_rank_trains_to_the_same_bits_in_two_fresh_processes(bench: Bench) -> None:
    work = phase(mixture={"mnli": 0.5, "nlvr": 0.5}, vision=VISION, batch_size=16, dropout=0.2)

    with contextlib.closing(LocalGroup(engine())) as first_process:
        first = bench.train(first_process, work)
    with contextlib.closing(LocalGroup(engine())) as second_process:
        second, third = bench.train(second_process, work), bench.train(second_process, work)

    assert [second.losses, third.losses] == [first.losses, first.losses]
    assert [second.checksum, third.checksum] == [first.checksum, first.checksum]


def test_another_seed_trains_other_weights(bench: Bench, one_rank: LocalGroup) -> None:
    first, other = bench.train(one_rank, phase(steps=2)), bench.train(one_rank, phase(steps=2, seed=1))

    assert first.checksum != other.checksum


def test_dropout_changes_the_losses(bench: Bench, one_rank: LocalGroup) -> None:
    assert bench.train(one_rank, phase(dropout=0.2)).losses != bench.train(one_rank, phase()).losses


def test_bfloat16_learns_and_keeps_its_weights_in_float32(bench: Bench, one_rank: LocalGroup) -> None:
    work = phase(steps=60, learning_rate=3e-3)

    trained = bench.train(one_rank, work, config=engine(precision="bfloat16"))

    assert statistics.fmean(trained.losses[-10:]) < statistics.fmean(trained.losses[:10]) - 0.1
    assert {tensor.dtype for tensor in load_file(trained.folder / "model.safetensors").values()} == {torch.float32}
    assert trained.losses[:20] != bench.train(one_rank, work).losses[:20]


def test_a_float16_checkpoint_trains_as_its_float32_copy_does(one_rank: LocalGroup, tmp_path: Path) -> None:
    half = Bench(encoder=write_encoder(tmp_path / "half", dtype=torch.float16), folder=tmp_path / "half-bench")
    whole = Bench(encoder=write_encoder(tmp_path / "whole"), folder=tmp_path / "whole-bench")
    weights = load_file(half.encoder / "model.safetensors")
    save_file(
        {name: value.float() for name, value in weights.items()}, whole.encoder / "model.safetensors", {"format": "pt"}
    )

    from_half, from_whole = half.train(one_rank, ONE_TASK), whole.train(one_rank, ONE_TASK)

    assert (from_half.losses, from_half.checksum) == (from_whole.losses, from_whole.checksum)


def test_a_loss_that_is_not_a_number_is_reported_with_its_step(
    bench: Bench, one_rank: LocalGroup, tmp_path: Path
) -> None:
    broken = Bench(encoder=write_encoder(tmp_path / "broken"), folder=tmp_path / "broken-bench")
    rare = load_tokenizer(broken.encoder).convert_tokens_to_ids(RARE)
    weights = load_file(broken.encoder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][rare] = torch.nan
    save_file(weights, broken.encoder / "model.safetensors", {"format": "pt"})
    sound = bench.train(one_rank, ONE_TASK)
    step = first_step_with(rare, bench)

    with pytest.raises(NonFiniteLossError, match="lower the learning rate") as caught:
        broken.train(one_rank, ONE_TASK)

    assert caught.value.step == step > 0
    assert caught.value.last_finite == pytest.approx(sound.losses[step - 1])


def first_step_with(token: int, bench: Bench) -> int:
    """Return the first step of ONE_TASK whose batch holds a token."""
    data = training_data(ONE_TASK, {"mnli": opened(bench, "mnli")})
    batches = [
        data.tasks["mnli"].batch(data.plan.step(step)[0].indices, generator=np.random.default_rng(0))
        for step in range(20)
    ]
    return next(step for step, batch in enumerate(batches) if bool((batch["input_ids_BT"] == token).any()))


def is_rank_of_ours(process: dict[str, Any]) -> bool:
    """Whether a process is a rank that this one started; what has ended meanwhile has no command line."""
    return process["ppid"] == os.getpid() and "trainables.ranks.rank_process" in (process["cmdline"] or ())


@pytest.mark.slow
def test_ranks_of_one_machine_listen_on_loopback_alone(bench: Bench, two_ranks: LocalGroup) -> None:
    bench.train(two_ranks, phase(steps=1))

    ranks = [rank for rank in psutil.process_iter(["cmdline", "ppid"]) if is_rank_of_ours(rank.info)]
    sockets = [one for rank in ranks for one in rank.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
    assert len(ranks) >= 2
    assert {one.laddr.ip for one in sockets} == {"127.0.0.1"}

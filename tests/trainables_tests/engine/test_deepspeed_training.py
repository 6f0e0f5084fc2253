"""Training with a user's settings for DeepSpeed, and with gradients summed in one type or another, on real ranks."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import JsonValue

from tests.trainables_tests.engine_ranks import Ranks, Stepped, ranks, stepped
from tests.trainables_tests.tiny_jobs import Bench, engine, phase
from trainables.config import EngineConfig
from trainables.errors import InputError
from trainables.ranks.local_group import LocalGroup

HARMLESS: dict[str, JsonValue] = {
    "wall_clock_breakdown": True,
    "comms_logger": {"enabled": True, "verbose": False},
    "steps_per_print": 5,
    "activation_checkpointing": {"cpu_checkpointing": False},
    "zero_optimization": {
        "reduce_bucket_size": 4000,
        "allgather_bucket_size": 5000,
        "round_robin_gradients": True,
        "stage3_prefetch_bucket_size": 0,
        "stage3_param_persistence_threshold": 100,
        "sub_group_size": 3000,
    },
}
EXACT = 1e-5
"""Relative difference of gradients that are summed in another order."""
ROUNDED = 1e-2
"""Relative difference of gradients, and weights, that are rounded to bfloat16 on their way: docs/decisions/0023."""


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bench(tiny_world: None, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    del tiny_world
    return Bench(encoder=tiny_encoder, folder=tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def group() -> Iterator[Ranks]:
    with ranks(2) as group:
        yield group


def equal_to(losses: list[float]) -> object:
    return pytest.approx(losses, abs=1e-5, rel=0)


@pytest.mark.parametrize("zero_stage", [0, 1, 2, 3])
def test_harmless_settings_train_as_without_them(zero_stage: int, bench: Bench, two_ranks: LocalGroup) -> None:
    plain = engine(num_workers=2, zero_stage=zero_stage, tokens_per_micro_batch=64)
    settings = HARMLESS if zero_stage != 2 else HARMLESS | {"zero_optimization": OVERLAPPING}

    without = bench.train(two_ranks, phase(steps=6), config=plain)
    trained = bench.train(two_ranks, phase(steps=6), config=plain.model_copy(update={"deepspeed": settings}))

    assert trained.losses == equal_to(without.losses)


OVERLAPPING: dict[str, JsonValue] = {"overlap_comm": True, "reduce_bucket_size": 4000, "contiguous_gradients": True}


@pytest.mark.parametrize("zero_stage", [0, 3])
def test_activations_that_deepspeed_recomputes_are_the_same(
    zero_stage: int, bench: Bench, one_rank: LocalGroup
) -> None:
    work = phase(steps=6, dropout=0.1, freeze_embeddings=True)
    settings: dict[str, JsonValue] = {"activation_checkpointing": {"number_checkpoints": 2}}

    plain = bench.train(one_rank, work, config=engine(zero_stage=zero_stage))
    config = engine(zero_stage=zero_stage, gradient_checkpointing=True, deepspeed=settings)
    recomputed = bench.train(one_rank, work, config=config)

    assert recomputed.losses == equal_to(plain.losses)


def test_keeping_activations_in_the_hosts_memory_is_refused_where_they_are_there_anyway(
    bench: Bench, one_rank: LocalGroup
) -> None:
    settings: dict[str, JsonValue] = {"activation_checkpointing": {"cpu_checkpointing": True}}

    with pytest.raises(InputError, match="cpu_checkpointing' has no effect"):
        bench.train(one_rank, phase(steps=2), config=engine(gradient_checkpointing=True, deepspeed=settings))


def gradients(group: Ranks, config: EngineConfig) -> Stepped:
    """Return what rank 0 made."""
    return max(group.run(functools.partial(stepped, config)), key=lambda one: len(one.gradient))


def difference(one: Stepped, other: Stepped) -> float:
    """Return the largest relative difference of two gradients, parameter by parameter."""
    pairs = [(one.gradient[name], other.gradient[name]) for name in other.gradient]
    return max(float((left - right).norm() / right.norm()) for left, right in pairs)


@pytest.fixture(scope="module")
def at_stage_0(group: Ranks) -> dict[tuple[str, str], Stepped]:
    """What two ranks make at ZeRO 0, by precision and reduction."""
    kinds = (("float32", "float32"), ("bfloat16", "float32"), ("bfloat16", "bfloat16"))
    return {kind: gradients(group, engine(precision=kind[0], reduction=kind[1])) for kind in kinds}


@pytest.mark.parametrize("zero_stage", [1, 2, 3])
@pytest.mark.parametrize(
    ("precision", "reduction", "tolerance"),
    [("float32", "float32", EXACT), ("bfloat16", "float32", EXACT), ("bfloat16", "bfloat16", ROUNDED)],
)
def test_two_ranks_agree_with_zero_0_as_documented(
    zero_stage: int,
    precision: str,
    reduction: str,
    tolerance: float,
    group: Ranks,
    at_stage_0: dict[tuple[str, str], Stepped],
) -> None:
    made = gradients(group, engine(zero_stage=zero_stage, precision=precision, reduction=reduction))

    assert difference(made, at_stage_0[precision, reduction]) < tolerance


def test_summing_in_bfloat16_rounds_gradients(at_stage_0: dict[tuple[str, str], Stepped]) -> None:
    exact, rounded = at_stage_0["bfloat16", "float32"], at_stage_0["bfloat16", "bfloat16"]

    assert 100 * EXACT < difference(rounded, exact) < ROUNDED


@pytest.mark.parametrize("zero_stage", [1, 2, 3])
def test_another_type_for_sums_reaches_deepspeed_whatever_ran_before(
    zero_stage: int, group: Ranks, at_stage_0: dict[tuple[str, str], Stepped]
) -> None:
    gradients(group, engine(zero_stage=zero_stage, precision="bfloat16"))  # DeepSpeed would remember that it ran

    made = gradients(group, engine(zero_stage=zero_stage, deepspeed={"communication_data_type": "bf16"}))

    assert 100 * EXACT < difference(made, at_stage_0["float32", "float32"]) < ROUNDED


@pytest.mark.parametrize(("zero_stage", "offload"), [(1, "optimizer"), (2, "optimizer"), (3, "optimizer"), (3, "all")])
def test_an_offloaded_optimizer_steps_as_one_that_is_not(
    zero_stage: int, offload: str, group: Ranks, at_stage_0: dict[tuple[str, str], Stepped]
) -> None:
    made = gradients(group, engine(zero_stage=zero_stage, offload=offload))

    assert difference(made, at_stage_0["float32", "float32"]) < EXACT
    assert made.losses == pytest.approx(at_stage_0["float32", "float32"].losses, abs=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_a_rank_trains_does_not_depend_on_the_zero_stages_it_ran_before(precision: str, group: Ranks) -> None:
    config = engine(precision=precision)

    before = gradients(group, config)
    gradients(group, engine(zero_stage=3, precision="bfloat16", reduction="bfloat16"))
    after = gradients(group, config)

    assert after.losses == before.losses
    assert difference(after, before) == 0


def test_gradients_are_of_every_parameter(at_stage_0: dict[tuple[str, str], Stepped]) -> None:
    made: Any = at_stage_0["float32", "float32"].gradient

    assert len(made) == 11
    assert all(torch.count_nonzero(gradient) for gradient in made.values())

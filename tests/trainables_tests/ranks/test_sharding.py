"""`engine.zero_stage: auto` is the least sharding that fits, by a rule that agrees with what ranks really hold."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny_families import FIELDS, family_config, random_model, write_family
from tests.trainables_tests.engine_ranks import Ranks, bytes_held, ranks
from tests.trainables_tests.tiny_jobs import Bench, engine, phase, trial
from trainables.config import AdapterConfig, EngineConfig
from trainables.config.deepspeed_settings import ZERO
from trainables.config.trial import ZeroStage
from trainables.models.encoder import load_tokenizer, new_encoder
from trainables.models.families.adapted_matrices import adapter_bytes
from trainables.models.families.by_name import FAMILIES
from trainables.models.pretrained.encoder_size import encoder_size
from trainables.plan.provenance import read_provenance
from trainables.plan.stage_plan import plan_stages
from trainables.ranks.devices import HostResources, settle_devices
from trainables.ranks.gpu_memory import UNKNOWN_GIGABYTES, gigabytes_of
from trainables.ranks.local_group import LocalGroup
from trainables.ranks.sharding import (
    Room,
    TrainedModel,
    activation_bytes,
    choose_sharding,
    pass_tokens,
    sharding,
    state_bytes,
)
from trainables.trials.memory_plan import fitted_fields, rank_room, trained_model

GB = 1e9
SCORING, RECOMPUTING = {"evaluation_precision": "bfloat16"}, {"gradient_checkpointing": True}
BASE = {"model_type": "xlm-roberta", "vocab_size": 250002}
LARGE: dict[str, Any] = {**BASE, "hidden_size": 1024, "num_hidden_layers": 24, "intermediate_size": 4096}
XL: dict[str, Any] = {"model_type": "xlm-roberta-xl"}
XXL: dict[str, Any] = {**XL, "hidden_size": 4096, "num_hidden_layers": 48, "intermediate_size": 16384}
ORDER = [(0, "none"), (1, "none"), (2, "none"), (3, "none"), (2, "optimizer"), (3, "optimizer"), (3, "all")]


def model(config: dict[str, Any], **fields: Any) -> TrainedModel:
    size = encoder_size(config)
    given: dict[str, Any] = {"size": size, "num_trained": size.num_parameters, "precision": "bfloat16", **fields}
    return TrainedModel(**given)


def room(num_ranks: int, gigabytes: float, *, host: float = 0.0) -> Room:
    return Room(num_ranks=num_ranks, device_bytes=gigabytes * GB, host_bytes=host * GB)


def way(config: dict[str, Any], given: Room, **fields: Any) -> tuple[int, str, bool]:
    found = choose_sharding(model(config, **fields), room=given)
    return found.stage, found.offload, found.fits


@pytest.mark.parametrize(
    ("config", "given", "expected"),
    [
        (BASE, room(1, 24), (0, "none", True)),
        (BASE, room(8, 24), (0, "none", True)),
        (LARGE, room(1, 24), (0, "none", True)),
        (LARGE, room(1, 8), (0, "none", False)),
        (LARGE, room(1, 8, host=64), (2, "optimizer", True)),
        (LARGE, room(4, 12), (1, "none", True)),
        (XL, room(8, 80), (0, "none", True)),
        (XL, room(8, 64), (1, "none", True)),
        (XL, room(8, 40), (2, "none", True)),
        (XL, room(8, 24), (3, "none", True)),
        (XL, room(1, 32, host=128), (3, "all", True)),
        (XL, room(1, 32, host=32), (3, "all", False)),
        (XXL, room(8, 80), (3, "none", True)),
    ],
)
def test_the_least_sharding_that_fits_is_chosen(
    config: dict[str, Any], given: Room, expected: tuple[int, str, bool]
) -> None:
    assert way(config, given) == expected


def test_xl_on_eight_gpus_of_24_gb_is_the_sum_of_its_parts() -> None:
    xl = model(XL)
    found = choose_sharding(xl, room=room(8, 24))

    parameters = xl.size.num_parameters
    states, on_host = state_bytes(xl, stage=3, num_ranks=8)
    gathered = 6 * 1e9 + 4 * 250880 * 2560 + 4 * 50e6  # live weights twice, the embeddings' gradient, a bucket
    activations = 1024 * activation_bytes(xl, recomputes=found.recomputes)
    layer = 1024 * (42 * 2560 + 4 * 10240) if found.recomputes else 0

    assert parameters == pytest.approx(3.48e9, rel=0.01)
    assert (states, on_host) == (pytest.approx((16 + 4) * parameters / 8), 0)
    assert found.device_bytes == pytest.approx(states + gathered + activations + layer)
    assert found.device_bytes + 1e9 < 0.9 * 24e9
    assert not any(sharding(xl, stage=stage, room=room(8, 24), recomputes=True).fits for stage in (0, 1, 2))


sizes = st.fixed_dictionaries(
    {"hidden_size": st.sampled_from([256, 768, 1024, 2560]), "num_hidden_layers": st.integers(2, 48)}
)


@given(
    fields=sizes, num_ranks=st.integers(1, 64), low=st.floats(2, 100), more=st.floats(0, 100), host=st.floats(0, 500)
)
def test_more_memory_never_needs_more_sharding(
    fields: dict[str, Any], num_ranks: int, low: float, more: float, host: float
) -> None:
    config = {**BASE, "intermediate_size": 4 * fields["hidden_size"], **fields}
    small, large = room(num_ranks, low, host=host), room(num_ranks, low + more, host=host)

    found, with_more = choose_sharding(model(config), room=small), choose_sharding(model(config), room=large)

    if found.fits:
        assert with_more.fits
        assert with_more.offload == "none" or found.offload != "none"
    assert host or found.offload == "none"


@pytest.mark.parametrize("offload", ["none", "optimizer", "all"])
def test_offloading_that_the_user_writes_is_obeyed(offload: Any) -> None:
    found = choose_sharding(model(BASE), room=room(2, 80, host=200), offload=offload)

    assert (found.stage, found.offload) == {"none": (0, offload), "optimizer": (1, offload), "all": (3, offload)}[
        offload
    ]


@given(
    fields=sizes,
    num_ranks=st.integers(1, 16),
    gigabytes=st.floats(8, 200),
    precision=st.sampled_from(["float32", "bfloat16"]),
)
def test_a_pass_has_as_many_tokens_as_fit(
    fields: dict[str, Any], num_ranks: int, gigabytes: float, precision: str
) -> None:
    config = {**BASE, "intermediate_size": 4 * fields["hidden_size"], **fields}
    trained, given = model(config, precision=precision), room(num_ranks, gigabytes)
    way = choose_sharding(trained, room=given)

    tokens = pass_tokens(trained, way=way, room=given)

    layer = (activation_bytes(trained, recomputes=False) / fields["num_hidden_layers"]) if way.recomputes else 0
    of_token = activation_bytes(trained, recomputes=way.recomputes) + layer
    held = way.device_bytes + (tokens - 1024) * of_token
    assert tokens.bit_count() == 1
    assert 1024 <= tokens <= 65_536
    if way.fits:
        assert held + 1e9 <= 0.9 * given.device_bytes * (1 + 1e-9)
        assert tokens == 65_536 or held + tokens * of_token + 1e9 > 0.9 * given.device_bytes


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({}, {**SCORING, "zero_stage": 3, "gradient_checkpointing": True, "tokens_per_micro_batch": 4096}),
        ({"tokens_per_micro_batch": 512}, {**SCORING, "zero_stage": 3, "gradient_checkpointing": True}),
        ({"zero_stage": 2}, {**SCORING, "gradient_checkpointing": True, "tokens_per_micro_batch": 1024}),
        ({"gradient_checkpointing": True}, {**SCORING, "zero_stage": 3, "tokens_per_micro_batch": 4096}),
        ({"zero_stage": 3, "gradient_checkpointing": True, "tokens_per_micro_batch": 64}, SCORING),
        ({"zero_stage": 3, "evaluation_precision": "float32", "tokens_per_micro_batch": 64}, RECOMPUTING),
    ],
)
def test_what_the_user_leaves_open_is_settled_for_xl_on_eight_gpus_of_24_gb(
    written: dict[str, Any], expected: dict[str, Any]
) -> None:
    config = EngineConfig(num_workers=8, precision="bfloat16", **written)
    trained = model(XL, recomputing=config.gradient_checkpointing)

    assert fitted_fields(config, model=trained, room=room(8, 24)).values == expected


def test_stage_1_is_not_chosen_where_the_users_settings_exclude_it() -> None:
    overlapping: dict[str, Any] = {ZERO: {"overlap_comm": True}}

    def stage(**fields: Any) -> object:
        config = EngineConfig(num_workers=4, precision="bfloat16", **fields)
        return fitted_fields(config, model=model(LARGE), room=room(4, 12)).values["zero_stage"]

    assert (stage(), stage(deepspeed=overlapping)) == (1, 2)


def test_attention_that_keeps_its_scores_needs_more_room() -> None:
    kept = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
    deberta, xlmr = (model({**kept, "model_type": name}) for name in ("deberta-v2", "xlm-roberta"))

    differ = activation_bytes(deberta, recomputes=False) - activation_bytes(xlmr, recomputes=False)

    assert differ == 12 * 2 * 4 * 12 * 256


def test_frozen_parameters_take_no_gradients_and_no_moments() -> None:
    size = encoder_size(LARGE)
    frozen = size.num_trained(freeze_embeddings=True, freeze_layers=12)

    held, _ = state_bytes(model(LARGE, num_trained=frozen), stage=0, num_ranks=1)

    assert frozen == sum(size.of_layers[12:])
    assert held == 4 * size.num_parameters + 12 * frozen


@pytest.mark.parametrize("family", FIELDS)
def test_sizes_are_those_of_the_model(family: str) -> None:
    config = family_config(family, vocab_size=60)
    size = encoder_size(config)
    made = random_model(family)
    layers = FAMILIES[family].layers(made)

    assert size.num_parameters == sum(weight.numel() for weight in made.parameters())
    assert len(size.of_layers) == len(layers)
    assert size.largest_tensor == max(weight.numel() for weight in made.parameters())


@pytest.fixture(scope="module")
def group() -> Iterator[Ranks]:
    with ranks(2) as group:
        yield group


@pytest.mark.slow
@pytest.mark.parametrize("zero_stage", [0, 1, 2, 3])
def test_ranks_hold_what_the_rule_says(zero_stage: ZeroStage, group: Ranks) -> None:
    small_buckets: dict[str, Any] = {ZERO: {"reduce_bucket_size": 1000, "stage3_prefetch_bucket_size": 0}}
    config = EngineConfig(num_workers=2, zero_stage=zero_stage, deepspeed=small_buckets)

    held = max(group.run(bytes_held, config))

    ruled = model(LARGE, num_trained=encoder_size(LARGE).num_parameters)
    expected = state_bytes(ruled, stage=zero_stage, num_ranks=2)[0] / ruled.num_trained
    assert held == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_activations_take_what_the_rule_says(precision: Any) -> None:
    config = {**BASE, "vocab_size": 100, "hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 2}
    config |= {"intermediate_size": 512, "max_position_embeddings": 40, "pad_token_id": 1}
    encoder = new_encoder(config, dropout=0.1)
    encoder.train()
    weights = {weight.untyped_storage().data_ptr() for weight in encoder.parameters()}
    saved: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    tokens_BT = torch.full((8, 16), 5)
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"),
    ):
        encoder(tokens_BT, torch.ones_like(tokens_BT, dtype=torch.bool))

    kept = sum(tensor.untyped_storage().nbytes() for tensor in saved.values()) / tokens_BT.numel()
    assert activation_bytes(model(config, precision=precision), recomputes=False) == pytest.approx(kept, rel=0.25)


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_world")
def test_two_ranks_train_a_small_xl_at_the_stage_that_is_chosen_for_the_large_one(
    tiny_encoder: Path, one_rank: LocalGroup, two_ranks: LocalGroup, tmp_path: Path
) -> None:
    tokenizer: Any = load_tokenizer(tiny_encoder)
    encoder = write_family(tmp_path / "encoder", "xlm-roberta-xl", tokenizer=tokenizer)
    bench = Bench(encoder=encoder, folder=tmp_path / "bench")
    chosen = choose_sharding(model(XL), room=room(8, 24))
    config = engine(num_workers=2, zero_stage=chosen.stage, offload=chosen.offload, tokens_per_micro_batch=128)

    alone = bench.train(one_rank, phase(steps=8)).losses
    sharded = bench.train(two_ranks, phase(steps=8), config=config).losses

    assert chosen.stage == 3
    assert sharded == pytest.approx(alone, abs=1e-4, rel=0)


@pytest.mark.usefixtures("tiny_world")
def test_the_stage_is_in_no_key_and_what_nobody_has_settled_is_stage_0(tiny_encoder: Path) -> None:
    config = trial(tiny_encoder)

    def keys(**fields: Any) -> list[str]:
        changed = config.model_copy(update={"engine": EngineConfig(**fields)})
        return [stage.key for stage in plan_stages(changed, provenance=read_provenance(changed))]

    assert keys() == keys(zero_stage=3, offload="all", num_workers=8, tokens_per_micro_batch=64)
    assert (EngineConfig().stage, EngineConfig().offloaded, EngineConfig().pass_tokens) == (0, "none", 4096)
    assert EngineConfig().deciding() == EngineConfig(zero_stage=2, offload="optimizer").deciding()


def test_the_memory_of_a_rank_is_that_of_the_smallest_gpu_it_may_get() -> None:
    mixed = [
        HostResources(cpus=64, gpus=8, accelerator_types=frozenset({"H100"}), memory_bytes=1024 * GB),
        HostResources(cpus=64, gpus=4, accelerator_types=frozenset({"A10G"}), memory_bytes=256 * GB),
    ]
    known = [dataclasses.replace(mixed[0], gpu_bytes=79 * GB)]

    any_gpu, shared = EngineConfig(num_workers=2), EngineConfig(num_workers=2, gpus_per_worker=0.5)
    only = EngineConfig(num_workers=2, accelerator_type="H100")

    assert settle_devices(any_gpu, hosts=mixed).memory_bytes == 24 * GB
    assert settle_devices(shared, hosts=mixed).memory_bytes == 12 * GB
    assert settle_devices(only, hosts=mixed).memory_bytes == 80 * GB
    assert settle_devices(any_gpu, hosts=known).memory_bytes == 79 * GB
    assert settle_devices(EngineConfig(device="cpu"), hosts=mixed).memory_bytes == 0
    found = rank_room(any_gpu, devices=settle_devices(any_gpu, hosts=mixed), hosts=mixed)
    assert found == Room(num_ranks=2, device_bytes=24 * GB, host_bytes=64 * GB)


@pytest.mark.parametrize(
    ("name", "gigabytes"),
    [("A100-80G", 80), ("A100", 40), ("A10G", 24), ("L4", 24), ("L40S", 48), ("H200", 141), ("T4", 16), ("V100", 16)],
)
def test_the_memory_of_a_gpu_is_known_by_its_name_in_ray(name: str, gigabytes: int) -> None:
    assert gigabytes_of(name) == gigabytes
    assert gigabytes_of("a new one") == UNKNOWN_GIGABYTES


def test_the_largest_encoder_decides_and_one_that_is_missing_does_not(tiny_encoder: Path, tmp_path: Path) -> None:
    config = trial(tiny_encoder)

    found = trained_model([config], encoders=[str(tmp_path / "missing")], engine=config.engine)
    with_miniature = trained_model([config], encoders=["miniature"], engine=config.engine)

    assert found is not None
    assert with_miniature is not None
    assert with_miniature.size.num_parameters > found.size.num_parameters == found.num_trained
    missing = config.model_copy(update={"encoder": config.encoder.model_copy(update={"name": str(tmp_path / "no")})})
    assert trained_model([missing], engine=config.engine) is None


def test_of_an_encoder_with_an_adapter_only_the_adapter_is_trained(tiny_encoder: Path) -> None:
    config, adapter = trial(tiny_encoder), AdapterConfig(rank=2, targets="all")
    shape = json.loads((tiny_encoder / "config.json").read_text())
    adapted = config.model_copy(update={"target": config.target.model_copy(update={"adapter": adapter})})

    alone = [adapted]

    whole, small = (trained_model(configs, engine=config.engine) for configs in ([adapted, config], alone))
    varying = trained_model(alone, engine=config.engine, freezing_varies=True)
    assert whole is not None
    assert small is not None
    assert varying is not None
    assert whole.num_trained == varying.num_trained == whole.size.num_parameters
    assert small.num_trained == adapter_bytes(shape, adapter, bytes_per_weight=1) < whole.num_trained / 2
    assert small.size == whole.size

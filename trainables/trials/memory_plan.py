"""What trials train and the memory that their ranks have: the inputs of the rules that fit training to devices."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any  # values of fields of several types

from trainables.config import EngineConfig, PhaseConfig, TrialConfig
from trainables.config.deepspeed_settings import ZERO
from trainables.errors import TrainablesError
from trainables.models.families.adapted_matrices import adapter_bytes
from trainables.models.pretrained.encoder_size import EncoderSize, encoder_size
from trainables.plan.provenance import phases_of
from trainables.plan.starting_weights import encoder_config_of
from trainables.ranks.devices import HostResources, RankDevices
from trainables.ranks.sharding import Room, TrainedModel, choose_sharding, fastest_way, pass_tokens


def trained_model(
    configs: Sequence[TrialConfig], *, encoders: Sequence[str] = (), engine: EngineConfig, freezing_varies: bool = False
) -> TrainedModel | None:
    """Return the largest model that trials train; None if no encoder of theirs can be read.

    Only configurations of encoders are read, or downloaded.

    Args:
        configs: The trials, at least one.
        encoders: Names of further encoders.
        engine: Their engine, with a settled precision.
        freezing_varies: Whether other trials may freeze less than these, or train other adapters.
    """
    names = [config.encoder.name for config in configs]
    shapes = list(_shapes([*names, *encoders], revision=configs[0].encoder.revision))
    if not shapes:
        return None
    shape, size = max(((one, encoder_size(one)) for one in shapes), key=lambda found: found[1].num_parameters)
    phases = [] if freezing_varies else [work for config in configs for work in phases_of(config).values()]
    trained = [_num_trained(work, size=size, shape=shape) for work in phases]
    return TrainedModel(
        size=size,
        num_trained=max(trained, default=size.num_parameters),
        precision=engine.arithmetic,
        max_length=max(work.max_length for config in configs for work in phases_of(config).values()),
        recomputing=engine.gradient_checkpointing,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedFields:
    """The fields of an engine that are `auto`, settled for GPUs."""

    values: Mapping[str, Any]
    """Field -> value."""
    reasons: Mapping[str, str]
    """Field -> why, for the user."""


def fitted_fields(engine: EngineConfig, *, model: TrainedModel, room: Room) -> FittedFields:
    """Return ZeRO stage, offloading, recomputing and tokens of a pass, where the user leaves them open. Pure.

    Args:
        engine: The user's settings.
        model: What is trained.
        room: The memory of its ranks.
    """
    values: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    if engine.evaluation_precision == "auto" and engine.arithmetic != "float32":
        values["evaluation_precision"] = engine.arithmetic
    if engine.zero_stage == "auto":
        way = choose_sharding(model, room=room, offload=engine.offload)
        if way.stage == 1 and _overlaps(engine):  # DeepSpeed cannot at stage 1 (`checks.preflight`)
            way = fastest_way(model, stage=2, offload=way.offload, room=room)
        values["zero_stage"], reasons["zero_stage"] = way.stage, way.in_words(room)
        if engine.offload == "auto" and way.offload != "none":
            values["offload"] = way.offload
    else:
        way = fastest_way(model, stage=engine.zero_stage, offload=engine.offloaded, room=room)
    if engine.gradient_checkpointing == "auto" and way.recomputes:
        values["gradient_checkpointing"] = True
    if engine.tokens_per_micro_batch == "auto":
        values["tokens_per_micro_batch"] = pass_tokens(model, way=way, room=room)
        kept = "are recomputed" if way.recomputes else "are kept"
        reasons["tokens_per_micro_batch"] = f"{room.device_bytes / 1e9:.0f} GB, and activations {kept}"
    return FittedFields(values=values, reasons=reasons)


def _overlaps(engine: EngineConfig) -> bool:
    """Return whether the user's DeepSpeed settings send gradients during the backward pass."""
    zero = engine.deepspeed.get(ZERO)
    return isinstance(zero, dict) and zero.get("overlap_comm") is True


def rank_room(engine: EngineConfig, *, devices: RankDevices, hosts: Sequence[HostResources]) -> Room:
    """Return the memory for the ranks of a trial on GPUs. Pure.

    Args:
        engine: Its engine.
        devices: Settled devices of its ranks.
        hosts: Hosts that ranks can be on.
    """
    shares = [
        host.memory_bytes / max(1.0, math.floor(host.gpus / devices.gpus_per_rank)) for host in hosts if host.gpus
    ]
    return Room(num_ranks=engine.num_workers, device_bytes=devices.memory_bytes, host_bytes=min(shares, default=0.0))


def _num_trained(work: PhaseConfig, *, size: EncoderSize, shape: Mapping[str, Any]) -> int:
    """Return the number of an encoder's or an adapter's weights that a phase trains, without heads."""
    if work.adapter is not None:
        return adapter_bytes(shape, work.adapter, bytes_per_weight=1)
    return size.num_trained(freeze_embeddings=work.freeze_embeddings, freeze_layers=work.freeze_layers)


def _shapes(names: Sequence[str], *, revision: str | None) -> Iterator[Mapping[str, Any]]:
    """Yield encoders' configurations; one that cannot be read is left out: the checks before a start name it."""
    for name in dict.fromkeys(names):
        with contextlib.suppress(TrainablesError):
            yield encoder_config_of(name, revision=revision)

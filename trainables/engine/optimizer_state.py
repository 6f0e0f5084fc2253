"""Reads AdamW's state from an engine as full tensors, and writes it into a new engine with any sharding.

DeepSpeed's own checkpoints hold a pickle and cannot change the number of ranks (docs/decisions/0008). Weights are no
part of this: they are put into the module before its engine is built, so that every partition is cut from them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any  # DeepSpeed's optimisers and the attributes that it gives to parameters are untyped

import torch
import torch.distributed as dist
from torch import Tensor, nn

MOMENTS = ("exp_avg", "exp_avg_sq")
"""Names that torch's AdamW gives to the two moments it keeps of each parameter."""

_SHARDS_PARAMETERS = 3
"""The ZeRO stage from which a rank holds only a part of each parameter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizerState:
    """AdamW's state after some steps."""

    step: int
    """Optimiser steps taken; at least 1."""
    moments: Mapping[str, Mapping[str, Tensor]]
    """Moment -> parameter name -> tensor of the parameter's shape, float32, on the CPU."""


def read_optimizer_state(module: nn.Module, *, optimizer: Any, zero_stage: int) -> OptimizerState | None:
    """Return the state on rank 0 and None on the others. A collective, after at least one step of this engine.

    Args:
        module: The engine's module.
        optimizer: DeepSpeed's wrapper of AdamW.
        zero_stage: ZeRO stage of the engine.
    """
    moments: dict[str, dict[str, Tensor]] = {moment: {} for moment in MOMENTS}
    for name, parameter in _trained(module):
        for moment in MOMENTS:
            tensor = _full(parameter, moment, optimizer=optimizer, zero_stage=zero_stage)
            if dist.get_rank() == 0:
                moments[moment][name] = tensor.detach().float().cpu().clone()
    if dist.get_rank() != 0:
        return None
    return OptimizerState(step=_steps_taken(optimizer), moments=moments)


def write_optimizer_state(state: OptimizerState, *, module: nn.Module, optimizer: Any, zero_stage: int) -> None:
    """Write a state into a new engine's optimiser. Every rank calls it with the same state, before the first step.

    Raises:
        KeyError: The state lacks a parameter of the module.
    """
    torch_optimizer = _torch_optimizer(optimizer)
    for name, parameter in _trained(module):
        for place, cut in _places(parameter, optimizer=optimizer, zero_stage=zero_stage):
            kept = torch_optimizer.state[place]
            if not kept:
                kept["step"] = torch.tensor(float(state.step), device=place.device)
                kept |= {moment: torch.zeros_like(place) for moment in MOMENTS}
            for moment in MOMENTS:
                kept[moment].view(-1).narrow(0, cut.start, cut.length).copy_(cut.of(state.moments[moment][name]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """Where a part of a parameter lies in a rank's flat partition."""

    start: int
    """First element in the partition."""
    length: int
    """Elements in the partition, padding included."""
    first: int
    """First element of the flattened parameter."""

    def of(self, value: Tensor) -> Tensor:
        """Return the part of a full tensor, padded with zeros."""
        part = value.flatten()[self.first : self.first + self.length]
        return torch.nn.functional.pad(part, (0, self.length - len(part)))


def _trained(module: nn.Module) -> Iterator[tuple[str, Any]]:
    return ((name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad)


def _torch_optimizer(optimizer: Any) -> torch.optim.AdamW:
    """Return torch's own, which ZeRO 1 to 3 wrap."""
    return optimizer if isinstance(optimizer, torch.optim.AdamW) else optimizer.optimizer


def _steps_taken(optimizer: Any) -> int:
    states = [state for state in _torch_optimizer(optimizer).state.values() if "step" in state]
    return int(states[0]["step"].item())


def _full(parameter: Any, moment: str, *, optimizer: Any, zero_stage: int) -> Tensor:
    """Return a parameter's moment, joined from the parts of all ranks.

    DeepSpeed's `safe_get_full_optimizer_state` does the same, but not at ZeRO 1 and 2 on one rank (0.19.8).
    """
    kept = _torch_optimizer(optimizer).state
    if zero_stage == 0:
        return kept[parameter][moment]
    numel = parameter.ds_numel if zero_stage == _SHARDS_PARAMETERS else parameter.numel()
    shape = parameter.ds_shape if zero_stage == _SHARDS_PARAMETERS else parameter.shape
    full = torch.zeros(numel, dtype=torch.float32, device=parameter.device)
    for place, cut in _places(parameter, optimizer=optimizer, zero_stage=zero_stage):
        part = kept[place][moment].narrow(0, cut.start, cut.length)[: numel - cut.first]
        full[cut.first : cut.first + len(part)] = part
    dist.all_reduce(full)
    return full.view(shape)


def _places(parameter: Any, *, optimizer: Any, zero_stage: int) -> Iterator[tuple[Tensor, _Cut]]:
    """Yield the optimiser's tensor that is the key of a parameter's state on this rank, and the part that it holds."""
    if zero_stage == 0:
        yield parameter, _Cut(start=0, length=parameter.numel(), first=0)
    elif zero_stage < _SHARDS_PARAMETERS:
        yield from _places_of_a_fragment(parameter, optimizer=optimizer)
    else:
        group, start, length = optimizer.grad_position[optimizer.get_param_id(parameter)]
        part = math.ceil(parameter.ds_numel / dist.get_world_size())
        cut = _Cut(start=int(start), length=int(length), first=part * dist.get_rank())
        yield optimizer.fp32_partitioned_groups_flat[group], cut


def _places_of_a_fragment(parameter: Any, *, optimizer: Any) -> Iterator[tuple[Tensor, _Cut]]:
    mapping = parameter._hp_mapping  # noqa: SLF001  (DeepSpeed's public functions do not create the state)
    if mapping is None:  # another rank holds all of it
        return
    here, there = mapping.hp_fragment_address, mapping.lp_fragment_address
    flat = optimizer.single_partition_of_fp32_groups[mapping.param_group_index]
    yield flat, _Cut(start=here.start, length=here.numel, first=there.start)

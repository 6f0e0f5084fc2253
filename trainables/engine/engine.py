"""One DeepSpeed engine: the forward, backward and optimiser step of one phase.

Every rank of a group builds the same engine and calls the same methods in the same order: most are collectives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any  # torch's parameter groups and DeepSpeed's engine carry no narrower types

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainables.config import EngineConfig, PhaseConfig
from trainables.engine.deepspeed_errors import translated_errors
from trainables.engine.engine_cleanup import free_engine, release_memory
from trainables.engine.optimizer_state import OptimizerState, read_optimizer_state, write_optimizer_state
from trainables.engine.settings import RECOMPUTING, deepspeed_settings
from trainables.engine.zero3_linear import restore_linear, use_exact_linear
from trainables.errors import ConfigError

_SHARDS_PARAMETERS = 3
"""The ZeRO stage from which a rank holds only a part of each parameter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRequest:
    """Inputs of an engine."""

    module: nn.Module
    """The model, the same on every rank, in float32."""
    parameter_groups: Sequence[Mapping[str, Any]]
    """AdamW's groups: `params` and `weight_decay`."""
    phase: PhaseConfig
    """Settings of the optimiser."""
    config: EngineConfig
    """Sharding and precision."""
    device: torch.device
    """This rank's device."""


class Engine:
    """Trains one module on all ranks of the group.

    Args:
        request: Model, optimiser settings, sharding.

    Raises:
        ConfigError: A setting for DeepSpeed has no effect on this device.
    """

    def __init__(self, request: EngineRequest) -> None:
        import deepspeed

        self._num_ranks = dist.get_world_size()
        self._device = request.device
        self._zero_stage = request.config.stage
        optimizer = _adamw(request)
        settings = deepspeed_settings(
            request.config,
            num_ranks=self._num_ranks,
            max_gradient_norm=request.phase.max_gradient_norm,
            on_cuda=request.device.type == "cuda",
        )
        if self._zero_stage == _SHARDS_PARAMETERS:
            use_exact_linear()
        with translated_errors(request.config):
            engine, wrapped, *_ = deepspeed.initialize(
                model=request.module, optimizer=optimizer, config=settings, dist_init_required=False
            )
        if self._num_ranks == 1 and self._zero_stage == 0:
            # Otherwise it would copy all gradients into one buffer, sum it over one rank, and copy them back.
            engine.enable_backward_allreduce = False
        if request.config.gradient_checkpointing is True and RECOMPUTING in settings:
            _recompute_with_deepspeed(request, settings=settings)
        self._engine: Any = engine
        self._optimizer: Any = wrapped

    @property
    def module(self) -> Any:  # the module it was given, whatever its class
        """The wrapped module; in training call it through `forward`."""
        return self._engine.module

    def train(self, *, mode: bool = True) -> None:
        """Switch dropout on or off."""
        self._engine.train(mode)

    def forward(self, *inputs: Any) -> Any:  # whatever the module takes and returns
        """Run the module; under ZeRO 3 its parameters are gathered layer by layer."""
        return self._engine(*inputs)

    def backward(self, loss_sum: Tensor, *, unused: Sequence[nn.Parameter] = ()) -> None:
        """Add the gradient of this rank's share of the step's loss.

        Args:
            loss_sum: Sum over this rank's examples of weight x loss, scalar. The step's loss is the sum over ranks
                and calls; DeepSpeed averages over ranks, so the share is multiplied by their number.
            unused: Trained parameters without a part in the loss (the heads of other tasks). They get a gradient of
                zero, as ZeRO 3 does by itself. Otherwise ZeRO 0-2 would skip them with their momentum, and a mixture
                would train differently at each ZeRO stage.
        """
        if self._zero_stage < _SHARDS_PARAMETERS:
            for parameter in unused:
                loss_sum = loss_sum + 0.0 * parameter.sum()
        self._engine.backward(loss_sum * self._num_ranks)

    def step(self, learning_rate: float) -> None:
        """Clip, update the weights, clear the gradients.

        Args:
            learning_rate: Rate of this step.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._engine.step()
        self._forget_gradients()

    def weights(self) -> dict[str, Tensor]:
        """Return a full float32 copy of every weight on rank 0's CPU memory, and an empty dict on other ranks."""
        named = dict(self._engine.module.named_parameters()) | dict(_persistent_buffers(self._engine.module))
        if self._zero_stage < _SHARDS_PARAMETERS:
            return _copied(named) if dist.get_rank() == 0 else {}
        full: dict[str, Tensor] = {}
        for name, tensor in named.items():
            full |= self._gathered(name, tensor)
        return full

    def optimizer_state(self) -> OptimizerState | None:
        """Return the optimiser's full state on rank 0 and None on the others; after at least one step."""
        return read_optimizer_state(self._engine.module, optimizer=self._optimizer, zero_stage=self._zero_stage)

    def load_optimizer_state(self, state: OptimizerState) -> None:
        """Load the state of another engine with any sharding; every rank passes the same state."""
        write_optimizer_state(state, module=self._engine.module, optimizer=self._optimizer, zero_stage=self._zero_stage)

    def destroy(self) -> None:
        """Free the engine's memory with the module's weights and gradients; neither can be used afterwards."""
        module: nn.Module = self._engine.module
        try:
            self._engine.destroy()
        finally:
            free_engine(self._engine, optimizer=self._optimizer, module=module)
            self._engine = self._optimizer = None
            restore_linear()
            release_memory(self._device)

    def _forget_gradients(self) -> None:
        """Clear the gradients that ZeRO 3 keeps after a step.

        ZeRO 3 overwrites them in a step's first backward and adds to them in later ones (deepspeed 0.19.8). A head
        without a part in the first backward would train on gradients of the step before.
        """
        if self._zero_stage == _SHARDS_PARAMETERS:
            self._optimizer.grad_partitions_flat_buffer.zero_()

    def _gathered(self, name: str, tensor: Tensor) -> dict[str, Tensor]:
        import deepspeed

        if not hasattr(tensor, "ds_id"):
            return _copied({name: tensor}) if dist.get_rank() == 0 else {}
        with deepspeed.zero.GatheredParameters([tensor]):
            return _copied({name: tensor}) if dist.get_rank() == 0 else {}


def _adamw(request: EngineRequest) -> torch.optim.AdamW:
    """Return fused AdamW: on the CPU, offloaded or not, it is as fast as DeepSpeedCPUAdam, and needs no compiler."""
    return torch.optim.AdamW(
        [dict(group) for group in request.parameter_groups],
        lr=request.phase.learning_rate,
        betas=(0.9, request.phase.adam_beta2),
        eps=request.phase.adam_epsilon,
        fused=True,
    )


def _recompute_with_deepspeed(request: EngineRequest, *, settings: Mapping[str, Any]) -> None:
    """Make layers recompute their activations with DeepSpeed's function, which has its own settings.

    Raises:
        ConfigError: The settings keep activations in the host's memory, where they are anyway.
    """
    from deepspeed.runtime.activation_checkpointing import checkpointing

    if request.device.type == "cpu" and settings[RECOMPUTING].get("cpu_checkpointing"):
        message = f"'{RECOMPUTING}.cpu_checkpointing' has no effect on ranks that compute on the CPU; leave it out"
        raise ConfigError("engine.deepspeed", message)
    checkpointing.configure(None, deepspeed_config=settings)
    for layer in request.module.modules():
        if hasattr(layer, "_gradient_checkpointing_func"):  # where transformers keeps it
            vars(layer)["_gradient_checkpointing_func"] = checkpointing.non_reentrant_checkpoint


def _persistent_buffers(module: nn.Module) -> Iterable[tuple[str, Tensor]]:
    kept = module.state_dict(keep_vars=True).keys()
    return ((name, buffer) for name, buffer in module.named_buffers() if name in kept)


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().float().cpu().clone() for name, tensor in tensors.items()}

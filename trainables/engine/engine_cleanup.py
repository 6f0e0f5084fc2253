"""Frees the memory that DeepSpeed keeps after an engine is destroyed (deepspeed 0.19.8).

DeepSpeed's `destroy` removes hooks, but leaves two kinds of references. Two registries of the process keep whole models
of ZeRO 3 for ever: the stack of modules in their forward pass, and a cache of a method, keyed by module. And engine,
optimiser and parameters refer to each other, so that even at stage 0 they wait for Python's cyclic collector, which
does not consider the size of tensors. Measured for each destroyed engine: 20 bytes a parameter for ever at
ZeRO 3, and 12 to 16 until the collector ran at ZeRO 0 to 2 (docs/decisions/0023).
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterable
from typing import Any  # DeepSpeed's engine and optimisers, and what it keeps of them, are untyped

import torch
from torch import nn


def free_engine(engine: Any, *, optimizer: Any, module: nn.Module) -> None:
    """Remove every reference from a destroyed engine to its tensors; the module has no weights afterwards.

    Args:
        engine: DeepSpeed's engine, after its own `destroy`.
        optimizer: DeepSpeed's wrapper of the optimiser.
        module: The engine's module.
    """
    _forget_modules(module.modules())
    inner = getattr(optimizer, "optimizer", None)
    for parameter in module.parameters():
        _empty(parameter)
    for owner in (optimizer, inner, engine):
        if owner is not None:
            vars(owner).clear()


def release_memory(device: torch.device) -> None:
    """Return unused memory to the device and to the system.

    Args:
        device: This rank's device.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    _trim_heap()


def _empty(parameter: Any) -> None:
    """Free a parameter's storages at once: weights, gradient, and ZeRO 3's partition of it."""
    parameter.grad = None
    parameter.data = torch.empty(0, dtype=parameter.dtype, device=parameter.device)
    vars(parameter).clear()


def _forget_modules(modules: Iterable[nn.Module]) -> None:
    """Remove an engine's modules and its precision from DeepSpeed's global state of the process."""
    from deepspeed.runtime import torch_autocast
    from deepspeed.runtime.zero import parameter_offload
    from deepspeed.runtime.zero.partitioned_param_coordinator import PartitionedParameterCoordinator

    ours = {id(module) for module in modules}
    stack: list[nn.Module] = parameter_offload.FWD_MODULE_STACK
    stack[:] = [module for module in stack if id(module) not in ours]
    # After an engine in bfloat16, DeepSpeed would use autocast for every later engine of the process.
    torch_autocast.TORCH_AUTOCAST_INITIALIZED = False
    for method in vars(PartitionedParameterCoordinator).values():
        for cell in getattr(method, "__closure__", None) or ():
            forget = getattr(cell.cell_contents, "cache_clear", None)  # a cached method below a decorator
            if forget is not None:
                forget()


def _trim_heap() -> None:
    """Make glibc return free memory: below its threshold a freed tensor stays in the heap of the process."""
    try:
        trim = ctypes.CDLL("libc.so.6").malloc_trim
    except (OSError, AttributeError):  # another C library without such a heap
        return
    trim(0)

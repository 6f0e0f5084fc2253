"""Settles `engine.precision: auto`: bfloat16 on GPUs and CPUs that have it in hardware, else float32."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trainables.config import EngineConfig
from trainables.config.trial import Precision
from trainables.processor import multiplies_bfloat16
from trainables.ranks.devices import HostResources, RankDevices
from trainables.ranks.local_devices import find_gpus

_WITHOUT_BFLOAT16 = re.compile(
    r"(Tesla-|Quadro-|GeForce-)?([KMP]\d|GT[XS]?-|T4|V100|GV100|RTX-20)|Quadro|TITAN", re.IGNORECASE
)
"""Starts of Ray's names of NVIDIA GPUs before Ampere (compute capability below 8.0), whose cores compute in float16 and
float32 only. A GPU that is not known counts as a newer one: on an older one torch emulates bfloat16, more slowly."""


def settled_precision(engine: EngineConfig, *, devices: RankDevices, hosts: Sequence[HostResources]) -> Precision:
    """Return the type of a sweep's arithmetic. Pure.

    Args:
        engine: The user's settings; a type that the user names is returned.
        devices: The settled devices of the ranks.
        hosts: Hosts that ranks can be on, with Ray's names of their GPUs. What their CPUs are Ray does not say.
    """
    if engine.precision != "auto":
        return engine.precision
    if devices.kind == "cpu":
        return "float32"
    wanted = devices.accelerator_type
    types = {wanted} if wanted else {name for host in hosts if host.gpus for name in host.accelerator_types}
    return "float32" if any(_WITHOUT_BFLOAT16.match(name) for name in types) else "bfloat16"


def precision_here(engine: EngineConfig, *, devices: RankDevices) -> Precision:
    """Return the type of the arithmetic of trials that only this machine runs.

    Args:
        engine: The user's settings; a type that the user names is returned.
        devices: The settled devices of the ranks.
    """
    if engine.precision != "auto":
        return engine.precision
    if devices.kind != devices.computes_on:  # a rehearsal of GPUs on the CPU
        return settled_precision(engine, devices=devices, hosts=())
    has_bfloat16 = multiplies_bfloat16() if devices.kind == "cpu" else gpus_have_bfloat16()
    return "bfloat16" if has_bfloat16 else "float32"


def scoring_here(engine: EngineConfig, *, precision: Precision) -> Precision:
    """Return the type of the arithmetic of evaluations on this machine's CPU.

    Args:
        engine: The user's settings; a type that the user names is returned.
        precision: The settled type of training, which evaluations have where the hardware has it.
    """
    if engine.evaluation_precision != "auto":
        return engine.evaluation_precision
    return precision if multiplies_bfloat16() else "float32"


def gpus_have_bfloat16() -> bool:
    """Return whether this machine has GPUs, and each has bfloat16 in hardware; torch is imported only if it has any."""
    if not (num := find_gpus().num_in_torch):
        return False
    import torch

    devices = [torch.device("cuda", index) for index in range(num)]
    return all(torch.cuda.get_device_capability(device) >= _FIRST_CAPABILITY for device in devices)


_FIRST_CAPABILITY = (8, 0)
"""Ampere: the first compute capability with bfloat16."""

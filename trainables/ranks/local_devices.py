"""Finds the GPUs of this machine by torch, the driver and the kernel, and settles the devices of `xstilts run`.

If the three disagree, something is broken, and the error names it: without this check, a driver that is not loaded
could mean a week of training on the CPU.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from trainables.config import EngineConfig
from trainables.errors import ConfigError
from trainables.number_words import number_of
from trainables.ranks.devices import REHEARSAL, HostResources, RankDevices, settle_devices

_HIDDEN = {"", "-1", "NoDevFiles"}
"""Values of CUDA_VISIBLE_DEVICES that hide every GPU on the user's request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundGpus:
    """The GPUs of this machine."""

    num_in_kernel: int
    """NVIDIA GPUs in this process's /dev; 0 if the user hides them."""
    num_in_torch: int
    """CUDA devices that torch can use."""
    problem: str | None = None
    """Why torch can use none, if the kernel shows some or another program counts some."""


def find_gpus() -> FoundGpus:
    """Return the GPUs of this machine; torch is imported only if there is a driver or a device."""
    in_kernel = 0 if _are_hidden(os.environ) else len(list(Path("/dev").glob("nvidia[0-9]*")))
    has_driver = _has_driver()
    if not in_kernel and not has_driver:
        return FoundGpus(num_in_kernel=0, num_in_torch=0, problem="no NVIDIA driver (libcuda.so.1) is installed")
    import torch

    num = torch.cuda.device_count()
    return FoundGpus(num_in_kernel=in_kernel, num_in_torch=num, problem=None if num else _problem(has_driver))


def this_host() -> HostResources:
    """Return this machine; torch is imported only if it has GPUs."""
    found = find_gpus()
    return HostResources(
        cpus=len(os.sched_getaffinity(0)),
        gpus=found.num_in_torch,
        memory_bytes=float(psutil.virtual_memory().total),
        gpu_bytes=gpu_bytes_here() if found.num_in_torch else 0.0,
    )


def devices_here(engine: EngineConfig) -> RankDevices:
    """Return the devices of a trial's ranks on this machine alone, without Ray.

    Raises:
        ConfigError: The machine has fewer GPUs than the ranks need, GPUs that torch cannot use, or fewer cores than
            ranks.
    """
    cores = len(os.sched_getaffinity(0))
    found = FoundGpus(num_in_kernel=0, num_in_torch=0) if engine.device == "cpu" else find_gpus()
    refuse_unusable(engine, counted=0, found=found)
    gpu_bytes = gpu_bytes_here() if found.num_in_torch else 0.0
    host = HostResources(cpus=cores, gpus=found.num_in_torch, gpu_bytes=gpu_bytes)
    if engine.device == "cuda" and not found.num_in_torch:
        message = f"cuda: this machine has 0 GPUs ({found.problem}); install what is missing, or write `device: cpu`"
        raise ConfigError("engine.device", message)
    devices = settle_devices(engine, hosts=[host])
    return _on_cores(devices, engine=engine, cores=cores)


def gpu_bytes_here() -> float:
    """Return the memory of the smallest GPU of this machine; 0 if torch can use none."""
    if not (num := find_gpus().num_in_torch):
        return 0.0
    import torch

    return float(min(torch.cuda.get_device_properties(index).total_memory for index in range(num)))


def refuse_unusable(engine: EngineConfig, *, counted: float, found: FoundGpus) -> None:
    """Raise if the machine has GPUs that torch cannot use, unless the user wants the CPU.

    Args:
        engine: The user's settings.
        counted: GPUs that Ray counts on this machine; 0 without Ray.
        found: GPUs of the machine.

    Raises:
        ConfigError: Kernel, Ray and torch disagree about the GPUs of this machine.
    """
    if engine.device == "cpu" or found.num_in_torch >= max(counted, min(1, found.num_in_kernel)):
        return
    there = (
        f"Ray counts {number_of(counted, 'GPU', form='g')} here"
        if counted
        else f"this machine shows {number_of(found.num_in_kernel, 'NVIDIA GPU')}"
    )
    why = f" ({found.problem})" if found.problem else ""
    message = (
        f"{engine.device}: {there}, and torch can use {found.num_in_torch}{why}; install the driver, or the CUDA build "
        "of torch that fits it (`xstilts doctor --devices` shows more), or write `device: cpu`"
    )
    raise ConfigError("engine.device", message)


def is_rehearsal(variables: Mapping[str, str] = os.environ) -> bool:
    """Return whether ranks compute on the CPU although GPUs are counted for them.

    Raises:
        ConfigError: The variable is neither 0 nor 1.
    """
    value = variables.get(REHEARSAL, "0")
    if value not in {"", "0", "1"}:
        raise ConfigError(REHEARSAL, f"{value!r} is neither 0 nor 1; set 1 to rehearse, or unset it")
    return value == "1"


def _on_cores(devices: RankDevices, *, engine: EngineConfig, cores: int) -> RankDevices:
    """Return the devices with the number of threads for this machine's cores.

    Raises:
        ConfigError: Ranks compute on the CPU, and there are fewer cores than ranks.
    """
    if devices.kind == "cpu" and engine.num_workers > cores:
        message = f"{engine.num_workers} ranks, but this machine has {cores} cores and each needs one; lower it"
        raise ConfigError("engine.num_workers", message)
    return devices.model_copy(update={"threads": engine.threads_per_rank or max(1, cores // engine.num_workers)})


def _are_hidden(variables: Mapping[str, str]) -> bool:
    return variables.get("CUDA_VISIBLE_DEVICES", "all") in _HIDDEN


def _has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")  # without it torch finds no device, and its import takes a second
    except OSError:
        return False
    return True


def _problem(has_driver: bool) -> str:  # noqa: FBT001  (its only argument)
    import torch

    if torch.version.cuda is None and torch.version.hip is None:
        return f"torch {torch.__version__} is built without CUDA"
    if not has_driver:
        return "the NVIDIA driver (libcuda.so.1) is not installed"
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        return str(error).partition("\n")[0]
    return "the driver shows no GPU"

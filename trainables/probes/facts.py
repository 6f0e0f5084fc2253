"""Reads facts about this machine's devices from torch, the driver and the kernel."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence

from pydantic import Field

from trainables.config.frozen import FrozenModel

_TEXT_BYTES = 96
_COMPILED = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)")
"""Torch's names of the architectures in its build: `sm_90` is machine code, the driver compiles `compute_90`."""


class GpuFacts(FrozenModel):
    """One CUDA device."""

    name: str
    """The driver's name of it."""
    capability: tuple[int, int] = Field(strict=False)
    """Compute capability: major, minor."""
    total_bytes: int
    """Its memory."""
    free_bytes: int
    """Memory that no process uses."""
    is_built_for: bool
    """Whether this build of torch has code for it."""
    has_bfloat16: bool
    """Whether its hardware multiplies in bfloat16."""


class DeviceFacts(FrozenModel):
    """The devices of this machine, and the versions of their software."""

    torch: str
    """Version of torch."""
    cuda: str | None = None
    """The CUDA that torch is built with; None in a build without CUDA."""
    architectures: tuple[str, ...] = Field(default=(), strict=False)
    """GPU architectures that torch is built for."""
    driver: str | None = None
    """Version of the NVIDIA driver; None if no driver responds."""
    driver_cuda: str | None = None
    """The newest CUDA that the driver can run."""
    nccl: str | None = None
    """NCCL in torch."""
    cudnn: str | None = None
    """cuDNN in torch."""
    num_in_kernel: int = 0
    """NVIDIA GPUs that /dev shows."""
    problem: str | None = None
    """Why torch can use none."""
    threads: int = 1
    """CPU threads that torch would use."""
    gpus: tuple[GpuFacts, ...] = Field(default=(), strict=False)
    """The CUDA devices that torch can use."""


def is_built_for(capability: tuple[int, int], *, architectures: Sequence[str]) -> bool:
    """Return whether code for some architectures runs on a device.

    Machine code (`sm`) runs on devices of the same major capability and no lower minor one, that of an `a` variant on
    its own device alone; code that the driver compiles (`compute`, PTX) runs on all later devices, that of an
    `f` variant on its own family (CUDA C++ Programming Guide, "Compute Capabilities").

    Args:
        capability: The device's compute capability: major, minor.
        architectures: Names like `sm_90` and `compute_120`.
    """
    return any(_runs(found, on=capability) for found in map(_COMPILED.fullmatch, architectures) if found)


def _runs(found: re.Match[str], *, on: tuple[int, int]) -> bool:
    kind, major, minor, variant = found[1], int(found[2]), int(found[3]), found[4]
    if variant == "a":
        return (major, minor) == on
    if kind == "sm" or variant:
        return major == on[0] and minor <= on[1]
    return (major, minor) <= on


def find_facts() -> DeviceFacts:
    """Return facts on this machine's devices. A broken driver can crash or hang it: call it in a child process."""
    import torch

    from trainables.ranks.local_devices import find_gpus

    found = find_gpus()
    architectures = tuple(torch.cuda.get_arch_list()) if found.num_in_torch else ()
    return DeviceFacts(
        torch=torch.__version__,
        cuda=torch.version.cuda,
        architectures=architectures,
        driver=_driver_version(),
        driver_cuda=_cuda_of_the_driver(),
        nccl=_nccl_version() if found.num_in_torch else None,
        cudnn=str(torch.backends.cudnn.version()) if found.num_in_torch else None,
        num_in_kernel=found.num_in_kernel,
        problem=found.problem,
        threads=torch.get_num_threads(),
        gpus=tuple(_gpu(index, architectures=architectures) for index in range(found.num_in_torch)),
    )


def _gpu(index: int, *, architectures: Sequence[str]) -> GpuFacts:
    import torch

    properties = torch.cuda.get_device_properties(index)
    free, total = torch.cuda.mem_get_info(index)
    capability = (properties.major, properties.minor)
    with torch.cuda.device(index):
        has_bfloat16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return GpuFacts(
        name=properties.name,
        capability=capability,
        total_bytes=total,
        free_bytes=free,
        is_built_for=is_built_for(capability, architectures=architectures),
        has_bfloat16=has_bfloat16,
    )


def _nccl_version() -> str | None:
    import torch.distributed as dist
    from torch.cuda import nccl

    return ".".join(str(part) for part in nccl.version()) if dist.is_nccl_available() else None


def _driver_version() -> str | None:
    """Return the version of the NVIDIA driver from its management library (NVML)."""
    try:
        nvml = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    text = ctypes.create_string_buffer(_TEXT_BYTES)
    if nvml.nvmlInit_v2() or nvml.nvmlSystemGetDriverVersion(text, ctypes.c_uint(_TEXT_BYTES)):
        return None
    return text.value.decode()


def _cuda_of_the_driver() -> str | None:
    """Return the newest CUDA that the driver can run: 13000 is 13.0 (CUDA driver API, cuDriverGetVersion)."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    number = ctypes.c_int()
    if driver.cuDriverGetVersion(ctypes.byref(number)):
        return None
    return f"{number.value // 1000}.{number.value % 1000 // 10}"

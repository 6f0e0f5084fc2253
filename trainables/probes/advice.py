"""What to do about what a device's libraries say. Pure.

Texts: torch 2.13 (c10/cuda, aten/src/ATen/cuda/Exceptions.h), NVIDIA's driver API (CUresult) and NCCL's user guide
("Troubleshooting"), each searched for in lower case.
"""

from __future__ import annotations

_GUIDE = "docs/how-to/gpus.md"

_ADVICE: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("no kernel image is available", "not compatible with the current pytorch installation"),
        "this build of torch has no code for this GPU: install the build of a CUDA that knows it",
    ),
    (
        ("driver on your system is too old", "driver version is insufficient", "unsupported display driver"),
        "the driver is older than torch's CUDA: update the driver, or install torch for an older CUDA",
    ),
    (
        ("uncorrectable ecc", "ecc error", "nvlink error", "fallen off the bus", "hardware stack error"),
        "the GPU is faulty: leave it out with CUDA_VISIBLE_DEVICES, read `dmesg | grep Xid`, and have it looked at",
    ),
    (
        ("out of memory", "cublas_status_alloc_failed", "not enough memory", "can't allocate memory"),
        "other processes hold its memory: `nvidia-smi` lists them; end them, or wait",
    ),
    (
        ("no space left on device", "/dev/shm", "shared memory segment"),  # noqa: S108  searched for
        "too little shared memory for NCCL: give a container more (`--shm-size`, or an emptyDir of medium Memory)",
    ),
    (
        ("busy or unavailable", "all cuda-capable devices are busy"),
        "another process has it to itself: `nvidia-smi` lists it and the compute mode",
    ),
    (
        ("illegal memory access", "unspecified launch failure", "misaligned address", "device-side assert"),
        "try again; where it happens on this GPU alone, the GPU is faulty: leave it out with CUDA_VISIBLE_DEVICES",
    ),
    (
        ("nccl", "connection closed by peer", "connection reset by peer", "timed out waiting for"),
        "run again with NCCL_DEBUG=INFO, then try NCCL_P2P_DISABLE=1, and NCCL_SOCKET_IFNAME with the right interface",
    ),
    (
        ("no answer of",),
        "the device or its driver hangs: read `dmesg | grep -e Xid -e NVRM`, and restart the host",
    ),
    (
        ("sigsegv", "sigbus", "sigill", "sigabrt"),
        "a library crashed: versions of the driver and of torch that do not fit are the usual cause",
    ),
    (("sigkill",), "the system ended it, mostly for lack of host memory: `dmesg | grep -i oom`"),
    (("modulenotfounderror", "importerror"), "install what is missing (constraints.txt)"),
)
"""Words, any of which an error has -> what to do."""


def advice(error: str) -> str:
    """Return what to do about an error, as the end of a line that tells it.

    Args:
        error: What was said.
    """
    lower = error.lower()
    found = next((what for words, what in _ADVICE if any(word in lower for word in words)), None)
    return f"{found} ({_GUIDE})" if found else f"{_GUIDE} tells what to try"

"""Gives advice on the errors of a device's libraries, for the person who checks a machine. Pure.

`trainables.vendor_errors` maps the same texts to causes for a trial; some advice here is more specific.
"""

from __future__ import annotations

from trainables.failure_causes import FailureCause
from trainables.vendor_errors import vendor_cause

_GUIDE = "docs/how-to/gpus.md"

_FIRST: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("no kernel image is available", "not compatible with the current pytorch installation"),
        "this build of torch has no code for this GPU: install the build of a CUDA that knows it",
    ),
    (
        ("driver on your system is too old", "driver version is insufficient", "unsupported display driver"),
        "the driver is older than torch's CUDA: update the driver, or install torch for an older CUDA",
    ),
    (
        ("no space left on device", "/dev/shm", "shared memory segment"),  # noqa: S108  searched for
        "too little shared memory for NCCL: give a container more (`--shm-size`, or an emptyDir of medium Memory)",
    ),
    (
        ("busy or unavailable", "exclusive-thread device"),
        "another process has it to itself: `nvidia-smi` lists it and the compute mode",
    ),
    (
        ("no answer of",),
        "the device or its driver hangs: read `dmesg | grep -e Xid -e NVRM`, and restart the host",
    ),
    (
        ("sigsegv", "sigbus", "sigill", "sigabrt"),
        "a library crashed: versions of the driver and of torch that do not fit are the usual cause",
    ),
    (("sigkill",), "the system ended it, usually for lack of host memory: `dmesg | grep -i oom`"),
    (("modulenotfounderror", "importerror"), "install what is missing (constraints.txt)"),
)
"""Words in lower case, of which an error has at least one -> what to do."""

_TRY_AGAIN = "try again; where it happens on this GPU alone, the GPU is faulty: leave it out with CUDA_VISIBLE_DEVICES"

_OF_A_CAUSE: dict[FailureCause, str] = {
    "device_fault": "the GPU is faulty: leave it out with CUDA_VISIBLE_DEVICES, and read `dmesg | grep Xid`",
    "device_doubt": _TRY_AGAIN,
    "suspect": _TRY_AGAIN,
    "out_of_memory": "other processes hold its memory: `nvidia-smi` lists them; end them, or wait",
    "peer_lost": (
        "run again with NCCL_DEBUG=INFO, then try NCCL_P2P_DISABLE=1, and NCCL_SOCKET_IFNAME with the right one"
    ),
}


def advice(error: str) -> str:
    """Return what to do about an error, as the end of a line that reports it.

    Args:
        error: Its text.
    """
    lower = error.lower()
    found = next((step for words, step in _FIRST if any(word in lower for word in words)), None)
    cause = vendor_cause(error)
    if "nccl" in lower and cause in {None, "suspect", "device_doubt", "bug"}:  # the text shows only that NCCL failed
        cause = "peer_lost"
    if found is None and cause is not None:
        found = _OF_A_CAUSE.get(cause)
    return f"{found} ({_GUIDE})" if found else f"{_GUIDE} lists what to try"

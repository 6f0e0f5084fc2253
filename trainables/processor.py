"""What this machine's processor is, and what it computes in hardware. Nothing is imported that takes time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_MATRIX_UNITS = frozenset({"amx_tile", "amx_bf16"})
"""Linux's names of the matrix units that multiply in bfloat16 (AMX: Intel Xeon since 2023)."""

_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Environment variables that tell oneDNN, which multiplies in bfloat16, what it may use of a processor."""

_NO_LIMIT = ("DEFAULT", "ALL")


@cache
def processor() -> str:
    """Return what libraries choose their kernels by: vendor, family and model of the processor; empty off Linux."""
    return " ".join(described(field) for field in ("vendor_id", "cpu family", "model\t")).strip()


def described(field: str) -> str:
    """Return a field of the first processor as Linux describes it; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")


def multiplies_bfloat16() -> bool:
    """Return whether this processor multiplies matrices in bfloat16 by units of its own, and oneDNN may use them.

    Only AMX counts. The vector instructions for bfloat16 (AVX-512 BF16) are slower than float32's on the same
    processor, and on processors without any, bfloat16 is emulated (docs/decisions/0038).
    """
    return multiplies_bfloat16_with(described("flags"), limits=os.environ)


def multiplies_bfloat16_with(flags: str, *, limits: Mapping[str, str]) -> bool:
    """Return whether a processor with these flags does. Pure.

    Args:
        flags: Linux's names of the processor's features, with spaces between them.
        limits: Environment variables, of which oneDNN's can forbid instructions.
    """
    limit = next((limits[name].upper() for name in _LIMITS if limits.get(name)), _NO_LIMIT[0])
    return frozenset(flags.split()) >= _MATRIX_UNITS and (limit in _NO_LIMIT or "AMX" in limit)

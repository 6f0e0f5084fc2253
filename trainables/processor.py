"""What this machine's processor is, and what it computes in hardware. Nothing is imported that takes time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_MATRIX_UNITS = frozenset({"amx_tile", "amx_bf16"})
"""Linux's names of the matrix units that multiply in bfloat16 (AMX: Intel Xeon since 2023)."""

_VECTORS = "avx512_bf16"
"""Linux's name of the vector instructions that multiply in bfloat16."""

_FAST_VECTORS = frozenset({("AuthenticAMD", "25"), ("AuthenticAMD", "26")})
"""Vendors and families of processors whose vector instructions multiply in bfloat16 at twice the rate of float32: those
on which that was measured (AMD's Zen 4 and Zen 5: EPYC since 2022, Ryzen). Intel's are slower than float32's."""

_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Environment variables that tell oneDNN, which multiplies in bfloat16, what it may use of a processor."""

_NO_LIMIT = ("DEFAULT", "ALL")
_WITH_VECTORS = ("BF16", "FP16", "AMX", "AVX10")
"""Parts of the names of limits that allow the vector instructions."""


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
    """Return whether this processor multiplies matrices faster in bfloat16 than in float32, and oneDNN may do so.

    Matrix units (AMX) do, and the vector instructions of some processors (docs/decisions/0038). On processors without
    either, bfloat16 is emulated.
    """
    return multiplies_bfloat16_with(
        described("flags"), maker=(described("vendor_id"), described("cpu family")), limits=os.environ
    )


def multiplies_bfloat16_with(flags: str, *, maker: tuple[str, str], limits: Mapping[str, str]) -> bool:
    """Return whether a processor with these flags does. Pure.

    Args:
        flags: Linux's names of the processor's features, with spaces between them.
        maker: Its vendor and its family, as Linux names them.
        limits: Environment variables, of which oneDNN's can forbid instructions.
    """
    limit = next((limits[name].upper() for name in _LIMITS if limits.get(name)), _NO_LIMIT[0])
    features = frozenset(flags.split())
    if features >= _MATRIX_UNITS and (limit in _NO_LIMIT or "AMX" in limit):
        return True
    has_vectors = _VECTORS in features and maker in _FAST_VECTORS
    return has_vectors and (limit in _NO_LIMIT or any(part in limit for part in _WITH_VECTORS))

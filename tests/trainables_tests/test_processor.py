"""Which processors multiply bfloat16 in hardware, by what Linux says of them and what oneDNN may use."""

from __future__ import annotations

import pytest
import torch

from trainables.processor import multiplies_bfloat16, multiplies_bfloat16_with

XEON, ZEN_2 = ("GenuineIntel", "6"), ("AuthenticAMD", "23")
ZEN_4, ZEN_5 = ("AuthenticAMD", "25"), ("AuthenticAMD", "26")
VECTORS = "fpu sse4_2 avx2 fma avx512f avx512bw avx512_bf16"
UNITS = f"{VECTORS} amx_bf16 amx_tile amx_int8"


@pytest.mark.parametrize(
    ("flags", "limits", "expected"),
    [
        (UNITS, {}, True),
        (VECTORS, {}, False),  # vector instructions alone are slower than float32
        (f"{VECTORS} amx_tile amx_int8", {}, False),
        ("", {}, False),
        (UNITS, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}, False),
        (UNITS, {"ONEDNN_MAX_CPU_ISA": "avx2"}, False),
        (UNITS, {"DNNL_MAX_CPU_ISA": "AVX512_CORE"}, False),
        (UNITS, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_AMX"}, True),
        (UNITS, {"ONEDNN_MAX_CPU_ISA": "DEFAULT"}, True),
        (UNITS, {"ONEDNN_MAX_CPU_ISA": "", "DNNL_MAX_CPU_ISA": "all"}, True),
        (VECTORS, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_AMX"}, False),
    ],
)
def test_matrix_units_decide_and_a_limit_of_onednn_is_obeyed(
    flags: str, limits: dict[str, str], *, expected: bool
) -> None:
    assert multiplies_bfloat16_with(flags, maker=XEON, limits=limits) == expected


@pytest.mark.parametrize(
    ("flags", "maker", "limits", "expected"),
    [
        (VECTORS, ZEN_4, {}, True),
        (VECTORS, ZEN_5, {}, True),
        (VECTORS, ZEN_2, {}, False),
        ("fpu sse4_2 avx2 fma", ZEN_4, {}, False),  # Zen 3 has the same family, and no vectors of this length
        (VECTORS, ZEN_4, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}, True),
        (VECTORS, ZEN_4, {"ONEDNN_MAX_CPU_ISA": "avx512_core_amx"}, True),
        (VECTORS, ZEN_4, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_VNNI"}, False),
        (VECTORS, ZEN_4, {"DNNL_MAX_CPU_ISA": "AVX2"}, False),
        (VECTORS, ZEN_5, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, False),
        (VECTORS, ("", ""), {}, False),
    ],
)
def test_vector_instructions_count_where_they_were_measured_to_be_faster(
    flags: str, maker: tuple[str, str], limits: dict[str, str], *, expected: bool
) -> None:
    assert multiplies_bfloat16_with(flags, maker=maker, limits=limits) == expected


def test_here_it_agrees_with_what_torch_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)
    found = torch.cpu.get_capabilities()
    has_units = bool(found.get("amx_tile") and found.get("amx_bf16"))
    has_vectors = bool(found.get("avx512_bf16"))

    if multiplies_bfloat16():
        assert has_units or has_vectors
    else:
        assert not has_units

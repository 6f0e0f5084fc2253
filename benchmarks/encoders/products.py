"""Measures products of linear layers on one thread: float32 with torch's BLAS library and with oneDNN, and bfloat16.

    cd benchmarks; python -m encoders.products [--save FILE]

The shapes are those of encoders: rows of a pass, inputs, outputs. `forward` is x W^T + b, `of inputs` the gradient g W,
`of weights` the gradient g^T x. Figures are GFLOP/s of the fastest of some calls, by processor time. torch computes
bfloat16 with oneDNN, which uses the processor's matrix units (AMX) where it has them, else vector instructions;
`ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16` before the command shows these where it has both.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any  # Any: an operator that torch does not type

import torch
from machine import give_up, heading, save

from trainables.processor import multiplies_bfloat16

SHAPES = ((672, 384, 384), (672, 384, 1536), (672, 1536, 384), (4096, 768, 3072), (300, 1024, 4096))
NUM_CALLS = 8


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--save", type=Path)
    options = parser.parse_args()
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        give_up("this build of torch has no oneDNN, so there is nothing to compare; use another build")
    torch.set_num_threads(1)
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "none")
    lines = [
        *heading(["torch"]),
        f"oneDNN    limit of instructions: {limit}; a new sweep computes in bfloat16: {multiplies_bfloat16()}",
        "",
        f"{'rows x inputs x outputs':26}{'':>12}{'BLAS':>8}{'oneDNN':>8}{'ratio':>8}{'bfloat16':>10}{'/ BLAS':>8}",
    ]
    for shape in SHAPES:
        lines += _rows(*shape)
    text = "\n".join(lines)
    print(text)
    if options.save:
        save(options.save, title="Products of linear layers", text=text)


def _rows(rows: int, inputs: int, outputs: int) -> list[str]:
    """Return the lines of one shape."""
    x, g = torch.randn(rows, inputs), torch.randn(rows, outputs)
    w, b = torch.randn(outputs, inputs), torch.randn(outputs)
    short_x, short_g, short_w, short_b = (one.bfloat16() for one in (x, g, w, b))
    multiply: Any = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001  (compiled graphs call it)

    def onednn(left: torch.Tensor, right: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        return multiply(left, right, bias, "none", [], "")

    forward = torch.nn.functional.linear
    sides: dict[str, tuple[Callable[[], torch.Tensor], ...]] = {
        "forward": (lambda: forward(x, w, b), lambda: onednn(x, w, b), lambda: forward(short_x, short_w, short_b)),
        "of inputs": (lambda: g @ w, lambda: onednn(g, w.t()), lambda: short_g @ short_w),
        "of weights": (lambda: g.t() @ x, lambda: onednn(g.t(), x.t()), lambda: short_g.t() @ short_x),
    }
    lines: list[str] = []
    for name, calls in sides.items():
        blas, other, short = (_rate(call, 2 * rows * inputs * outputs) for call in calls)
        line = f"{f'{rows} x {inputs} x {outputs}':26}{name:>12}{blas:>8.0f}{other:>8.0f}{other / blas:>7.2f}x"
        lines.append(f"{line}{short:>10.0f}{short / blas:>7.2f}x")
    return lines


def _rate(call: Callable[[], torch.Tensor], operations: int) -> float:
    """Return GFLOP/s of the fastest call."""
    call()
    seconds: list[float] = []
    for _ in range(NUM_CALLS):
        began = time.process_time()
        call()
        seconds.append(time.process_time() - began)
    return operations / min(seconds) / 1e9


if __name__ == "__main__":
    main()

"""Measures the float32 products of linear layers with torch's BLAS library and with oneDNN, on one thread.

    cd benchmarks; python -m encoders.products [--save FILE]

The shapes are those of encoders: rows of a pass, inputs, outputs. `forward` is x W^T + b, `of inputs` the gradient g W,
`of weights` the gradient g^T x. Figures are GFLOP/s of the fastest of some calls, by processor time.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any  # Any: an operator that torch does not type

import torch
from machine import give_up, heading, save

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
    lines = [*heading(["torch"]), "", f"{'rows x inputs x outputs':26}{'':>12}{'BLAS':>10}{'oneDNN':>10}{'ratio':>8}"]
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
    multiply: Any = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001  (compiled graphs call it)

    def onednn(left: torch.Tensor, right: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        return multiply(left, right, bias, "none", [], "")

    sides: dict[str, tuple[Callable[[], torch.Tensor], Callable[[], torch.Tensor]]] = {
        "forward": (lambda: torch.nn.functional.linear(x, w, b), lambda: onednn(x, w, b)),
        "of inputs": (lambda: g @ w, lambda: onednn(g, w.t())),
        "of weights": (lambda: g.t() @ x, lambda: onednn(g.t(), x.t())),
    }
    lines: list[str] = []
    for name, (blas, other) in sides.items():
        operations = 2 * rows * inputs * outputs
        here, there = _rate(blas, operations), _rate(other, operations)
        lines.append(f"{f'{rows} x {inputs} x {outputs}':26}{name:>12}{here:>10.0f}{there:>10.0f}{there / here:>7.2f}x")
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

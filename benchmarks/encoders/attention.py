"""Measures attention on CPUs in 16 bits: what the encoders compute beside torch's fused attention and softmax.

    cd benchmarks; python -m encoders.attention [--threads N] [--save FILE]

The shapes are those of a pass of 4,096 tokens: examples, heads, tokens of an example, size of a head. A tenth of the
last tokens is padding. `fused` is torch's scaled_dot_product_attention, `ours` what the encoders call
(trainables/models/layers/attention.py). `16 bits` and `32 bits` are torch's softmax of the scores, in bfloat16, and in
float32 with both conversions. Figures are milliseconds, medians of some calls.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from machine import heading, save
from torch import Tensor, nn
from train_throughput import set_environment

SHAPES = (
    *((4096 // tokens, 12, tokens, 32) for tokens in (16, 40, 64, 95, 128, 300, 512)),
    (102, 12, 40, 64),
    (102, 16, 40, 64),
    (8, 16, 512, 64),
)
NUM_CALLS = 30


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save", type=Path)
    options = parser.parse_args()
    set_environment(options.threads, restart=True)
    torch.set_num_threads(options.threads)
    lines = [
        *heading(["torch"]),
        f"threads   {options.threads}",
        "",
        f"{'':22}{'attention, no gradients':^28}{'softmax':^28}",
        f"{'shape':22}" + f"{'fused':>10}{'ours':>8}{'ratio':>10}" + f"{'16 bits':>10}{'32 bits':>9}{'ratio':>9}",
    ]
    for shape in SHAPES:
        fused, ours, short, wide = _row(*shape)
        name = " x ".join(map(str, shape))
        lines.append(
            f"{name:22}{fused:10.2f}{ours:8.2f}{fused / ours:9.2f}x{short:10.2f}{wide:9.2f}{short / wide:8.2f}x"
        )
    text = "\n".join(lines)
    print(text)
    if options.save:
        save(options.save, title="Attention in 16 bits on CPUs", text=text)


@torch.no_grad()
def _row(examples: int, heads: int, tokens: int, size: int) -> list[float]:
    """Return the milliseconds of fused attention, ours, the softmax in 16 bits and that in 32 bits."""
    from trainables.models.layers.attention import attend

    query, key, value = (_heads(examples, heads, tokens, size) for _ in range(3))
    mask = torch.ones(examples, 1, 1, tokens, dtype=torch.bool)
    mask[..., tokens - max(1, tokens // 10) :] = False
    scores = query @ key.transpose(2, 3)
    calls: tuple[Callable[[], object], ...] = (
        lambda: (
            nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).contiguous()
        ),
        lambda: attend(nn.Identity(), query, key, value, mask),
        lambda: scores.softmax(dim=-1),
        lambda: scores.float().softmax(dim=-1).bfloat16(),
    )
    return [_milliseconds(call) for call in calls]


def _heads(examples: int, heads: int, tokens: int, size: int) -> Tensor:
    """Return random vectors as a projection gives them: the heads of a token lie together."""
    return torch.randn(examples, tokens, heads * size).bfloat16().view(examples, tokens, heads, size).transpose(1, 2)


def _milliseconds(call: Callable[[], object]) -> float:
    """Return the median time of a call."""
    call()
    seconds: list[float] = []
    for _ in range(NUM_CALLS):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds)


if __name__ == "__main__":
    main()

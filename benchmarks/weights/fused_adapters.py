"""Measures what training several adapters in one pass over their frozen encoder could save.

    cd benchmarks; python -m weights.fused_adapters [--steps 10] [--turns 3] [--save FILE]

Eight adapters (rank 8, on every linear matrix of the layers) with heads of their own train beside one frozen encoder of
the mirror: one after the other, or together, where each linear layer multiplies the examples of all eight at once and
adds each adapter's product by a batched product. Each adapter has a batch of its own. "bound" is for any way of fusing:
the eight batches as one batch of one adapter.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import torch
from machine import heading, require_encoder, save
from torch import nn
from transformers import AutoModel

ENCODER, RANK, NUM, TOKENS = "lab/xlmr-e5-small-6l", 8, 8, 26
BATCHES = (1, 4, 8, 32)


class FusedLora(nn.Module):
    """A frozen linear layer with several adapters. Its input has their examples one after the other."""

    def __init__(self, base: nn.Linear, *, num: int) -> None:
        super().__init__()
        self.base, self.num = base, num
        self.down = nn.Parameter(torch.randn(num, base.in_features, RANK) / base.in_features**0.5)
        self.up = nn.Parameter(torch.zeros(num, RANK, base.out_features))

    def forward(self, hidden_BTD: torch.Tensor) -> torch.Tensor:
        """Return the layer's output with each example's own adapter."""
        of_adapters = hidden_BTD.reshape(self.num, -1, hidden_BTD.shape[-1])
        added = torch.bmm(torch.bmm(of_adapters, self.down), self.up)
        return self.base(hidden_BTD) + 2.0 * added.reshape(*hidden_BTD.shape[:-1], -1)


def adapted(folder: Path, *, num: int) -> tuple[nn.Module, nn.Parameter]:
    """Return the encoder with adapters, and their heads."""
    torch.manual_seed(0)
    model = AutoModel.from_pretrained(folder, add_pooling_layer=False).float().requires_grad_(requires_grad=False)
    for layer in model.encoder.layer:
        for module in list(layer.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, nn.Linear):
                    setattr(module, name, FusedLora(child, num=num))
    return model.train(), nn.Parameter(torch.randn(num, model.config.hidden_size, 3) * 0.02)


def seconds_of_a_step(folder: Path, *, num: int, batch: int, steps: int) -> float:
    """Return the median seconds of a step of some adapters with a batch each."""
    model, heads = adapted(folder, num=num)
    trained = [*(one for one in model.parameters() if one.requires_grad), heads]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, foreach=True)
    ids = torch.randint(5, model.config.vocab_size, (num * batch, TOKENS))
    labels, seconds = torch.randint(0, 3, (num * batch,)), list[float]()
    for _ in range(steps + 2):
        before = time.perf_counter()
        first_BD = model(input_ids=ids).last_hidden_state[:, 0]
        logits = torch.bmm(first_BD.reshape(num, batch, -1), heads).reshape(num * batch, 3)
        (nn.functional.cross_entropy(logits, labels) * num).backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - before)
    return statistics.median(seconds[2:])


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--save", type=Path)
    options = parser.parse_args()
    folder = require_encoder(ENCODER)
    torch.set_num_threads(os.cpu_count() or 1)
    lines = [*heading(["torch", "transformers"]), f"encoder   {ENCODER}, {TOKENS} tokens an example, float32", ""]
    lines.append(f"{'batch of each':>14}{'8 passes, ms':>15}{'one pass, ms':>15}{'faster':>9}{'bound':>8}")
    for batch in BATCHES:
        turns: list[tuple[float, float, float]] = []
        for _ in range(options.turns):
            alone = seconds_of_a_step(folder, num=1, batch=batch, steps=options.steps) * NUM
            together = seconds_of_a_step(folder, num=NUM, batch=batch, steps=options.steps)
            turns.append((alone, together, seconds_of_a_step(folder, num=1, batch=NUM * batch, steps=options.steps)))
        alone, together, least = (statistics.median(column) * 1e3 for column in zip(*turns, strict=True))
        lines.append(f"{batch:>14}{alone:>15.0f}{together:>15.0f}{alone / together:>8.2f}x{alone / least:>7.2f}x")
        print(lines[-1], file=sys.stderr)
    text = "\n".join(lines)
    print(text)
    if options.save:
        save(options.save, title="Adapters in one pass", text=text)


if __name__ == "__main__":
    main()

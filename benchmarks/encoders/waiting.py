"""Measures how long OpenMP threads should spin while they wait for each other, on quiet and on busy cores.

    cd benchmarks; python -m encoders.waiting [--steps 10] [--turns 3] [--save FILE]

A step trains a transformer of six layers on a batch of MNLI's size, with a thread for each core; an addition is one
operator on its hidden states. Each number of spins (GOMP_SPINCOUNT) has processes of its own: alone, beside a process
that keeps one core busy, and two of them at once. Figures are medians over turns.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from machine import heading, save

SPINS = ("0", "100", "1000", "10000", "300000")
"""The last is libgomp's default."""
SHAPE = (32, 26, 384)
"""Examples, tokens, size of the hidden states."""
NUM_ADDITIONS = 2_000


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", action="store_true", help="time the steps of this process (for the benchmark itself)")
    parser.add_argument("--save", type=Path)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(_timings(options.steps)))
        return
    lines = [
        *heading(["torch"]),
        f"threads   {os.cpu_count()} a process",
        "",
        f"{'':16}{'an addition, us':>18}{'a step, ms':>14}{'one core busy':>16}{'two of them':>14}",
    ]
    found: dict[str, list[tuple[float, ...]]] = {spins: [] for spins in SPINS}
    for turn in range(options.turns):
        print(f"turn {turn + 1} of {options.turns}", file=sys.stderr)
        for spins in SPINS:
            (alone,) = _timed(options.steps, spins=spins, num=1)
            (beside,) = _beside_a_busy_one(options.steps, spins=spins)
            both = _timed(options.steps, spins=spins, num=2)
            found[spins].append((*alone, beside[1], max(one[1] for one in both)))
    for spins, turns in found.items():
        addition, alone, beside, both = (statistics.median(column) for column in zip(*turns, strict=True))
        lines.append(f"{int(spins):>9,} spins{addition:>18.0f}{alone:>14.0f}{beside:>16.0f}{both:>14.0f}")
    text = "\n".join(lines)
    print(text)
    if options.save:
        save(options.save, title="Threads that wait for each other", text=text)


def _timed(num_steps: int, *, spins: str, num: int) -> list[tuple[float, float]]:
    """Return microseconds of an addition and milliseconds of a step, in each of some processes that run at once."""
    variables = {**os.environ, "GOMP_SPINCOUNT": spins, "OMP_NUM_THREADS": str(os.cpu_count())}
    command = [sys.executable, "-m", "encoders.waiting", "--only", "--steps", str(num_steps)]
    started = [subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True) for _ in range(num)]
    return [tuple(json.loads(one.communicate()[0])) for one in started]


def _beside_a_busy_one(num_steps: int, *, spins: str) -> list[tuple[float, float]]:
    busy = multiprocessing.get_context("spawn").Process(target=_keep_busy, daemon=True)
    busy.start()
    try:
        return _timed(num_steps, spins=spins, num=1)
    finally:
        busy.kill()


def _keep_busy() -> None:
    while True:
        pass


def _timings(num_steps: int) -> tuple[float, float]:
    """Return microseconds of an addition, and milliseconds of a step."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(SHAPE[2], 12, 4 * SHAPE[2], activation="gelu", batch_first=True)
    model = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    batch = torch.randn(*SHAPE)

    def step() -> None:
        model(batch).pow(2).mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    step()
    began = time.perf_counter()
    for _ in range(num_steps):
        step()
    of_step = 1000 * (time.perf_counter() - began) / num_steps
    began = time.perf_counter()
    for _ in range(NUM_ADDITIONS):
        batch.add_(1e-6)
    return 1_000_000 * (time.perf_counter() - began) / NUM_ADDITIONS, of_step


if __name__ == "__main__":
    main()

"""Measures training speed: this project's engine beside Hugging Face's Trainer, in real tokens (no padding) a second.

    python benchmarks/train_throughput.py [--unfrozen] [--quick] [--save FILE]

All sides have the same encoder, examples, token ids, batch size, learning rate, schedule, dropout, optimiser (fused
AdamW), frozen embeddings (--unfrozen: trained) and threads. Ours computes in the type that a sweep on this machine has
by default (docs/decisions/0038), Trainer in its own default, float32; where they differ, Trainer also runs in ours.
 Each side keeps its own head: ours is mean pooling
-> LayerNorm -> XLM-R's classification head, Trainer's is XLM-R's classification head on the first token; it is 0.1 % of
the arithmetic. The sides take turns, so other load on the machine affects all of them. Figures are medians over turns.

Useful arithmetic, counted on real tokens (n tokens, D hidden, F feed-forward, L labels, one product = 2 operations):

    layer forward   n (8 D^2 + 4 D F) + 4 n^2 D    projections, feed-forward, scores and their use
    head forward    2 D^2 + 2 D L
    step            3 x forward - 6 D^2 n          backward is twice the forward, but the first layer's Q, K, V
                                                   projections need no input gradient if the embeddings are frozen

Embeddings are a look-up without arithmetic. "of peak" divides by the faster of two square GEMMs measured in
turn, in the side's type, with the library that our linear layers use (docs/decisions/0035).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from machine import heading, require_encoder, require_package, save

if TYPE_CHECKING:
    from contenders.trainers import Settings, Window

    from trainables.config.trial import Precision

    Peaks = Mapping[Precision, Mapping[int, list[float]]]

ENCODER = "lab/xlmr-e5-small-6l"
GEMM_SIZES = (1024, 2048)
NUM_LABELS = 3
LEARNING_RATE = 3e-4
TARGET_RATIOS = {"Trainer, random order": 2.8, "Trainer, group_by_length": 1.4, "Trainer, grouped, bfloat16": 1.4}
"""The target for ours, as a multiple of each other side."""

SORTED_STEPS = 50
"""Trainer's grouped order sorts each stretch of 50 batches, longest first: fewer steps would see only long texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the compared ways to train."""

    name: str
    turn: Callable[..., Window]
    num_steps: int
    pool: ProcessPoolExecutor
    precision: Precision
    """Type of its arithmetic."""
    windows: list[Window] = field(default_factory=list)


def main() -> None:
    """Run the benchmark and print its table."""
    options = _options()
    folder = require_encoder(ENCODER)
    require_package("accelerate", extra="bench")
    set_environment(options.threads)
    lines = heading(["torch", "deepspeed", "transformers", "accelerate"])
    with tempfile.TemporaryDirectory(prefix="xstilts-bench-") as cache:
        settings = settings_of(options, encoder=folder, cache=Path(cache))
        sides, peaks = _measure(settings, num_steps=options.steps, num_turns=options.repeats)
    lines += _report(sides, peaks=peaks, settings=settings)
    print("\n".join(lines))
    if options.save:
        save(options.save, title="Training throughput", text="\n".join(lines))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Training speed beside Hugging Face's Trainer.")
    return read_options(parser, steps=SORTED_STEPS, warmup=5, quick=(4, 2))


def read_options(
    parser: argparse.ArgumentParser, *, steps: int, warmup: int, quick: tuple[int, int]
) -> argparse.Namespace:
    """Read the options of a benchmark of training.

    Args:
        parser: Has the benchmark's own options.
        steps: Timed steps of a turn.
        warmup: Untimed steps of a turn.
        quick: Steps and turns that show that it runs.
    """
    few, turns = quick
    parser.add_argument("--steps", type=int, default=steps, help="timed steps of a turn (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each side (default: %(default)s)")
    parser.add_argument("--warmup", type=int, default=warmup, help="untimed steps of a turn (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="examples a step (default: %(default)s)")
    parser.add_argument("--max-length", type=int, default=96, help="longest text, tokens (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: %(default)s)")
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="type of our arithmetic (default: auto, which is that of a new sweep on this machine)",
    )
    parser.add_argument("--unfrozen", action="store_true", help="the embeddings are trained")
    parser.add_argument(
        "--quick", action="store_true", help=f"{few} steps, {turns} turns: it runs, and measures nothing"
    )
    parser.add_argument("--save", type=Path, help="Markdown file for the result")
    options = parser.parse_args()
    if options.quick:
        options.steps, options.repeats, options.warmup = few, turns, 1
    return options


def set_environment(threads: int, *, restart: bool = False) -> None:
    """Give every side the environment of our ranks; children read it before they import torch.

    Args:
        threads: CPU threads of a side.
        restart: This process measures too: it starts again, because the C library reads its variables at its start.
    """
    from trainables.ranks.local_group import rank_environment

    wanted = rank_environment(threads) | {"HF_HUB_OFFLINE": "1"}
    is_new = any(os.environ.get(name) != value for name, value in wanted.items())
    os.environ.update(wanted)
    if restart and is_new:
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606  (the command that the user gave)


def settings_of(options: argparse.Namespace, *, encoder: Path, cache: Path) -> Settings:
    """Return what is the same for every side."""
    from contenders.trainers import Settings

    return Settings(
        precision=precision_of(options.precision),
        encoder=encoder,
        cache=cache,
        threads=options.threads,
        batch_size=options.batch_size,
        max_length=options.max_length,
        learning_rate=LEARNING_RATE,
        num_warmup_steps=options.warmup,
        freeze_embeddings=not options.unfrozen,
    )


def precision_of(asked: Literal["auto"] | Precision) -> Precision:
    """Return the type of our arithmetic; `auto` is that of a new sweep on this machine."""
    from trainables.config import EngineConfig
    from trainables.ranks.devices import RankDevices
    from trainables.ranks.precision import precision_here

    on_cpu = RankDevices(kind="cpu", computes_on="cpu")
    return precision_here(EngineConfig(precision=asked), devices=on_cpu)


def _measure(settings: Settings, *, num_steps: int, num_turns: int) -> tuple[list[Side], Peaks]:
    """Let the sides take turns; returns them with their windows, and the GEMM rates by type and size."""
    from contenders.trainers import gemm_gflops, train_hugging_face, train_ours

    # Random order needs no whole sorted stretch, and its steps take twice as long.
    half = max(1, num_steps // 2)
    random, grouped = (partial(train_hugging_face, order=order) for order in ("random", "group_by_length"))
    turns: list[tuple[str, Callable[..., Window], int, Precision]] = [
        ("ours", train_ours, num_steps, settings.precision),
        ("Trainer, random order", random, half, "float32"),
        ("Trainer, group_by_length", grouped, num_steps, "float32"),
    ]
    if settings.precision == "bfloat16":
        turns.append(
            ("Trainer, grouped, bfloat16", partial(grouped, precision="bfloat16"), num_steps, settings.precision)
        )
    sides = [
        Side(name=name, turn=turn, num_steps=steps, pool=separate_process(), precision=precision)
        for name, turn, steps, precision in turns
    ]
    types = {side.precision for side in sides}
    peaks: dict[Precision, dict[int, list[float]]] = {name: {size: [] for size in GEMM_SIZES} for name in types}
    for turn in range(num_turns):
        for precision, rates in peaks.items():
            for size in GEMM_SIZES:
                asked = sides[0].pool.submit(gemm_gflops, size, threads=settings.threads, precision=precision)
                rates[size].append(asked.result())
        for side in sides:
            print(f"turn {turn + 1} of {num_turns}: {side.name}", file=sys.stderr)
            side.windows.append(side.pool.submit(side.turn, settings, num_steps=side.num_steps, seed=turn).result())
    for side in sides:
        side.pool.shutdown()
    return sides, peaks


def separate_process() -> ProcessPoolExecutor:
    """Return a pool of one new process, which lives for the whole benchmark."""
    return ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn"))


def _report(sides: list[Side], *, peaks: Peaks, settings: Settings) -> list[str]:
    rates = {
        precision: {size: statistics.median(values) for size, values in of_type.items()}
        for precision, of_type in sorted(peaks.items(), reverse=True)
    }
    lines = [
        f"work      mnli, {ENCODER}, batch {settings.batch_size}, max_length {settings.max_length},",
        f"          {settings.threads} threads, ours in {settings.precision}, embeddings {_embeddings(settings)},",
        "          DeepSpeed ZeRO 0 for ours",
    ]
    for precision, of_type in rates.items():
        found = ", ".join(f"{size} square: {rate:.0f} GFLOP/s" for size, rate in of_type.items())
        lines.append(f"GEMM      {precision}, {found}")
    lines += ["", f"{'':26}{'real tokens/s':>14}{'padding':>9}{'of peak':>9}{'/CPU s':>9}{'steps':>11}"]
    lines += [_row(side, peak=max(rates[side.precision].values()), settings=settings) for side in sides]
    ours = _tokens_per_second(sides[0])
    lines.append("")
    for other in sides[1:]:
        ratio, target = ours / _tokens_per_second(other), TARGET_RATIOS[other.name]
        lines.append(f"ours / {other.name:26} {ratio:5.2f}x   (target: {target}x)")
    return lines


def _embeddings(settings: Settings) -> str:
    return "frozen" if settings.freeze_embeddings else "trained"


def _row(side: Side, *, peak: float, settings: Settings) -> str:
    of_peak = statistics.median(useful_gflop(one, settings) / one.seconds / peak for one in side.windows)
    per_cpu_second = statistics.median(one.tokens / one.cpu_seconds for one in side.windows)
    padding = 1 - sum(one.tokens for one in side.windows) / sum(one.padded_tokens for one in side.windows)
    steps = f"{len(side.windows)} x {side.num_steps}"
    return (
        f"{side.name:26}{_tokens_per_second(side):14,.0f}{padding:9.1%}{of_peak:9.1%}{per_cpu_second:9,.0f}{steps:>11}"
    )


def _tokens_per_second(side: Side) -> float:
    return statistics.median(one.tokens / one.seconds for one in side.windows)


def useful_gflop(window: Window, settings: Settings) -> float:
    """Return the arithmetic of a window's real tokens (see above), in 10^9 operations."""
    config = json.loads((settings.encoder / "config.json").read_text())
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    squares = sum(length**2 for length in window.lengths)
    layer = window.tokens * (8 * hidden**2 + 4 * hidden * inner) + 4 * squares * hidden
    head = len(window.lengths) * (2 * hidden**2 + 2 * hidden * NUM_LABELS)
    forward = config["num_hidden_layers"] * layer + head
    unneeded = 6 * hidden**2 * window.tokens if settings.freeze_embeddings else 0
    return (3 * forward - unneeded) / 1e9


if __name__ == "__main__":
    main()

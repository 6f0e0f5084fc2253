"""Measures training and scoring on a GPU: XLM-R base and large with random weights, beside Hugging Face's Trainer.

    python benchmarks/gpu/throughput.py [--tiny] [--save FILE]

It needs torch, transformers, safetensors and numpy; Trainer also needs accelerate, and its rows are left out without
it. Token lengths are the recorded ones of MNLI and of XNLI's languages (`lengths.json`). Without a GPU it runs only
with `--tiny`, which shows that it works and measures nothing.

Useful arithmetic counts real tokens only (n tokens of a text, D hidden, F feed-forward, one product = 2 operations): a
layer's forward pass takes n (8 D^2 + 4 D F) + 4 n^2 D, and a training step three times as much. MFU divides it by the
rate of a large matrix product in the same run.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import importlib.util
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]  # the source tree, without an install

from gpu.our_side import Ours, Window  # noqa: E402  (the path comes first)
from gpu.texts import PAD_ID, Texts, drawn_lengths, recorded_names  # noqa: E402  (the path comes first)
from gpu.trainer_side import train_with_trainer  # noqa: E402  (the path comes first)

XLM_R = {
    "base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
    "large": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
}
"""Shapes of XLM-R (Conneau et al. 2020, arXiv 1911.02116, section 4)."""

TINY = {"tiny": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}}
VOCABULARY, TINY_VOCABULARY = 250_002, 500
TRAINING_FACTOR = 3


def main() -> None:
    """Run the benchmark and print its table."""
    options = _options()
    device = torch.device("cuda" if torch.cuda.is_available() and not options.tiny else "cpu")
    if device.type == "cpu" and not options.tiny:
        sys.exit("this benchmark needs a CUDA GPU, and torch finds none; use --tiny to see that it runs")
    lines = _heading(device)
    peak = gemm_flops(device, size=256 if options.tiny else 8192)
    lines.append(f"GEMM      {peak / 1e12:.3g} TFLOP/s in {'bfloat16' if device.type == 'cuda' else 'float32'}")
    for name, shape in (TINY if options.tiny else XLM_R).items():
        lines += _measured(name, shape, device=device, peak=peak, options=options)
    print("\n".join(lines))
    if options.save:
        body = "\n".join(lines)
        options.save.write_text(f"# Throughput on a GPU\n\n```\n{body}\n```\n")


def gemm_flops(device: torch.device, *, size: int, seconds: float = 1.0) -> float:
    """Return the rate of the product of two square matrices in operations a second: the median of several windows."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    rates: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(rates) < 2:  # noqa: PLR2004  (the first one warms up)
        started = time.perf_counter()
        for _ in range(10):
            product = left @ right
        product[0, 0].item()
        rates.append(10 * 2 * size**3 / (time.perf_counter() - started))
    return float(np.median(rates[1:]))


def useful_operations(window: Window, shape: dict[str, int]) -> float:
    """Return the operations of one forward pass over a window's real tokens."""
    hidden, inner = shape["hidden_size"], shape["intermediate_size"]
    layer = window.tokens * (8 * hidden**2 + 4 * hidden * inner) + 4 * window.squares * hidden
    return float(shape["num_hidden_layers"] * layer)


def _measured(
    name: str, shape: dict[str, int], *, device: torch.device, peak: float, options: argparse.Namespace
) -> list[str]:
    vocabulary = TINY_VOCABULARY if options.tiny else VOCABULARY
    config: dict[str, Any] = _config(shape, vocabulary=vocabulary)
    num_train = options.batch_size * (options.steps + options.warmup) if options.tiny else None
    train = Texts(lengths=drawn_lengths("mnli", num_texts=num_train), vocab_size=vocabulary)
    steps = {"batch_size": options.batch_size, "num_warmup": options.warmup, "num_steps": options.steps}
    ours = Ours(config, device=device)
    trained = ours.train(train, **steps)
    lines = ["", f"XLM-R {name}, batch {options.batch_size}", _row("ours", trained, shape=shape, peak=peak)]
    lines += [f"    {part:24}{value:10.2f} ms" for part, value in trained.parts.items()]
    lines.append(f"    distinct shapes of passes {len(trained.shapes):8}")
    lines += _scored(ours, vocabulary=vocabulary, shape=shape, peak=peak, options=options)
    del ours
    _free(device)
    if importlib.util.find_spec("accelerate") is None:
        return [*lines, "Trainer   left out: it needs the package accelerate"]
    other = train_with_trainer(config, train, on_cuda=device.type == "cuda", **steps)
    _free(device)
    ratio = (trained.tokens / trained.seconds) / (other.tokens / other.seconds)
    lines.append(_row("Trainer, group_by_length", other, shape=shape, peak=peak))
    return [*lines, f"ours / Trainer                {ratio:8.2f}x   (target: 2x)"]


def _scored(
    ours: Ours, *, vocabulary: int, shape: dict[str, int], peak: float, options: argparse.Namespace
) -> list[str]:
    names = [name for name in recorded_names() if name.startswith("xnli ")]
    each = [drawn_lengths(name, num_texts=8 if options.tiny else None) for name in names]
    texts = Texts(lengths=np.concatenate(each), vocab_size=vocabulary)
    if not options.tiny:
        ours.score(texts)  # compiles what it meets
    window = ours.score(texts)
    rate, mfu = window.tokens / window.seconds, useful_operations(window, shape) / window.seconds / peak
    what = f"{len(texts.lengths):,} pairs of {len(names)} languages in {window.seconds:.2f} s"
    return [f"XNLI dev  {what}: {rate:,.0f} tokens/s, {mfu:.1%} MFU"]


def _row(side: str, window: Window, *, shape: dict[str, int], peak: float) -> str:
    mfu = TRAINING_FACTOR * useful_operations(window, shape) / window.seconds / peak
    milliseconds = window.seconds / window.steps * 1000
    return f"{side:26}{window.tokens / window.seconds:14,.0f} tokens/s{mfu:8.1%} MFU{milliseconds:10.2f} ms a step"


def _config(shape: dict[str, int], *, vocabulary: int) -> dict[str, Any]:
    return {
        **shape,
        "model_type": "xlm-roberta",
        "vocab_size": vocabulary,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "pad_token_id": PAD_ID,
    }


def _heading(device: torch.device) -> list[str]:
    import transformers

    of_transformers = f"transformers {transformers.__version__}"
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU: tiny shapes, figures mean nothing"
    return [
        f"device    {name}",
        f"versions  python {platform.python_version()}, torch {torch.__version__}, {of_transformers}",
        f"date      {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
        "command   python benchmarks/gpu/throughput.py",
    ]


def _free(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Training and scoring on a GPU beside Hugging Face's Trainer.")
    parser.add_argument("--steps", type=int, default=200, help="timed steps (default: %(default)s)")
    parser.add_argument("--warmup", type=int, default=50, help="untimed steps (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="examples a step (default: %(default)s)")
    parser.add_argument("--tiny", action="store_true", help="tiny shapes on the CPU: shows that it runs")
    parser.add_argument("--save", type=Path, help="Markdown file for the result")
    options = parser.parse_args()
    if options.tiny:
        options.steps, options.warmup, options.batch_size = 3, 1, 4
    return options


if __name__ == "__main__":
    main()

"""Measures scoring XNLI in 15 languages: our one stream beside Hugging Face's `Trainer.predict` for each language.

    python benchmarks/evaluation_throughput.py [--quick] [--save FILE]

Both sides score the same weights, on the same token ids, with the same number of threads, in the type of arithmetic
that a new sweep on this machine has by default (--precision names another one); where that is not Trainer's own
default, float32, Trainer also scores in float32. The model is a classifier whose head has random weights. Nothing is
trained, because time and agreement do not depend on it. One side is transformers' own
XLMRobertaForSequenceClassification; the other is this project's model with first-token pooling, which has the same
head. The benchmark times prediction: it makes batches from token ids, runs the forward passes and gathers the logits.
It does not time loading, tokenising (ours is cached on disk; the other side receives the same ids) or computing
scores.

Trainer.predict pads each batch of `--batch-size` to its longest example, in the data's order. Ours sorts all languages'
examples by length and cuts batches by a token budget. "of peak" divides the useful arithmetic (real tokens; see
train_throughput.py for the formula of a forward pass) by the faster of two square GEMMs measured in the same process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from machine import heading, require_encoder, require_package, save
from train_throughput import ENCODER, GEMM_SIZES, precision_of, set_environment

if TYPE_CHECKING:
    from contenders.predictors import Contest, Prediction

    from trainables.config.trial import Precision

TARGET_RATIO = 2.0
"""The target for ours, as a multiple of Trainer.predict's speed."""


def main() -> None:
    """Run the benchmark and print its table."""
    options = _options()
    folder = require_encoder(ENCODER)
    require_package("accelerate", extra="bench")
    set_environment(options.threads, restart=True)
    lines = heading(["torch", "transformers", "accelerate"])
    with tempfile.TemporaryDirectory(prefix="xstilts-bench-") as scratch:
        lines += _compare(options, encoder=folder, scratch=Path(scratch))
    print("\n".join(lines))
    if options.save:
        save(options.save, title="Evaluation throughput", text="\n".join(lines))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Scoring speed beside Hugging Face's Trainer.predict.")
    parser.add_argument("--items", type=int, help="items a language (default: all of XNLI's validation split)")
    parser.add_argument("--repeats", type=int, default=2, help="turns of each side (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="Trainer's batch (default: %(default)s)")
    parser.add_argument("--max-length", type=int, default=128, help="longest text, tokens (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: %(default)s)")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="default: auto")
    parser.add_argument("--quick", action="store_true", help="1 turn of 20 items: shows that it runs, measures nothing")
    parser.add_argument("--save", type=Path, help="Markdown file for the result")
    options = parser.parse_args()
    if options.quick:
        options.items, options.repeats = 20, 1
    return options


def _compare(options: argparse.Namespace, *, encoder: Path, scratch: Path) -> list[str]:
    from contenders.predictors import make_contest, predict_hugging_face, predict_ours
    from contenders.trainers import gemm_gflops

    contest = make_contest(
        encoder, scratch=scratch, threads=options.threads, max_length=options.max_length, num_items=options.items
    )
    precision = precision_of(options.precision)
    peak = max(gemm_gflops(size, threads=options.threads, precision=precision) for size in GEMM_SIZES)
    ours: list[Prediction] = []
    theirs: dict[Precision, list[Prediction]] = {name: [] for name in dict.fromkeys(("float32", precision))}
    for turn in range(options.repeats):
        print(f"turn {turn + 1} of {options.repeats}", file=sys.stderr)
        ours.append(predict_ours(contest, precision=precision))
        for name, side in theirs.items():
            side.append(predict_hugging_face(contest, batch_size=options.batch_size, precision=name))
    return _report(contest, ours=ours, theirs=theirs, peak=peak, options=options)


def _report(
    contest: Contest,
    *,
    ours: list[Prediction],
    theirs: dict[Precision, list[Prediction]],
    peak: float,
    options: argparse.Namespace,
) -> list[str]:
    num_examples = sum(len(task) for task in contest.tasks.values())
    gflop = _useful_gflop(contest)
    mine = f"ours, {precision_of(options.precision)}"
    sides = {mine: ours} | {f"Trainer.predict, {name}": side for name, side in theirs.items()}
    seconds = {name: statistics.median(one.seconds for one in side) for name, side in sides.items()}
    lines = [
        f"work      xnli validation, {len(contest.tasks)} languages, {num_examples} pairs, {ENCODER},",
        f"          max_length {options.max_length}, {options.threads} threads, medians of {options.repeats} turns",
        f"GEMM      best of {' and '.join(map(str, GEMM_SIZES))} square: {peak:.0f} GFLOP/s in our type",
        "",
        f"{'':26}{'pairs/s':>10}{'seconds':>10}{'of our peak':>13}",
    ]
    lines += [
        f"{name:26}{num_examples / took:10,.0f}{took:10.1f}{gflop / took / peak:13.1%}"
        for name, took in seconds.items()
    ]
    lines.append("")
    for name, side in theirs.items():
        ratio = seconds[f"Trainer.predict, {name}"] / seconds[mine]
        lines.append(f"ours / Trainer.predict, {name:10} {ratio:5.2f}x   (target: {TARGET_RATIO}x)")
        lines += _agreement(ours[0], side[0])
    return lines


def _agreement(ours: Prediction, theirs: Prediction) -> list[str]:
    same = sum(int((ours.logits[name].argmax(1) == logits.argmax(1)).sum()) for name, logits in theirs.logits.items())
    total = sum(len(logits) for logits in theirs.logits.values())
    apart = max(float(abs(ours.logits[name] - logits).max()) for name, logits in theirs.logits.items())
    return [f"  same prediction {same} of {total}; logits at most {apart:.1e} apart"]


def _useful_gflop(contest: Contest) -> float:
    config = json.loads((contest.encoder / "config.json").read_text())
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    lengths = [int(length) for task in contest.tasks.values() for length in task.lengths]
    squares = sum(length**2 for length in lengths)
    layer = sum(lengths) * (8 * hidden**2 + 4 * hidden * inner) + 4 * squares * hidden
    return (config["num_hidden_layers"] * layer + len(lengths) * 2 * hidden**2) / 1e9


if __name__ == "__main__":
    main()

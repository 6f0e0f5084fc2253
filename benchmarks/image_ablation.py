"""Measures whether a task needs its images: it is scored on its own images and on the same images permuted.

    python benchmarks/image_ablation.py [--encoder miniature] [--tasks miniature_entailment miniature_retrieval]
        [--seeds 0 1 2] [--vision '{tower: small}'] [--save FILE]

One rank, DeepSpeed ZeRO 0, float32. Both columns have the same model and texts; only the pairs of image and text
differ. "guess" is the best of the guesses that `task_scores/guesses.py` computes, "error" is the
standard error of the score.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any  # Any: fields of a phase, checked by pydantic

from machine import heading, save
from task_scores.task_jobs import open_bench

from trainables.config import PhaseConfig
from trainables.config.yaml_file import parse_yaml
from trainables.plan.starting_weights import encoder_folder
from trainables.tasks.registry import task

SHUFFLED = "/shuffled_images"


def main() -> None:
    """Train each task with each seed, and print a row for it."""
    options = _options()
    columns = f"{'own images':>12}{'error':>7}{'permuted':>10}{'lower by':>10}{'guess':>8}{'seconds':>9}"
    lines = [
        *heading(["torch", "deepspeed", "transformers"]),
        f"work      {_conditions(options)}",
        "",
        f"{'task':22}{'seed':>5}{columns}",
    ]
    print("\n".join(lines))
    with open_bench(encoder_folder(options.encoder, revision=None), threads=options.threads) as bench:
        for name in options.tasks:
            for seed in options.seeds:
                outcome = bench.train(task(name), _phase(name, seed=seed, options=options))
                bench.forget(name)
                own, permuted = outcome.score, outcome.result.scores[name + SHUFFLED]
                error = math.sqrt(own * (1 - own) / outcome.num_items)
                lines.append(
                    f"{name:22}{seed:5}{own:12.1%}{error:7.1%}{permuted:10.1%}{own - permuted:10.1%}"
                    f"{outcome.guess.score:8.1%}{outcome.seconds:9.0f}"
                )
                print(lines[-1], flush=True)
    if options.save:
        save(options.save, title="Do image tasks need their images?", text="\n".join(lines))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Scores image tasks with their own images and with permuted ones.")
    parser.add_argument("--encoder", default="miniature", help="name or folder (default: %(default)s)")
    parser.add_argument("--tasks", nargs="+", default=["miniature_entailment", "miniature_retrieval"], metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="(default: %(default)s)")
    parser.add_argument("--steps", type=int, default=500, help="optimiser steps (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="examples a step (default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=3e-3, help="peak (default: %(default)s)")
    parser.add_argument("--freeze-layers", type=int, default=2, help="lowest layers kept (default: %(default)s)")
    parser.add_argument("--max-length", type=int, default=64, help="longest text, tokens (default: %(default)s)")
    parser.add_argument("--vision", default="{tower: miniature, freeze: true}", help="(default: %(default)s)")
    parser.add_argument("--dropout", type=float, default=0.0, help="(default: %(default)s)")
    parser.add_argument("--dev-items", type=int, default=600, help="dev items scored (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    parser.add_argument("--save", type=Path, help="Markdown file for the result")
    return parser.parse_args()


def _conditions(options: argparse.Namespace) -> str:
    return (
        f"encoder {options.encoder}, vision {options.vision}, {options.steps} steps of {options.batch_size},\n"
        f"          learning rate {options.learning_rate:g}, embeddings and {options.freeze_layers} layers frozen, "
        f"dropout {options.dropout:g}, {options.dev_items} dev items"
    )


def _phase(name: str, *, seed: int, options: argparse.Namespace) -> PhaseConfig:
    fields: dict[str, Any] = {
        "mixture": {name: 1.0},
        "steps": options.steps,
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "max_length": options.max_length,
        "dropout": options.dropout,
        "freeze_embeddings": True,
        "freeze_layers": options.freeze_layers,
        "num_dev_items": options.dev_items,
        "vision": parse_yaml(options.vision, name="--vision"),
        "seed": seed,
    }
    return PhaseConfig.model_validate(fields)


if __name__ == "__main__":
    main()

"""Trains and scores every task of the catalogue that can be read here, and compares its score with guessing.

    python benchmarks/catalogue.py --mirror [--tasks squad xquad] [--steps 60] [--set FIELD=VALUE] [--save FILE]

Each task is one phase, which runs as in `xstilts run`: one rank, DeepSpeed ZeRO 0, float32, frozen embeddings, mean
pooling. "loss" is the mean training loss of the first and of the last tenth of the steps. "score" is the task's metric
on the first items of its dev split, with its standard error. "guess" is the best of the guesses that
`task_scores/guesses.py` computes for the kind, on the same items. A guess needs no model, but it can use the dev
labels.

The row of an evaluation task follows the row of the task that it is trained on. Its score is the zero-shot mean over
its languages. In most tasks the items are parallel, so the errors of the languages are correlated; the standard error
shown is that of one language.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from machine import give_up, heading, require_mirror, save

if TYPE_CHECKING:
    from task_scores.task_jobs import Bench, Outcome

    from trainables.config import PhaseConfig
    from trainables.tasks.spec import TaskSpec

ENCODER = "lab/xlmr-e5-small-6l"


def main() -> None:
    """Train and score each task, and print a row for it."""
    options = _options()
    mirror = require_mirror()
    if not (encoder := mirror / "models" / ENCODER).is_dir():
        give_up(f"this benchmark needs the encoder {ENCODER}, and {encoder} is no folder; add it to the mirror")
    os.environ["HF_HUB_OFFLINE"] = "1"
    from task_scores.task_jobs import open_bench

    lines = [*heading(["torch", "deepspeed", "transformers", "datasets"]), *_work(options)]
    print("\n".join(lines))
    with open_bench(encoder, threads=options.threads) as bench:
        for line in _rows(options, bench=bench):
            lines.append(line)
            print(line, flush=True)
    if options.save:
        save(options.save, title="The catalogue's tasks: trained and scored", text="\n".join(lines))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Trains and scores every task that is here.")
    parser.add_argument("--mirror", action="store_true", help="only tasks of the mirror, not the miniature's")
    parser.add_argument("--tasks", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--steps", type=int, default=60, help="optimiser steps (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=8, help="examples a step (default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=3e-4, help="peak (default: %(default)s)")
    parser.add_argument("--max-length", type=int, default=64, help="longest text, tokens (default: %(default)s)")
    parser.add_argument(
        "--span-length", type=int, default=160, help="that of question answering (default: %(default)s)"
    )
    parser.add_argument("--dev-items", type=int, default=200, help="dev items scored (default: %(default)s)")
    parser.add_argument("--items", type=int, default=40, help="items a language of evaluations (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: %(default)s)")
    parser.add_argument("--set", nargs="+", default=[], metavar="FIELD=VALUE", help="other fields of the phase")
    parser.add_argument("--save", type=Path, help="Markdown file for the result")
    return parser.parse_args()


def _work(options: argparse.Namespace) -> list[str]:
    lengths = f"max_length {options.max_length} ({options.span_length} for span_qa)"
    other = f"; {', '.join(options.set)}" if options.set else ""
    headings = f"{'task':15}{'kind':21}{'loss':>15}{'score':>8}{'error':>7}{'guess':>8}  {'of guessing':20}"
    return [
        f"work      {ENCODER}, {options.steps} steps of {options.batch_size}, learning rate {options.learning_rate:g},",
        f"          {lengths}, {options.dev_items} dev items, {options.items} items a language{other}",
        "",
        f"{headings}{'beats it':>9}{'seconds':>9}",
    ]


def _rows(options: argparse.Namespace, *, bench: Bench) -> Iterator[str]:
    """Yield a line for each task, an evaluation task after its training task, and one for the tasks not here."""
    from task_scores.task_jobs import ZERO_SHOT

    from trainables.tasks.registry import tasks

    for spec in _chosen(options):
        trained = bench.train(spec, phase_of(spec, options))
        losses = trained.result.losses
        tenth = max(1, len(losses) // 10)
        yield _row(spec, trained, change=f"{fmean(losses[:tenth]):.3f} -> {fmean(losses[-tenth:]):.3f}")
        for name in [name for name, training in ZERO_SHOT.items() if training == spec.name]:
            yield from _evaluated(name, options, bench=bench, head=spec)
        bench.forget(spec.name)
    for name in [name for name, training in ZERO_SHOT.items() if training is None]:
        yield from _evaluated(name, options, bench=bench, head=None)
    if not options.tasks:
        missing = [spec.name for spec in tasks().values() if not _is_scored(spec, options)]
        yield textwrap.fill(", ".join(missing), 110, initial_indent="\nnot here  ", subsequent_indent=" " * 10)


def _evaluated(name: str, options: argparse.Namespace, *, bench: Bench, head: TaskSpec | None) -> Iterator[str]:
    from task_scores.task_jobs import languages_here

    from trainables.config import EvaluationConfig
    from trainables.tasks.registry import task

    spec = task(name)
    languages = languages_here(spec, only_mirror=options.mirror)
    if not languages or (options.tasks and name not in options.tasks):
        return
    target = phase_of(head or spec, options)
    work = EvaluationConfig(task=name, languages=languages, num_items=options.items, max_length=target.max_length)
    scored = bench.evaluate(spec, work, head=head, target=target)
    of = f"{len(languages)} languages"
    yield _row(spec, scored, change=of, num_independent=scored.num_items // len(languages))


def _chosen(options: argparse.Namespace) -> list[TaskSpec]:
    """Return the tasks with a train and a dev split that can be read here."""
    from task_scores.task_jobs import is_here

    from trainables.tasks.registry import task, tasks

    splits = {"train", "validation"}
    if options.tasks:
        return [spec for name in options.tasks if splits <= set((spec := task(name)).splits)]
    own = [spec for spec in tasks().values() if spec.kind != "distillation"]  # which needs a teacher as well
    here = [spec.name for spec in own if is_here(spec, splits=splits, only_mirror=options.mirror)]
    return [task(name) for name in here]


def _is_scored(spec: TaskSpec, options: argparse.Namespace) -> bool:
    from task_scores.task_jobs import ZERO_SHOT, is_here, languages_here

    from trainables.tasks.spec import GeneratedSource

    if options.mirror and isinstance(spec.source, GeneratedSource):
        return True  # not asked for
    if spec.name in ZERO_SHOT:
        return bool(languages_here(spec, only_mirror=options.mirror))
    return is_here(spec, splits={"train", "validation"}, only_mirror=options.mirror)


def phase_of(spec: TaskSpec, options: argparse.Namespace) -> PhaseConfig:
    """Return the phase that trains a task."""
    from trainables.config import PhaseConfig
    from trainables.config.yaml_file import parse_yaml

    fields = {
        "mixture": {spec.name: 1.0},
        "steps": options.steps,
        "batch_size": options.batch_size,
        "learning_rate": options.learning_rate,
        "max_length": options.span_length if spec.kind == "span_qa" else options.max_length,
        "freeze_embeddings": True,
        "num_dev_items": options.dev_items,
        "vision": {} if spec.has_images else None,
    }
    for setting in options.set:
        name, _, value = setting.partition("=")
        fields[name] = parse_yaml(value, name="--set")
    return PhaseConfig.model_validate(fields)


def _row(spec: TaskSpec, outcome: Outcome, *, change: str, num_independent: int | None = None) -> str:
    """Return a row. The error is that of a proportion; for F1, whose items score from 0 to 1, an upper bound."""
    score, guess = outcome.score, outcome.guess
    error = math.sqrt(score * (1 - score) / (num_independent or outcome.num_items))
    verdict = "yes" if score > guess.score else "no"
    return (
        f"{spec.name:15}{spec.kind:21}{change:>15}{score:8.1%}{error:7.1%}{guess.score:8.1%}  {guess.name:20}"
        f"{verdict:>9}{outcome.seconds:9.0f}"
    )


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()

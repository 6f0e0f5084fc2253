"""Measures whether the average of several runs' weights depends less on luck than single runs, in every language.

    cd benchmarks; XSTILTS_MIRROR=... python -m weights.averages [--encoder lab/xlmr-e5-small-6l] [--steps 1500]
        [--averages 5] [--runs 5] [--folder FOLDER] [--save FILE]

Each average has runs of its own, which share the start of their head. Spread is the standard deviation over averages;
that of single runs is the root of the mean of the variances over the runs of equal place in their averages, so both
have as many independent values. Everything is scored on the dev split of XNLI in 15 languages. One rank, DeepSpeed ZeRO
0, float32. FOLDER keeps the stages: the same command continues where it was interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from machine import heading, require_mirror, save

from trainables.config import EncoderConfig, EngineConfig, EvaluationConfig, PhaseConfig, TrialConfig
from trainables.config.combining import AverageConfig
from trainables.ranks.local_group import LocalGroup
from trainables.results import TrialResult
from trainables.stage_store import StageStore
from trainables.trials.trial import TrialResources, run_trial

DISTANCE = 100
"""Distance between the first seeds of two averages."""
LESS_SPREAD = 0.3
"""Share by which the spread should be lower (the claim that is tested)."""

Scores = Mapping[str, float]
"""Language -> accuracy, with `average` over all."""


def main() -> None:
    """Train and score everything, and print a row for each language."""
    options = _options()
    require_mirror()
    lines = [*heading(["torch", "deepspeed", "transformers"]), f"work      {_conditions(options)}", ""]
    print("\n".join(lines))
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engine = EngineConfig(threads_per_rank=options.threads, device="cpu")
        group = stack.enter_context(contextlib.closing(LocalGroup(engine)))
        resources = TrialResources(store=StageStore(folder), group=group)
        singles, averages, results = _scored(options, resources=resources)
    table = [*_table(singles, averages), "", *_verdict(singles, averages), *_times(results, options=options)]
    print("\n".join(table))
    if options.save:
        save(options.save, title="Are averages of runs less a matter of luck?", text="\n".join([*lines, *table]))


def _scored(
    options: argparse.Namespace, *, resources: TrialResources
) -> tuple[list[list[Scores]], list[Scores], list[TrialResult]]:
    """Return the scores of each average's single runs, and those of the averages, with all results."""
    singles: list[list[Scores]] = []
    averages: list[Scores] = []
    results: list[TrialResult] = []
    for number in range(options.averages):
        first = number * DISTANCE
        works = [_work(options, seed=first + turn, head_seed=first) for turn in range(options.runs)]
        averaged = works[0].model_copy(update={"average": AverageConfig(seeds=options.runs, select=options.select)})
        started = time.monotonic()
        of_group = [run_trial(_trial(options, work), resources=resources) for work in (*works, averaged)]
        *alone, together = (_scores(result) for result in of_group)
        singles.append(alone)
        averages.append(together)
        results += of_group
        shown = " ".join(f"{100 * one['average']:.2f}" for one in (*alone, together))
        print(f"average {number}: runs and average {shown} ({time.monotonic() - started:.0f} s)", flush=True)
    return singles, averages, results


def _work(options: argparse.Namespace, *, seed: int, head_seed: int) -> PhaseConfig:
    return PhaseConfig(
        mixture={"mnli": 1.0},
        steps=options.steps,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        max_length=options.max_length,
        freeze_embeddings=not options.train_embeddings,
        num_dev_items=options.items,
        seed=seed,
        head_seed=None if head_seed == seed else head_seed,
    )


def _trial(options: argparse.Namespace, work: PhaseConfig) -> TrialConfig:
    return TrialConfig(
        encoder=EncoderConfig(name=options.encoder),
        target=work,
        evaluation=EvaluationConfig(num_items=options.items, max_length=options.max_length),
        engine=EngineConfig(threads_per_rank=options.threads, device="cpu"),
    )


def _scores(result: TrialResult) -> Scores:
    return {**result.languages, "average": result.average}


def _table(singles: Sequence[Sequence[Scores]], averages: Sequence[Scores]) -> list[str]:
    lines = [
        f"{'':10}{'single runs':>18}{'averages':>18}{'':>10}",
        f"{'':10}{'mean   spread':>18}{'mean   spread':>18}{'ratio':>10}",
    ]
    for name in averages[0]:
        (alone, alone_spread), (together, spread) = _of_singles(singles, name), _of_averages(averages, name)
        ratio = f"{spread / alone_spread:.2f}" if alone_spread else "-"
        lines.append(f"{name:10}{alone:9.2f}{alone_spread:9.2f}{together:9.2f}{spread:9.2f}{ratio:>10}")
    return lines


def _verdict(singles: Sequence[Sequence[Scores]], averages: Sequence[Scores]) -> list[str]:
    (alone, alone_spread), (together, spread) = _of_singles(singles, "average"), _of_averages(averages, "average")
    less = 1 - spread / alone_spread if alone_spread else 0.0
    claims = {
        f"spread lower by {less:.0%}; the claim is {LESS_SPREAD:.0%}": less >= LESS_SPREAD,
        f"mean higher by {together - alone:+.2f} points; the claim is not lower": together >= alone,
    }
    return [f"{'holds' if holds else 'DOES NOT HOLD'}: {claim}" for claim, holds in claims.items()]


def _times(results: Sequence[TrialResult], *, options: argparse.Namespace) -> list[str]:
    """Return the time of everything, also if some of it lay in the folder already."""
    stages = {stage.key: stage for result in results for stage in result.stages}.values()
    steps, trained = sum(one.steps for one in stages), sum(one.seconds for one in stages if one.phase == "target")
    scored = sum(one.seconds for one in stages if one.phase == "evaluation")
    what = f"{options.averages * options.runs} runs, {trained / max(1, steps):.2f} s a step"
    return [f"time      {trained / 3600:.2f} h of training ({what}), {scored / 3600:.2f} h of scoring"]


def _of_singles(singles: Sequence[Sequence[Scores]], name: str) -> tuple[float, float]:
    """Return mean and spread, in points."""
    places = list(zip(*singles, strict=True))
    variances = [statistics.variance([100 * one[name] for one in place]) for place in places]
    mean = statistics.fmean(100 * one[name] for place in places for one in place)
    return mean, math.sqrt(statistics.fmean(variances))


def _of_averages(averages: Sequence[Scores], name: str) -> tuple[float, float]:
    values = [100 * one[name] for one in averages]
    return statistics.fmean(values), statistics.stdev(values)


def _conditions(options: argparse.Namespace) -> str:
    return (
        f"encoder {options.encoder}, MNLI {options.steps} steps of {options.batch_size}, learning rate "
        f"{options.learning_rate:g},\n          {options.averages} {options.select} averages of {options.runs} runs, "
        f"{options.items} items of XNLI in each language, embeddings "
        f"{'trained' if options.train_embeddings else 'frozen'}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compares averages of runs with single runs.")
    parser.add_argument("--encoder", default="lab/xlmr-e5-small-6l", help="name or folder (default: %(default)s)")
    parser.add_argument("--averages", type=int, default=5, help="averages, at least 2 (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="runs of an average (default: %(default)s)")
    parser.add_argument("--select", choices=["uniform", "greedy"], default="uniform", help="(default: %(default)s)")
    parser.add_argument("--steps", type=int, default=1500, help="optimiser steps of a run (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=32, help="examples a step (default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=1e-4, help="peak (default: %(default)s)")
    parser.add_argument("--max-length", type=int, default=64, help="longest text, tokens (default: %(default)s)")
    parser.add_argument("--train-embeddings", action="store_true", help="train the embeddings too")
    parser.add_argument("--items", type=int, default=1000, help="items a language (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="store that keeps the stages (default: a temporary one)")
    parser.add_argument("--save", type=Path, help="Markdown file for the result")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Every task of the catalogue that is here: does it train, and does its score beat guessing?

    python benchmarks/catalogue.py --mirror [--tasks squad qqp] [--steps 60] [--save FILE]

Each task is an intermediate phase of its own, run as `xstilts run` runs one: one rank, DeepSpeed ZeRO 0, float32,
frozen embeddings, mean pooling. "loss" is the mean training loss of the first and of the last tenth of the steps;
"score" is the task's metric on the first items of its dev split; "guess" is the best of the guesses that `baselines.py`
lists for the kind, on the same items: it needs no model, but may look at the dev labels.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from machine import give_up, heading, require_mirror, save

if TYPE_CHECKING:
    from baselines import Guess

    from trainables.config import EngineConfig, PhaseConfig
    from trainables.jobs import JobPlaces, JobResult
    from trainables.local_group import LocalGroup
    from trainables.tasks.spec import TaskSpec

ENCODER = "lab/xlmr-e5-small-6l"
SPAN_LENGTH = 192
"""Longest text of question answering, whose contexts are long; other tasks take --max-length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a task."""

    result: JobResult
    guess: Guess
    num_dev_items: int
    seconds: float


def main() -> None:
    """Train and score each task, and print a row for it."""
    options = _options()
    mirror = require_mirror()
    if not (encoder := mirror / "models" / ENCODER).is_dir():
        give_up(f"this benchmark needs the encoder {ENCODER}, and {encoder} is no folder; add it to the mirror")
    os.environ["HF_HUB_OFFLINE"] = "1"
    lines = [*heading(["torch", "deepspeed", "transformers", "datasets"]), *_work(options)]
    print("\n".join(lines))
    with _group(options) as group, tempfile.TemporaryDirectory(prefix="xstilts-bench-") as folder:
        for spec in _chosen(options):
            lines.append(_row(spec, _outcome(spec, options, group=group, encoder=encoder, folder=Path(folder))))
            print(lines[-1], flush=True)
    if options.save:
        save(options.save, title="The catalogue's tasks: trained and scored", text="\n".join(lines))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Trains and scores every task that is here.")
    parser.add_argument("--mirror", action="store_true", help="only tasks of the mirror, not the miniature's")
    parser.add_argument("--tasks", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--steps", type=int, default=60, help="optimiser steps (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=16, help="examples a step (default: %(default)s)")
    parser.add_argument("--learning-rate", type=float, default=3e-4, help="peak (default: %(default)s)")
    parser.add_argument("--max-length", type=int, default=96, help="longest text, tokens (default: %(default)s)")
    parser.add_argument("--dev-items", type=int, default=200, help="dev items scored (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: %(default)s)")
    parser.add_argument("--save", type=Path, help="Markdown file for the result")
    return parser.parse_args()


def _work(options: argparse.Namespace) -> list[str]:
    return [
        f"work      {ENCODER}, {options.steps} steps of {options.batch_size}, learning rate {options.learning_rate:g},",
        f"          max_length {options.max_length} ({SPAN_LENGTH} for span_qa), {options.dev_items} dev items, seed 0",
        "",
        f"{'task':22}{'kind':22}{'loss':>15}{'score':>8}{'guess':>8}  {'of guessing':26}{'beats it':>9}{'seconds':>9}",
    ]


def _chosen(options: argparse.Namespace) -> list[TaskSpec]:
    """Return the tasks with a train and a dev split that can be read here."""
    from trainables.tasks.registry import task, tasks

    if options.tasks:
        return [task(name) for name in options.tasks]
    return [task(spec.name) for spec in tasks().values() if _is_here(spec, only_mirror=options.mirror)]


def _is_here(spec: TaskSpec, *, only_mirror: bool) -> bool:
    from trainables.data.locate import locate_dataset
    from trainables.errors import UnavailableError
    from trainables.tasks.registry import task
    from trainables.tasks.spec import CompositeSource, GeneratedSource, HubSource

    if not {"train", "validation"} <= set(spec.splits):
        return False
    if isinstance(spec.source, CompositeSource):
        return all(_is_here(task(name), only_mirror=only_mirror) for name in spec.source.parts)
    if not isinstance(spec.source, HubSource):
        return isinstance(spec.source, GeneratedSource) and not only_mirror
    try:
        return locate_dataset(spec.source.repository).kind == "mirror" or not only_mirror
    except UnavailableError:
        return False


@contextmanager
def _group(options: argparse.Namespace) -> Iterator[LocalGroup]:
    from trainables.local_group import LocalGroup

    group = LocalGroup(_engine(options))
    try:
        yield group
    finally:
        group.close()


def _engine(options: argparse.Namespace) -> EngineConfig:
    from trainables.config import EngineConfig

    return EngineConfig(threads_per_rank=options.threads, device="cpu")


def _phase(spec: TaskSpec, options: argparse.Namespace) -> PhaseConfig:
    from trainables.config import PhaseConfig, VisionConfig

    return PhaseConfig(
        mixture={spec.name: 1.0},
        steps=options.steps,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        max_length=SPAN_LENGTH if spec.kind == "span_qa" else options.max_length,
        freeze_embeddings=True,
        num_dev_items=options.dev_items,
        vision=VisionConfig() if spec.has_images else None,
    )


def _outcome(spec: TaskSpec, options: argparse.Namespace, *, group: LocalGroup, encoder: Path, folder: Path) -> Outcome:
    from baselines import best_guess

    from trainables.jobs import JobPlaces, TrainJob

    work = _phase(spec, options)
    output = folder / spec.name
    output.mkdir()
    places = JobPlaces(encoder=encoder, tokenizer=encoder, output=output, cache=folder / "cache")
    job = TrainJob(phase="intermediate", work=work, specs={spec.name: spec}, engine=_engine(options), places=places)
    started = time.perf_counter()
    result = group.run(job)
    seconds = time.perf_counter() - started
    dev = _dev_split(spec, work, places=places)
    return Outcome(result=result, guess=best_guess(dev), num_dev_items=len(dev), seconds=seconds)


def _dev_split(spec: TaskSpec, work: PhaseConfig, *, places: JobPlaces):  # noqa: ANN202  (importing its type imports torch)
    from trainables.data.encoded import EncodedRequest, TokenizerSource, open_encoded_task, tokenizer_fingerprint
    from trainables.encoder import load_tokenizer

    tokenizer = TokenizerSource(
        tokenizer=load_tokenizer(places.tokenizer), fingerprint=tokenizer_fingerprint(places.tokenizer)
    )
    return open_encoded_task(
        EncodedRequest(
            spec=spec,
            split="validation",
            tokenizer=tokenizer,
            max_length=work.max_length,
            num_examples=work.num_dev_items,
            cache=places.cache,
        )
    )


def _row(spec: TaskSpec, outcome: Outcome) -> str:
    losses, score = outcome.result.losses, outcome.result.scores[spec.name]
    tenth = max(1, len(losses) // 10)
    change = f"{fmean(losses[:tenth]):.3f} -> {fmean(losses[-tenth:]):.3f}"
    verdict = "yes" if score > outcome.guess.score else "no"
    return (
        f"{spec.name:22}{spec.kind:22}{change:>15}{score:8.1%}{outcome.guess.score:8.1%}  {outcome.guess.name:26}"
        f"{verdict:>9}{outcome.seconds:9.0f}"
    )


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()

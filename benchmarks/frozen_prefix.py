"""Measures the training of 8 targets above frozen layers, whose vectors are computed in each step or once.

    python benchmarks/frozen_prefix.py [--freeze-layers 3] [--steps 20] [--threads 1] [--save FILE]
    python benchmarks/frozen_prefix.py --parts      the CPU time of the parts of a step

The targets are phases on mnli that differ in their learning rates. Each starts from the mirror's encoder, whose
embeddings and lowest layers are frozen. Three sides take turns, target by target, each on the same batches:

    as before       dropout acts in the frozen layers too (the default)
    each step       `frozen_dropout: false`, without the cache: each step runs the frozen layers, text by text
    computed once   `frozen_dropout: false`, with the cache, which the first target fills

Steps a second are those of the training loop, the median over targets. The last two sides must have the same losses.

A step of a layer is one unit forward and two backward. So with F frozen layers below T trained ones, the cache saves at
most F of F + 3 T units: the best ratio is 1 + F / (3 T), apart from embeddings, head and optimiser.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from machine import heading, require_encoder, save

from trainables.config import EngineConfig, PhaseConfig
from trainables.ranks.jobs import JobPlaces, JobResult, TrainJob
from trainables.ranks.local_group import LocalGroup
from trainables.tasks.registry import task

ENCODER = "lab/xlmr-e5-small-6l"
NUM_TARGETS = 8
BATCH_SIZE = 32
NUM_TOKENS, NUM_TIMES = 40, 7
"""Tokens of a text, and measurements, of `--parts`."""
TARGET_RATIO = 3.0

SIDES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "as before": ({}, {}),
    "each step": ({"frozen_dropout": False}, {"prefix_cache": "off"}),
    "computed once": ({"frozen_dropout": False}, {"prefix_cache": "always"}),
}
"""Side -> fields of its phases, and of its engine."""


@dataclass(slots=True)
class Side:
    """What one side took for each target."""

    rates: list[float] = field(default_factory=list[float])
    """Steps a second in the training loop."""
    seconds: list[float] = field(default_factory=list[float])
    """Wall time of the whole job: loading, the cache, training, saving."""
    losses: list[tuple[float, ...]] = field(default_factory=list[tuple[float, ...]])
    """Losses of the steps."""

    def add(self, result: JobResult, *, seconds: float) -> None:
        """Count a target."""
        self.rates.append(result.steps / sum(pace.seconds for pace in result.paces.values()))
        self.seconds.append(seconds)
        self.losses.append(result.losses)

    @property
    def rate(self) -> float:
        """Median of the targets."""
        return statistics.median(self.rates)


def run(options: argparse.Namespace, *, encoder: Path, folder: Path) -> dict[str, Side]:
    """Train all targets of all sides."""
    sides = {name: Side() for name in SIDES}
    with contextlib.closing(LocalGroup(engine(options))) as group:
        train(group, options, encoder=encoder, folder=folder, number=-1, side="as before")  # encodes, and warms up
        for number in range(NUM_TARGETS):
            for name, side in sides.items():
                started = time.monotonic()
                result = train(group, options, encoder=encoder, folder=folder, number=number, side=name)
                side.add(result, seconds=time.monotonic() - started)
            print(f"target {number + 1} of {NUM_TARGETS}", file=sys.stderr)
    return sides


def engine(options: argparse.Namespace, **fields: Any) -> EngineConfig:
    """Return the engine: one rank on the CPU."""
    return EngineConfig(threads_per_rank=options.threads, device="cpu", **fields)


def phase(options: argparse.Namespace, **fields: Any) -> PhaseConfig:
    """Return a target, which reads each of its examples once."""
    return PhaseConfig(
        mixture={"mnli": 1.0},
        steps=options.steps,
        batch_size=BATCH_SIZE,
        num_examples=options.steps * BATCH_SIZE,
        max_length=96,
        num_dev_items=0,
        freeze_embeddings=True,
        freeze_layers=options.freeze_layers,
        **fields,
    )


def train(
    group: LocalGroup, options: argparse.Namespace, *, encoder: Path, folder: Path, number: int, side: str
) -> JobResult:
    """Train a target on one side."""
    of_phase, of_engine = SIDES[side]
    work = phase(options, learning_rate=1e-4 * 1.2**number, **of_phase)
    output = Path(tempfile.mkdtemp(dir=folder))
    places = JobPlaces(encoder=encoder, tokenizer=encoder, output=output, cache=folder / "cache")
    specs = {"mnli": task("mnli")}
    return group.run(
        TrainJob(phase="target", work=work, specs=specs, engine=engine(options, **of_engine), places=places)
    )


def report(sides: dict[str, Side], *, options: argparse.Namespace, num_layers: int) -> Sequence[str]:
    """Return the result as lines."""
    without, cached = sides["each step"], sides["computed once"]
    rows = [
        f"{name:<16}{side.rate:>10.2f}{cached.rate / side.rate:>22.2f}x{side.seconds[0]:>16.1f}"
        f"{statistics.median(side.seconds[1:]):>16.1f}"
        for name, side in sides.items()
    ]
    num_trained = num_layers - options.freeze_layers
    bound = f"{1 + options.freeze_layers / (3 * num_trained):.2f}x" if num_trained else "none: only the head trains"
    same = sum(one == other for one, other in zip(without.losses, cached.losses, strict=True))
    return [
        f"training  mnli, {NUM_TARGETS} targets of {options.steps} steps of {BATCH_SIZE}, {options.threads} threads",
        f"encoder   {ENCODER}: {options.freeze_layers} of {num_layers} layers frozen, and the embeddings",
        "",
        "side             steps/s    computed once / it    first job, s    other jobs, s",
        *rows,
        "",
        f"bound     {bound} by arithmetic, for each step's layers alone; wanted: {TARGET_RATIO:g}x",
        f"identical losses of {same} of {NUM_TARGETS} targets, bit for bit, with and without the cache",
    ]


def parts(options: argparse.Namespace, *, encoder: Path) -> list[str]:
    """Return the CPU time of the parts of a step, as lines."""
    import torch

    from trainables.models.encoder import load_encoder
    from trainables.models.task_model import build_task_model, parameter_groups

    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(0)
    batch = {"input_ids_BT": torch.randint(5, 80_000, (BATCH_SIZE, NUM_TOKENS), generator=generator)}
    batch["labels_B"] = torch.randint(0, 3, (BATCH_SIZE,), generator=generator)
    models = [
        build_task_model(
            phase(options, frozen_dropout=noisy), {"mnli": task("mnli")}, encoder=load_encoder(encoder, dropout=0.1)
        ).train()
        for noisy in (True, False)
    ]
    noisy, still = models
    above = batch | {"prefix_BTD": still.encoder.prefix_vectors(batch["input_ids_BT"], None)}
    forward = milliseconds(lambda: still("mnli", above))
    both = milliseconds(lambda: still("mnli", above).losses_B.mean().backward())
    optimizer = torch.optim.AdamW([*parameter_groups(still, weight_decay=0.0)], fused=True)
    alone = milliseconds(lambda: still.encoder.prefix_vectors(batch["input_ids_BT"], None))
    return [
        f"parts     of a step of {BATCH_SIZE} texts of {NUM_TOKENS} tokens, ms of CPU time, median of {NUM_TIMES}",
        f"frozen layers in a batch, with dropout  {milliseconds(lambda: noisy('mnli', batch)) - forward:6.0f}",
        f"frozen layers text by text              {alone:6.0f}",
        f"above them, forward                     {forward:6.0f}",
        f"above them, backward                    {both - forward:6.0f}",
        f"AdamW                                   {milliseconds(optimizer.step):6.0f}",
    ]


def milliseconds(work: Callable[[], object]) -> float:
    """Return the CPU time of some work, the median after a first time."""
    work()
    times: list[float] = []
    for _ in range(NUM_TIMES):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return 1e3 * statistics.median(times)


def main() -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description="Frozen layers, computed in each step or once.")
    parser.add_argument("--freeze-layers", type=int, default=3, help="frozen layers of the 6 (default 3)")
    parser.add_argument("--steps", type=int, default=20, help="steps of a target (default 20)")
    parser.add_argument("--threads", type=int, default=1, help="threads of the rank (default 1)")
    parser.add_argument("--parts", action="store_true", help="time the parts of a step instead")
    parser.add_argument("--save", type=Path, metavar="FILE", help="keep the result, for example in results/")
    options = parser.parse_args()
    encoder = require_encoder(ENCODER)
    lines = heading(("deepspeed", "torch", "transformers"))
    if options.parts:
        print("\n".join([*lines, *parts(options, encoder=encoder)]))
        return 0
    with tempfile.TemporaryDirectory(prefix="xstilts-bench-") as folder:
        sides = run(options, encoder=encoder, folder=Path(folder))
    lines += report(sides, options=options, num_layers=6)
    print("\n".join(lines))
    if options.save:
        save(options.save, title="Frozen layers, computed in each step or once", text="\n".join(lines))
    return 0 if sides["each step"].losses == sides["computed once"].losses else 1


if __name__ == "__main__":
    sys.exit(main())

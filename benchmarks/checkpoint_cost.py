"""Measures what a checkpoint inside a stage costs, as a share of the training time, at two sizes with random weights.

    python benchmarks/checkpoint_cost.py [--sizes 43M 560M] [--save FILE]

A checkpoint of the whole state (weights, Adam's two moments) is copied and written as a rank does. Its cost is the time
in which training stands still for the copy, and the processor time of the thread that writes. Before: one every 180 s,
whatever it costs. After: `engine.checkpoint_seconds: auto`.

560M needs 18 GB of memory and 7 GB on the disk of the temporary folder. Exit code 1: a share is above 2 %.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from machine import heading, save

SIZES: dict[str, dict[str, int]] = {
    "43M": {"vocab_size": 83_683, "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12},
    "560M": {"vocab_size": 250_002, "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16},
}
"""Name -> shape: the encoder of the mirror, and XLM-R Large."""
NUM_CHECKPOINTS = 3
"""The last one counts: the first ones touch new memory and an empty cache of the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One checkpoint."""

    num_bytes: int
    """Size of its files."""
    copy_seconds: float
    """Time in which training stands still."""
    write_seconds: float
    """Wall time until it is complete."""
    cost: float
    """Copy, and processor time of the thread that writes, in seconds."""
    seconds: float
    """Time to the next one, as `auto` chooses it."""


def measure(shape: dict[str, int], folder: Path) -> Cost:
    """Train one step of an encoder with random weights, and write checkpoints of it."""
    import torch
    from contenders.trainers import cpu_rank

    from trainables.config import EngineConfig, PhaseConfig
    from trainables.engine import Engine, EngineRequest
    from trainables.models.encoder import new_encoder
    from trainables.models.task_model import build_task_model, parameter_groups
    from trainables.tasks.registry import task
    from trainables.training.checkpoint_writer import CheckpointWriter
    from trainables.training.training_state import capture

    rank = cpu_rank(threads=torch.get_num_threads())
    work = PhaseConfig(mixture={"mnli": 1.0}, steps=1, dropout=0.0)
    sizes = {"intermediate_size": 4 * shape["hidden_size"], "max_position_embeddings": 514, "type_vocab_size": 1}
    encoder = new_encoder({"model_type": "xlm-roberta", "pad_token_id": 1, **sizes, **shape}, dropout=0.0)
    model = build_task_model(work, {"mnli": task("mnli")}, encoder=encoder)
    groups = parameter_groups(model, weight_decay=0.0)
    config = EngineConfig(device="cpu")
    engine = Engine(EngineRequest(module=model, parameter_groups=groups, phase=work, config=config, device=rank.device))
    batch = {"input_ids_BT": torch.full((1, 8), 5), "labels_B": torch.zeros(1, dtype=torch.int64)}
    engine.train()
    engine.backward(engine.forward("mnli", batch).losses_B.sum(), unused=())
    engine.step(1e-5)
    found: list[Cost] = []
    for number in range(NUM_CHECKPOINTS):
        place = folder / str(number)
        writer = CheckpointWriter(place, seconds=None)
        start = time.monotonic()
        state = capture(engine, device=rank.device, losses=(1.0,), tallies={}, seconds=1.0)
        copied = time.monotonic()
        if state is None:
            raise AssertionError("a group of one rank has its state")
        writer.write(state, wait=False, copy_seconds=copied - start)
        writer.finish()
        num_bytes = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
        seconds = time.monotonic() - copied
        found.append(
            Cost(
                num_bytes=num_bytes,
                copy_seconds=copied - start,
                write_seconds=seconds,
                cost=writer.cost,
                seconds=writer.seconds,
            )
        )
        del state
        shutil.rmtree(place)
    engine.destroy()
    return found[-1]


def main() -> None:
    """Print both shares at each size."""
    from trainables.training.checkpoint_writer import LARGEST_SHARE, USUAL_SECONDS

    parser = argparse.ArgumentParser(description="What a checkpoint inside a stage costs, in training time.")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES), help="shapes to measure (all)")
    parser.add_argument("--save", type=Path, help="write the result as a Markdown file")
    given = parser.parse_args()
    lines = heading(["torch", "deepspeed"])
    lines += [
        "",
        f"{'parameters':<12}{'state':>9}{'copy':>9}{'write':>9}{'cost':>9}{'at 180 s':>10}{'auto':>8}{'every':>9}",
    ]
    shares: list[float] = []
    for name in given.sizes:
        with tempfile.TemporaryDirectory() as folder:
            cost = measure(SIZES[name], Path(folder))
        before, after = cost.cost / (USUAL_SECONDS + cost.copy_seconds), cost.cost / (cost.seconds + cost.copy_seconds)
        shares.append(after)
        lines.append(
            f"{name:<12}{cost.num_bytes / 1e9:>6.2f} GB{cost.copy_seconds:>7.2f} s{cost.write_seconds:>7.1f} s"
            f"{cost.cost:>7.2f} s{100 * before:>8.2f} %{100 * after:>6.2f} %{cost.seconds:>7.0f} s"
        )
    text = "\n".join(lines)
    print(text)
    if given.save:
        save(given.save, title="Cost of checkpoints inside a stage", text=text)
    sys.exit(int(any(share > LARGEST_SHARE for share in shares)))


if __name__ == "__main__":
    main()

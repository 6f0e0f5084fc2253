"""Measures the space of stages that share tensors, with random weights of the shape of XLM-R base.

    cd benchmarks; python -m weights.shared_tensors [--stages 4] [--frozen "embeddings"] [--tiny] [--save FILE]

Stages that freeze the embeddings, or the embeddings and six layers, and stages that train everything, are committed to
a store: whole, as before, and with what they share. Their time to commit, to verify and to load is measured on both
sides; files are in the memory of the system. It needs 8 GB on the disk of the temporary folder; `--tiny` shows that it
works and measures nothing. Exit code 1: a loaded weight differs from the one committed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from machine import heading, save
from safetensors.torch import save_file
from torch import Tensor

from trainables.models.encoder import new_encoder
from trainables.models.families.family import layer_of
from trainables.models.weights import read_place
from trainables.stage_store import Place, StageFacts, StageStore, bytes_of

BASE = {"vocab_size": 250_002, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
"""Shape of XLM-R base (Conneau et al. 2020, arXiv 1911.02116, section 4)."""
TINY = {"vocab_size": 500, "hidden_size": 32, "num_hidden_layers": 8, "num_attention_heads": 4}
FROZEN: dict[str, int | None] = {"nothing frozen": None, "embeddings": 0, "embeddings, 6 layers": 6}
"""What is frozen -> the number of frozen layers; None freezes nothing."""
FACTS = StageFacts(phase="target", parent=None, steps=1, seconds=1.0, scores={}, counts={}, made_with={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One store."""

    num_bytes: int
    """Size of all its stages."""
    commit_seconds: float
    """Mean time to commit a stage."""
    verify_seconds: float
    """Time to verify the last stage: all its bytes are hashed."""
    load_seconds: float
    """Time to read the weights of the last stage."""
    is_exact: bool
    """Whether the last stage's weights are those that were committed."""


def trained(weights: dict[str, Tensor], *, frozen: int | None, number: int) -> dict[str, Tensor]:
    """Return weights as training leaves them: all but the frozen ones have changed."""

    def is_frozen(name: str) -> bool:
        layer = layer_of(name)
        return frozen is not None and (layer is None or layer < frozen)

    return {name: one if is_frozen(name) else one + 0.001 * (number + 1) for name, one in weights.items()}


def measure(weights: dict[str, Tensor], *, start: Place | None, frozen: int | None, num_stages: int) -> Side:
    """Commit stages to a new store and read the last one."""
    with tempfile.TemporaryDirectory() as folder:
        store, seconds, after = StageStore(Path(folder) / "store"), 0.0, weights
        for number in range(num_stages):
            key, after = f"{number:064x}", trained(weights, frozen=frozen, number=number)
            with store.lease(key), store.work_folder(key) as work:
                save_file(after, work / "model.safetensors", metadata={"format": "pt"})
                begun = time.monotonic()
                store.commit(key, folder=work, facts=FACTS, start=start)
                seconds += time.monotonic() - begun
        num_bytes = bytes_of(store.space.stages().values())
        key, begun = f"{num_stages - 1:064x}", time.monotonic()
        problem, verified = store.space.verify(key), time.monotonic()
        found = store.find(key)
        if problem or found is None:
            raise AssertionError(problem)
        found_at = time.monotonic()
        read, loaded = read_place(found.place), time.monotonic()
        return Side(
            num_bytes=num_bytes,
            commit_seconds=seconds / num_stages,
            verify_seconds=verified - begun,
            load_seconds=loaded - found_at,
            is_exact=all(torch.equal(read[name], tensor) for name, tensor in after.items()),
        )


def line(name: str, before: Side, after: Side) -> str:
    """Return a row of the table."""
    gigabytes = [side.num_bytes / 1e9 for side in (before, after)]
    times = [(getattr(before, of), getattr(after, of)) for of in ("commit_seconds", "verify_seconds", "load_seconds")]
    shown = "".join(f"  {whole:5.2f} {shared:5.2f}" for whole, shared in times)
    return f"{name:22}{gigabytes[0]:8.3f}{gigabytes[1]:8.3f}{gigabytes[1] / gigabytes[0]:7.2f}{shown}"


def main() -> int:
    """Run the benchmark, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", type=int, default=4, help="stages in each store")
    parser.add_argument("--frozen", choices=FROZEN, action="append", help="what is frozen, all three by default")
    parser.add_argument("--tiny", action="store_true", help="a small encoder, to see that it works")
    parser.add_argument("--save", type=Path, help="write the result to this Markdown file")
    asked = parser.parse_args()
    shape = TINY if asked.tiny else BASE
    sizes = {"intermediate_size": 4 * shape["hidden_size"], "max_position_embeddings": 514, "type_vocab_size": 1}
    encoder = new_encoder({"model_type": "xlm-roberta", "pad_token_id": 1, **sizes, **shape}, dropout=0.0)
    weights = {name: tensor.detach() for name, tensor in encoder.model.state_dict().items()}
    lines = [*heading(["torch", "safetensors"]), "", f"{asked.stages} stages in a store; each pair: whole, shared", ""]
    lines.append(f"{'frozen':22}{'GB':>8}{'GB':>8}{'ratio':>7}  {'commit s':>11}  {'verify s':>11}  {'load s':>11}")
    is_exact = True
    with tempfile.TemporaryDirectory() as folder:
        save_file(weights, Path(folder) / "model.safetensors", metadata={"format": "pt"})
        for name in asked.frozen or FROZEN:
            before, after = (
                measure(weights, start=start, frozen=FROZEN[name], num_stages=asked.stages)
                for start in (None, Place(Path(folder)))
            )
            is_exact = is_exact and before.is_exact and after.is_exact
            lines.append(line(name, before, after))
    text = "\n".join(lines)
    print(text)
    if asked.save:
        save(asked.save, title="Space of stages that share tensors", text=text)
    return 0 if is_exact else 1


if __name__ == "__main__":
    sys.exit(main())

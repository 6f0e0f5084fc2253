"""Scoring a plain module, with the items dealt to the ranks of a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import nn

from trainables.data.batching import length_batches
from trainables.monitoring.liveness import goes_on
from trainables.ranks.kept_outputs import KeptOutputs
from trainables.training.trainer import Pace, Rank

Outputs = dict[str, np.ndarray]
"""A head's outputs over a split, in the order of its examples."""


class Examples(Protocol):
    """What can be predicted: an encoded split, or several as one stream."""

    lengths: NDArray[np.int32]
    """Tokens of each example."""

    def batch(
        self, indices: Sequence[int] | NDArray[np.integer], *, generator: np.random.Generator
    ) -> dict[str, torch.Tensor]:
        """Return the tensors of some examples."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How an evaluation goes on, for those whom it concerns."""

    pace: Pace | None = None
    """Told how many examples are done, over all ranks."""
    kept: KeptOutputs | None = None
    """Keeps what is predicted, and knows what was before an interruption."""


@torch.no_grad()
def predict(
    model: nn.Module,
    task: Examples,
    *,
    head: str,
    rank: Rank,
    tokens_per_micro_batch: int,
    course: Course | None = None,
) -> Outputs:
    """Return the head's outputs for every example of a split, the same on every rank.

    Args:
        model: A TaskModel with full weights on each rank.
        task: The encoded split, or a stream of several.
        head: Name of the task whose head predicts.
        rank: This process; it scores every `num_ranks`-th batch.
        tokens_per_micro_batch: Bound on one forward pass, padding included.
        course: Who is told, and what is kept; None tells nobody and keeps nothing.
    """
    model.eval()
    batches = length_batches(task.lengths, tokens_per_micro_batch=tokens_per_micro_batch)
    mine = batches[rank.number :: rank.num_ranks]
    pace, kept = (course.pace, course.kept) if course else (None, None)
    # Each rank asks for its own share, whatever the others find: so no batch is left out or done twice.
    found: list[tuple[np.ndarray, Outputs]] = kept.known(mine) if kept else []
    known = {indices.tobytes() for indices, _ in found}
    num_done = sum(len(indices) for indices, _ in found)
    if pace is not None:
        pace.skip(min(num_done * rank.num_ranks, len(task.lengths)))
    for indices in mine:
        if indices.tobytes() in known:
            continue
        found.append((indices, _outputs(model, task, head=head, indices=indices, device=rank.device)))
        if kept:
            kept.add(found[-1])
        num_done += len(indices)
        goes_on()
        if pace is not None:
            pace.tell(min(num_done * rank.num_ranks, len(task.lengths)), [])
    if rank.num_ranks > 1:
        gathered: list[list[tuple[np.ndarray, Outputs]]] = [[] for _ in range(rank.num_ranks)]
        dist.all_gather_object(gathered, found)
        found = [pair for pairs in gathered for pair in pairs]
    return _in_order(found, num_examples=len(task.lengths))


def _outputs(model: nn.Module, task: Examples, *, head: str, indices: np.ndarray, device: torch.device) -> Outputs:
    # Masked-LM scores need a mask that does not change between calls: seeded by the batch's first example.
    batch = task.batch(indices, generator=np.random.default_rng(int(indices[0])))
    tensors = {name: tensor.to(device) for name, tensor in batch.items()}
    outputs: Mapping[str, torch.Tensor] = model(head, tensors).outputs
    return {name: tensor.float().cpu().numpy() for name, tensor in outputs.items()}


def _in_order(found: list[tuple[np.ndarray, Outputs]], *, num_examples: int) -> Outputs:
    """Return outputs in the examples' order; where batches differ in length, shorter ones are filled up with 0."""
    ordered: Outputs = {}
    for name in found[0][1] if found else ():
        parts = [(indices, outputs[name]) for indices, outputs in found]
        longest = tuple(max(sizes) for sizes in zip(*(values.shape[1:] for _, values in parts), strict=True))
        ordered[name] = np.zeros((num_examples, *longest), dtype=parts[0][1].dtype)
        for indices, values in parts:
            ordered[name][(indices, *(slice(size) for size in values.shape[1:]))] = values
    return ordered

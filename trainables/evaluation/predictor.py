"""Runs a model over the items of a split, divided among the ranks of a group."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

from trainables.data.batch_plan import length_batches
from trainables.data.batches import Examples, prepared_batch
from trainables.data.shapes import FewShapes, few_shapes
from trainables.evaluation.kept_outputs import KeptOutputs
from trainables.monitoring.watchdog import send_heartbeat
from trainables.training.device_copies import DeviceCopies, Sent, copies_to
from trainables.training.prefetcher import Prefetcher
from trainables.training.rank import Rank
from trainables.training.trainer import ProgressReporter

Outputs = dict[str, np.ndarray]
"""A head's outputs over a split, in the order of its examples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Progress of a prediction: its reports, and the outputs that are kept."""

    reporter: ProgressReporter | None = None
    """Reports how many examples are done, over all ranks."""
    kept: KeptOutputs | None = None
    """Keeps the outputs, and returns those from before an interruption."""


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
        course: Progress reports and kept outputs; None has neither.
    """
    model.eval()
    longest = int(task.lengths.max(initial=1))
    shapes = few_shapes(rank.device.type, max_length=longest)
    batches = length_batches(task.lengths, tokens_per_micro_batch=tokens_per_micro_batch, shapes=shapes)
    mine = batches[rank.number :: rank.num_ranks]
    reporter, kept = (course.reporter, course.kept) if course else (None, None)
    # Each rank reads only its own share, so no batch is skipped or predicted twice.
    found: list[tuple[np.ndarray, Outputs]] = kept.known(mine) if kept else []
    known = {indices.tobytes() for indices, _ in found}
    num_done = sum(len(indices) for indices, _ in found)
    if reporter is not None:
        reporter.skip(min(num_done * rank.num_ranks, len(task.lengths)))
    missing = [indices for indices in mine if indices.tobytes() not in known]
    copies = copies_to(rank.device)
    with Prefetcher(_sent(task, missing, copies=copies, shapes=shapes), in_thread=copies.select_device) as batches_sent:
        for indices, sent in zip(missing, batches_sent, strict=True):
            outputs: Mapping[str, torch.Tensor] = model(head, copies.received(sent)).outputs
            found.append((indices, {name: tensor.float().cpu().numpy() for name, tensor in outputs.items()}))
            if kept:
                kept.add(found[-1])
            num_done += len(indices)
            send_heartbeat()
            if reporter is not None:
                reporter.report(min(num_done * rank.num_ranks, len(task.lengths)), [])
    if rank.num_ranks > 1:
        gathered: list[list[tuple[np.ndarray, Outputs]]] = [[] for _ in range(rank.num_ranks)]
        dist.all_gather_object(gathered, found)
        found = [pair for pairs in gathered for pair in pairs]
    return _in_order(found, num_examples=len(task.lengths))


def _sent(
    task: Examples, batches: Sequence[np.ndarray], *, copies: DeviceCopies, shapes: FewShapes | None
) -> Generator[Sent]:
    for indices in batches:
        # Masked-LM scores need a mask that does not change between calls: seeded by the batch's first example.
        yield copies.send(
            prepared_batch(task, indices, generator=np.random.default_rng(int(indices[0])), shapes=shapes)
        )


def _in_order(found: list[tuple[np.ndarray, Outputs]], *, num_examples: int) -> Outputs:
    """Return outputs in the order of examples; shorter batches are padded with 0."""
    ordered: Outputs = {}
    for name in found[0][1] if found else ():
        parts = [(indices, outputs[name]) for indices, outputs in found]
        longest = tuple(max(sizes) for sizes in zip(*(values.shape[1:] for _, values in parts), strict=True))
        ordered[name] = np.zeros((num_examples, *longest), dtype=parts[0][1].dtype)
        for indices, values in parts:
            ordered[name][(indices, *(slice(size) for size in values.shape[1:]))] = values
    return ordered

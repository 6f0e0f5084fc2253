"""Gives the batches of a phase the vectors above the frozen layers, where these are computed once for a split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
import torch.distributed as dist

from trainables.data.cache_room import GIB, NoRoomError
from trainables.data.encoded_split import EncodedTask
from trainables.engine import in_turns
from trainables.models.encoder import Encoder
from trainables.monitoring.watchdog import send_heartbeat
from trainables.ranks.jobs import NO_ROOM, TrainJob
from trainables.training.prefix_vectors import PrefixMaker, is_unchanging, open_prefix
from trainables.training.rank import Rank
from trainables.training.trainer import training_data

_SHARDS_PARAMETERS = 3
"""The ZeRO stage at which every rank must run every layer equally often."""


def with_prefixes(
    job: TrainJob, tasks: Mapping[str, EncodedTask], *, encoder: Encoder, rank: Rank
) -> tuple[dict[str, EncodedTask], dict[str, str]]:
    """Return the tasks of a phase, with the vectors above the frozen layers where they are kept. A collective.

    Args:
        job: The job of the phase.
        tasks: Task name -> its training split.
        encoder: The encoder of the phase, on the rank's device; its engine does not exist yet.
        rank: This rank.

    Returns:
        The tasks, and facts for the manifest: how the vectors of each come to a step, and why they were not kept if
        there was no room. There are none for a phase without frozen layers, or with dropout in them.
    """
    if encoder.prefix is None:
        return dict(tasks), {}
    maker = PrefixMaker(
        encoder=encoder,
        device=rank.device,
        arithmetic=job.engine.arithmetic,
        pass_tokens=job.engine.pass_tokens,
        cache=job.places.cache,
        max_bytes=int(job.engine.prefix_cache_gib * GIB),
    )
    data = training_data(job.work, tasks)
    found: dict[str, EncodedTask] = {}
    refused: list[str] = []
    for name, task in tasks.items():
        num_read = data.num_steps * job.work.batch_size * data.weights[name]
        may_make = job.engine.prefix_cache == "always" or num_read >= len(task)
        if job.engine.prefix_cache == "off" or not is_unchanging(task.spec):
            continue
        kept = in_turns(lambda task=task, may=may_make: _opened(task, maker=maker, may_make=may, refused=refused))
        if _everywhere(here=kept is not None, rank=rank) and kept is not None:
            found[name] = kept
    if job.engine.stage == _SHARDS_PARAMETERS and rank.num_ranks > 1:  # what is kept was still computed text by text
        encoder.prefix = replace(encoder.prefix, text_by_text=False)
    ways = ", ".join(f"{name} {'computed once' if name in found else 'computed in each step'}" for name in tasks)
    return {**tasks, **found}, {"frozen_layers": ways} | ({NO_ROOM: "; ".join(refused)} if refused else {})


def _opened(task: EncodedTask, *, maker: PrefixMaker, may_make: bool, refused: list[str]) -> EncodedTask | None:
    """Return the task with its vectors, or None; if there is no room for them, note why."""
    try:
        return open_prefix(task, maker=maker, may_make=may_make, on_wait=send_heartbeat)
    except NoRoomError as error:
        refused.append(f"vectors of {task.spec.name} above the frozen layers are computed in each step: {error}")
        return None


def _everywhere(*, here: bool, rank: Rank) -> bool:
    """Return whether all ranks have them: otherwise some would run layers that others do not run."""
    if rank.num_ranks == 1:
        return here
    num_ranks = torch.tensor(int(here), device=rank.device)
    dist.all_reduce(num_ranks)
    return int(num_ranks) == rank.num_ranks

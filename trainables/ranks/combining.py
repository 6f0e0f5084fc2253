"""Combines the weights of finished stages on the ranks of a trial: a merge of encoders, or an average of target runs.

Rank 0 computes and writes, on the CPU. All ranks score the result, and, for a greedy average, each candidate.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import torch

from trainables.engine import meet
from trainables.models.combined_weights import Part, combined_weights
from trainables.models.encoder import load_encoder, save_encoder
from trainables.models.weights import write_weights
from trainables.monitoring.watchdog import send_heartbeat
from trainables.plan.combination import Combination
from trainables.ranks.jobs import HEADS, JobResult, TrainJob
from trainables.ranks.phase_models import dev_scores, left_out_rows
from trainables.ranks.shared_files import forget_folder, share_folders
from trainables.tensor_files import weight_files
from trainables.training.rank import Rank


def combine(job: TrainJob, *, combination: Combination, rank: Rank) -> JobResult:
    """Combine the parts of a job, and score the result if it has heads; every rank calls this together.

    Returns:
        No steps; the scores on the English dev splits; `made_with` names the runs of a greedy average.

    Raises:
        CheckpointError: The parts are not checkpoints of one encoder.
    """
    chosen, made_with = tuple(combination.weights), dict[str, str]()
    if combination.select == "greedy":
        chosen = _chosen(job, combination=combination, rank=rank)
        made_with["averaged"] = " ".join(key[:12] for key in chosen)
    _write(job, chosen, combination=combination, rank=rank)
    scores, tasks = dev_scores(job, rank=rank) if job.phase == "target" else ({}, ())
    meet()
    forget_folder(job.places.output, rank=rank)
    return JobResult(scores=scores, counts={}, made_with=made_with, split_rows=left_out_rows([*tasks]))


def _chosen(job: TrainJob, *, combination: Combination, rank: Rank) -> tuple[str, ...]:
    """Return the runs of a greedy average, the best first (arXiv 2203.05482, recipe 1)."""
    share_folders([*job.places.parts.values(), *job.places.shared.values()], rank=rank)
    single = {key: _english_score(job, rank=rank, part=key) for key in combination.weights}
    first, *others = sorted(single, key=lambda key: (-single[key], key))
    chosen, best = (first,), single[first]
    for key in others:
        _write(job, (*chosen, key), combination=combination, rank=rank)
        score = _english_score(job, rank=rank)
        meet()  # no rank writes again while another one still loads
        if score >= best:
            chosen, best = (*chosen, key), score
    return chosen


def _english_score(job: TrainJob, *, rank: Rank, part: str | None = None) -> float:
    """Return the mean score of the phase's tasks on their English dev splits, of a part or of the output."""
    scores, _ = dev_scores(job, rank=rank, folder=job.places.parts[part] if part else None)
    return statistics.fmean(scores[name] for name in job.work.mixture)


def _write(job: TrainJob, keys: Sequence[str], *, combination: Combination, rank: Rank) -> None:
    """Write the combination of some parts into the output of the job, where every rank can read it."""
    if rank.number == 0:
        _write_encoder(job, keys, combination=combination)
        if job.phase == "target":
            parts = [Part((job.places.parts[key] / HEADS,), combination.weights[key]) for key in keys]
            heads = combined_weights(parts, combination=combination, on_tensor=send_heartbeat)
            write_weights(heads, job.places.output / HEADS)
    meet()
    share_folders([job.places.output], rank=rank, may_change=True)


def _write_encoder(job: TrainJob, keys: Sequence[str], *, combination: Combination) -> None:
    places = {key: job.places.at(job.places.parts[key]) for key in keys}
    parts = [Part(tuple(weight_files(places[key])), combination.weights[key]) for key in keys]
    dtype: torch.dtype = getattr(torch, job.engine.stored_weights)
    needs_start = combination.method != "linear"
    start = None
    if needs_start:
        encoder = job.places.at(job.places.encoder)
        start = load_encoder(encoder, dropout=0.0, adapters=job.places.adapters).model.state_dict()
    weights = combined_weights(parts, combination=combination, start=start, dtype=dtype, on_tensor=send_heartbeat)
    save_encoder(weights, source_folder=job.places.encoder, folder=job.places.output, dtype=dtype)

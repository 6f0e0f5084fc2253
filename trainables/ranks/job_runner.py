"""Runs a job on one rank: trains a phase, or scores an evaluation. It runs in the rank's process, in a joined group.

Every rank runs the same job; only rank 0 writes output, and only rank 0's result is used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING

import psutil
import torch

from trainables.data.encoded_split import EncodedTask
from trainables.engine import Engine, EngineRequest, meet, release_memory
from trainables.errors import ConfigError
from trainables.models.adapters import add_adapter, write_adapter
from trainables.models.compiled_layers import compile_layers, compiles
from trainables.models.encoder import kept_bytes, load_encoder, save_encoder
from trainables.models.task_model import TaskModel, encoder_state, parameter_groups
from trainables.models.weights import write_weights
from trainables.monitoring.watchdog import sending_heartbeats
from trainables.plan.schedule import stop_step, trunk_end, warmup_length
from trainables.ranks.combining import combine
from trainables.ranks.evaluating import evaluate, progress_sink
from trainables.ranks.frozen_prefixes import with_prefixes
from trainables.ranks.jobs import HEADS, LOSSES, TASK_LOSSES, EvaluateJob, Job, JobResult, TrainJob
from trainables.ranks.phase_models import (
    build_model,
    dev_scores,
    left_out_rows,
    open_tasks,
)
from trainables.ranks.shared_files import forget_folder, share_folders
from trainables.training.checkpoint_writer import CheckpointWriter
from trainables.training.rank import Rank
from trainables.training.trainer import ProgressReporter, Stretch, Trainer, TrainingRun, training_data
from trainables.training.training_state import put_weights, read_state, write_state

if TYPE_CHECKING:
    from torch import Tensor


def run_job(job: Job, *, rank: Rank) -> JobResult:
    """Do a job on this rank, together with the group's other ranks.

    Raises:
        RunError: Training failed.
        InputError: Data or checkpoint do not fit.
    """
    with sending_heartbeats(job.watch, rank=rank.number):
        places = job.places
        read = (places.encoder, places.tokenizer, places.vision, places.teacher, *places.adapters, places.scored)
        share_folders((*read, *places.shared.values()), rank=rank)
        share_folders([places.state], rank=rank, may_change=True)
        result = _done(job, rank=rank)
    release_memory(rank.device)
    return result.model_copy(update=_memory(rank.device))


def _done(job: Job, *, rank: Rank) -> JobResult:
    if isinstance(job, EvaluateJob):
        return evaluate(job, rank=rank).model_copy(update={"made_with": _made_with(job, rank=rank)})
    if job.combination is None:
        return _train(job, rank=rank)
    combined = combine(job, combination=job.combination, rank=rank)
    return combined.model_copy(update={"made_with": _made_with(job, rank=rank) | combined.made_with})


def _memory(device: torch.device) -> dict[str, int]:
    """Return the memory that this rank holds between two jobs, in the fields of a JobResult."""
    host = psutil.Process().memory_info().rss - kept_bytes()
    if device.type != "cuda":
        return {"memory_bytes": host, "host_memory_bytes": host}
    return {
        "memory_bytes": torch.cuda.memory_reserved(device),
        "host_memory_bytes": host,
        "device_capacity_bytes": int(
            torch.cuda.get_device_properties(device).total_memory * torch.cuda.get_per_process_memory_fraction(device)
        ),
    }


def _train(job: TrainJob, *, rank: Rank) -> JobResult:
    engine = job.engine.model_copy(update={"gradient_checkpointing": job.recomputes})
    job = job.model_copy(update={"engine": engine})
    work = job.work
    encoder = load_encoder(
        job.places.at(job.places.encoder),
        dropout=work.dropout,
        gradient_checkpointing=job.recomputes,
        adapters=job.places.adapters,
    )
    if work.adapter is not None:
        add_adapter(encoder.model, work.adapter, seed=work.seed)
    if compiles(job.engine, device_kind=rank.device.type):
        compile_layers(encoder)
    model = build_model(job.work, specs=job.specs, encoder=encoder, places=job.places).to(rank.device)
    tasks, facts = with_prefixes(job, open_tasks(job, split="train", model=model), encoder=model.encoder, rank=rank)
    run = _train_and_save(job, model=model, tasks=tasks, rank=rank)
    del model  # its engine has emptied it; free the rest before another model is loaded
    meet()  # wait until rank 0 has written the files that the others read now
    share_folders([job.places.output], rank=rank, may_change=True)
    scores, dev_tasks = dev_scores(job, rank=rank) if not job.is_trunk else ({}, ())
    meet()
    forget_folder(job.places.output, rank=rank)
    if rank.number == 0 and not job.is_trunk and job.phase != "target":
        (job.places.output / HEADS).unlink()
    return JobResult(
        steps=len(run.losses),
        first_step=run.first_step,
        seconds_before=run.seconds_before,
        losses=run.losses,
        scores=scores,
        counts={name: task.num_examples for name, task in run.tasks.items()},
        tasks=run.tasks,
        paces=run.paces,
        made_with=_made_with(job, rank=rank) | facts,
        split_rows=left_out_rows([*tasks.values(), *dev_tasks]),
    )


def _train_and_save(job: TrainJob, *, model: TaskModel, tasks: Mapping[str, EncodedTask], rank: Rank) -> TrainingRun:
    state = read_state(job.places.state) if job.places.state else None
    if state is not None:
        put_weights(state, model)
    request = EngineRequest(
        module=model,
        parameter_groups=parameter_groups(model, weight_decay=job.work.weight_decay),
        phase=job.work,
        config=job.engine,
        device=rank.device,
    )
    engine = Engine(request)
    try:
        data = training_data(job.work, tasks)
        trainer = Trainer(engine, data=data, rank=rank, tokens_per_micro_batch=job.engine.pass_tokens)
        end = _end(job, num_steps=data.num_steps, first=state.step if state else 0)
        run = _run(job, trainer=trainer, stretch=Stretch(state=state, end=end), rank=rank)
        kept = trainer.state(run) if job.is_trunk else None
        holds_model = not job.is_trunk or job.stop_share is not None
        weights = engine.weights() if holds_model else {}
    finally:
        engine.destroy()
    if kept is not None:
        write_state(kept, job.places.output)
    if holds_model and rank.number == 0:
        _save(weights, job)
        (job.places.output / LOSSES).write_text(json.dumps(run.losses))
        of_tasks = {name: asdict(tally) for name, tally in run.tallies.items()}
        (job.places.output / TASK_LOSSES).write_text(json.dumps(of_tasks))
    return run


def _end(job: TrainJob, *, num_steps: int, first: int) -> int:
    """Return the step at which a job ends; it starts at step `first` of the phase's `num_steps`."""
    if job.stop_share is not None:
        return _checked_stop(job, stop_step(job.stop_share, num_steps=num_steps), num_steps=num_steps, first=first)
    return _trunk_end(job, num_steps=num_steps) if job.is_trunk else num_steps


def _trunk_end(job: TrainJob, *, num_steps: int) -> int:
    schedule = job.work.schedule
    if warmup_length(schedule, num_steps=num_steps) < (schedule.warmup_steps or 0):
        msg = f"{schedule.warmup_steps} warm-up steps do not fit the {num_steps} steps of a rung, so no higher rung"
        raise ConfigError(
            f"{job.phase}.schedule.warmup_steps", f"{msg} can continue it; lower the warm-up, or use fewer rungs"
        )
    return trunk_end(schedule, num_steps=num_steps)


def _checked_stop(job: TrainJob, stop: int, *, num_steps: int, first: int) -> int:
    if not first < stop < num_steps:
        msg = f"the {num_steps} steps of the phase are too few for as many checkpoints"
        raise ConfigError(f"{job.phase}.average.last", f"{msg}; lower last, raise every, or train more steps")
    return stop


def _run(job: TrainJob, *, trainer: Trainer, stretch: Stretch, rank: Rank) -> TrainingRun:
    first = stretch.state.step if stretch.state is not None else 0
    reporter = ProgressReporter(
        phase=job.phase, num_steps=stretch.end, report=progress_sink(job.places, rank=rank), first_step=first
    )
    folder = job.places.checkpoints if rank.number == 0 else None
    given = job.engine.checkpoint_seconds
    checkpoints = CheckpointWriter(folder, seconds=None if given == "auto" else given)
    try:
        return trainer.run(stretch, reporter=reporter, checkpoints=checkpoints)
    finally:
        checkpoints.finish()


def _save(weights: Mapping[str, Tensor], job: TrainJob) -> None:
    of_encoder, places = encoder_state(weights), job.places
    dtype: torch.dtype = getattr(torch, job.engine.stored_weights)
    if job.work.adapter is not None:
        write_adapter(of_encoder, adapter=job.work.adapter, folder=places.output, dtype=dtype)
    else:
        save_encoder(of_encoder, source_folder=places.encoder, folder=places.output, dtype=dtype)
    rest = {name: tensor for name, tensor in weights.items() if not name.startswith("encoder.")}
    write_weights(rest, places.output / HEADS)


def _made_with(job: Job, *, rank: Rank) -> dict[str, str]:
    facts = {"ranks": str(rank.num_ranks), "threads": str(torch.get_num_threads()), "device": rank.device.type}
    packages = ["deepspeed", "torch", "transformers"]
    packages += ["peft"] if isinstance(job, TrainJob) and job.work.adapter is not None else []
    facts |= {package: version(package) for package in packages}
    if isinstance(job, EvaluateJob):
        return facts | {"precision": job.precision, "tokens_per_micro_batch": str(job.work.pass_tokens)}
    engine = job.engine
    return facts | {
        "zero_stage": str(engine.stage),
        "reduction": engine.reduction,
        "tokens_per_micro_batch": str(engine.pass_tokens),
    }

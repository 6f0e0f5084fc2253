"""What one rank does with a job. Runs in a process of its own, in a group it has joined.

Every rank runs the same job; rank 0 writes the output and answers, the others answer nothing of their own.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch

from trainables.config import PhaseConfig
from trainables.data.encoded import (
    EncodedRequest,
    EncodedTask,
    PixelFormat,
    TokenizerSource,
    open_encoded_task,
    tokenizer_fingerprint,
)
from trainables.data.joined import JoinedTask
from trainables.data.opening import open_task
from trainables.data.shuffled import with_shuffled_images
from trainables.engine import Engine, EngineRequest, in_turns, meet, release_memory
from trainables.errors import ConfigError
from trainables.evaluation.items import Item, items_of
from trainables.evaluation.predict import Course, predict
from trainables.evaluation.predictions import PREDICTIONS, write_predictions
from trainables.evaluation.scoring import score_items
from trainables.models.encoder import Encoder, kept_bytes, load_encoder, load_tokenizer, save_encoder
from trainables.models.task_model import TaskModel, build_task_model, encoder_state, parameter_groups
from trainables.models.text_heads import MeanStateHead
from trainables.models.weights import read_weights, write_weights
from trainables.monitoring.liveness import goes_on, showing_life
from trainables.monitoring.progress import ProgressFile, ProgressSink, ignore_progress
from trainables.plan.mixture import languages_of
from trainables.plan.schedule import trunk_end, warmup_length
from trainables.plan.starting_weights import folder_identity
from trainables.ranks.jobs import HEADS, LOSSES, TASK_LOSSES, EvaluateJob, Job, JobPlaces, JobResult, TrainJob
from trainables.ranks.kept_outputs import KeptOutputs
from trainables.ranks.shared_files import forget_folder, share_folders
from trainables.results import SplitRows
from trainables.tasks.spec import TaskSpec
from trainables.training.checkpoint_writer import CheckpointWriter
from trainables.training.trainer import Pace, Rank, Stretch, Trainer, TrainingRun, training_data
from trainables.training.training_state import put_weights, read_state, write_state
from trainables.training.vision_features import FrozenTower, making_features, with_vision_features

if TYPE_CHECKING:
    from torch import Tensor

SHUFFLED = "/shuffled_images"
"""Follows a task's name in `scores`: the same items with their images permuted."""

SECONDS_BETWEEN_KEPT = 10.0
"""How much of an evaluation an interruption costs at most."""


def run_job(job: Job, *, rank: Rank) -> JobResult:
    """Do a job on this rank, together with the group's other ranks.

    Raises:
        RunError: Training failed.
        InputError: Data or checkpoint do not fit.
    """
    with showing_life(job.watch, rank=rank.number):
        places = job.places
        share_folders([places.encoder, places.tokenizer, places.vision], rank=rank)
        share_folders([places.state], rank=rank, may_change=True)
        result = _train(job, rank=rank) if isinstance(job, TrainJob) else _evaluate(job, rank=rank)
    release_memory(rank.device)
    return result.model_copy(update=_memory(rank.device))


def _memory(device: torch.device) -> dict[str, int]:
    """Return what this rank holds between two jobs, in the fields of a JobResult."""
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
    encoder = load_encoder(
        job.places.encoder, dropout=job.work.dropout, gradient_checkpointing=job.engine.gradient_checkpointing
    )
    model = _build(job.work, specs=job.specs, encoder=encoder, places=job.places).to(rank.device)
    tasks = _open_all(job, split="train", model=model)
    run = _train_and_save(job, model=model, tasks=tasks, rank=rank)
    del model  # its engine has emptied it; what is left goes before another one is loaded
    meet()  # rank 0 has written what the others read now
    share_folders([job.places.output], rank=rank, may_change=True)
    scores, dev_tasks = _dev_scores(job, rank=rank) if not job.is_trunk else ({}, ())
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
        made_with=_made_with(job, rank=rank),
        split_rows=_split_rows([*tasks.values(), *dev_tasks]),
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
        trainer = Trainer(engine, data=data, rank=rank, tokens_per_micro_batch=job.engine.tokens_per_micro_batch)
        end = _trunk_end(job, num_steps=data.num_steps) if job.is_trunk else data.num_steps
        run = _run(job, trainer=trainer, stretch=Stretch(state=state, end=end), rank=rank)
        kept = trainer.state(run) if job.is_trunk else None
        weights = engine.weights() if not job.is_trunk else {}
    finally:
        engine.destroy()
    if kept is not None:
        write_state(kept, job.places.output)
    elif rank.number == 0:
        _save(weights, job.places, dtype=getattr(torch, job.engine.stored_weights))
        (job.places.output / LOSSES).write_text(json.dumps(run.losses))
        of_tasks = {name: asdict(tally) for name, tally in run.tallies.items()}
        (job.places.output / TASK_LOSSES).write_text(json.dumps(of_tasks))
    return run


def _trunk_end(job: TrainJob, *, num_steps: int) -> int:
    schedule = job.work.schedule
    if warmup_length(schedule, num_steps=num_steps) < (schedule.warmup_steps or 0):
        msg = f"{schedule.warmup_steps} warm-up steps do not fit the {num_steps} steps of a rung, so that no higher one"
        raise ConfigError(
            f"{job.phase}.schedule.warmup_steps", f"{msg} can continue it; lower them, or take fewer rungs"
        )
    return trunk_end(schedule, num_steps=num_steps)


def _run(job: TrainJob, *, trainer: Trainer, stretch: Stretch, rank: Rank) -> TrainingRun:
    first = stretch.state.step if stretch.state is not None else 0
    pace = Pace(phase=job.phase, num_steps=stretch.end, report=_report(job.places, rank=rank), first_step=first)
    folder = job.places.checkpoints if rank.number == 0 else None
    checkpoints = CheckpointWriter(folder, seconds=job.engine.checkpoint_seconds)
    try:
        return trainer.run(stretch, pace=pace, checkpoints=checkpoints)
    finally:
        checkpoints.finish()


def _save(weights: Mapping[str, Tensor], places: JobPlaces, *, dtype: torch.dtype) -> None:
    of_encoder = encoder_state(weights)
    save_encoder(of_encoder, source_folder=places.encoder, folder=places.output, dtype=dtype)
    rest = {name: tensor for name, tensor in weights.items() if not name.startswith("encoder.")}
    write_weights(rest, places.output / HEADS)


def _dev_scores(job: TrainJob, *, rank: Rank) -> tuple[dict[str, float], Collection[EncodedTask]]:
    """Score each trained task on its own English dev split, with true images and with permuted ones.

    Returns:
        Scores, and the splits.
    """
    if not job.work.num_dev_items:
        return {}, ()
    model = _load(job.work, specs=job.specs, places=job.places, folder=job.places.output).to(rank.device)
    budget = job.engine.tokens_per_micro_batch
    scores: dict[str, float] = {}
    tasks = _open_all(job, split="validation", model=model)
    for name, task in tasks.items():
        scores[name] = task.score(predict(model, task, head=name, rank=rank, tokens_per_micro_batch=budget))
        if task.spec.has_images:
            shuffled = with_shuffled_images(task, seed=job.work.seed)
            outputs = predict(model, shuffled, head=name, rank=rank, tokens_per_micro_batch=budget)
            scores[name + SHUFFLED] = shuffled.score(outputs)
    return scores, tasks.values()


def _split_rows(tasks: Iterable[EncodedTask]) -> tuple[SplitRows, ...]:
    """Return what is to be said of the rows of some splits, each once: a mixture may hold a task and its control."""
    found = dict.fromkeys(rows for task in tasks for rows in task.split_rows)
    return tuple(rows for rows in found if rows.num_left_out or rows.num_spelling)


def _evaluate(job: EvaluateJob, *, rank: Rank) -> JobResult:
    model = _scored_model(job).to(rank.device)
    tasks = in_turns(lambda: {language: _open_language(job, language) for language in job.work.languages})
    # One stream: sorted by length over all languages, batches pad least and every rank has as much to do.
    stream = JoinedTask(tasks)
    outputs = predict(
        model,
        stream,
        head=job.head_spec.name,
        rank=rank,
        tokens_per_micro_batch=job.work.tokens_per_micro_batch,
        course=Course(
            pace=Pace(phase="evaluation", num_steps=len(stream.lengths), report=_report(job.places, rank=rank)),
            kept=_kept(job.places, stream),
        ),
    )
    items: dict[str, list[Item]] = {}
    metrics: dict[str, dict[str, float]] = {}
    for language, of_language in stream.split(outputs).items():
        items[language] = items_of(tasks[language], outputs=of_language, similarity=job.work.similarity)
        for metric, score in score_items(items[language], spec=job.spec, language=language).items():
            metrics.setdefault(metric, {})[language] = score
    if rank.number == 0:
        write_predictions(items, job.places.output / PREDICTIONS)
    return JobResult(
        scores=next(iter(metrics.values())),
        metrics=metrics,
        counts={language: len(of_language) for language, of_language in items.items()},
        made_with=_made_with(job, rank=rank),
        split_rows=_split_rows(tasks.values()),
    )


def _kept(places: JobPlaces, stream: JoinedTask) -> KeptOutputs | None:
    if places.predicted is None:
        return None
    return KeptOutputs(places.predicted, lengths=stream.lengths, seconds=SECONDS_BETWEEN_KEPT)


def _scored_model(job: EvaluateJob) -> TaskModel:
    if job.target is not None:
        specs = {job.head_spec.name: job.head_spec}
        return _load(job.target, specs=specs, places=job.places, folder=job.places.encoder)
    encoder = load_encoder(job.places.encoder, dropout=0.0)
    return TaskModel(encoder, heads={job.spec.name: MeanStateHead(job.work.layer)}, vision=None).eval()


def _build(work: PhaseConfig, *, specs: Mapping[str, TaskSpec], encoder: Encoder, places: JobPlaces) -> TaskModel:
    return build_task_model(work, specs, encoder=encoder, vision_folder=places.vision)


def _load(work: PhaseConfig, *, specs: Mapping[str, TaskSpec], places: JobPlaces, folder: Path) -> TaskModel:
    """Return a trained model in evaluation mode, whole on this rank."""
    model = _build(work, specs=specs, encoder=load_encoder(folder, dropout=work.dropout), places=places)
    _, unexpected = model.load_state_dict(read_weights(folder / HEADS), strict=False)
    assert not unexpected, unexpected  # noqa: S101  (our own file)
    return model.eval()


def _open_all(job: TrainJob, *, split: str, model: TaskModel) -> dict[str, EncodedTask]:
    """Open every task of the mixture; rank 0 first, so that what is not encoded yet is encoded once."""
    pixels = _pixels(model)
    tasks = in_turns(lambda: {name: _open(job, spec, split=split, pixels=pixels) for name, spec in job.specs.items()})
    if model.vision is None or not model.vision.is_frozen or job.places.vision is None:
        return tasks
    tower = FrozenTower(tower=model.vision, identity=folder_identity(job.places.vision), cache=job.places.cache)
    for name, task in tasks.items():
        if task.spec.has_images:
            in_turns(lambda task=task: _make_features(task, tower=tower))
            tasks[name] = with_vision_features(task, frozen=tower)
    # Nothing asks it any more: the engine need not carry it.
    model.vision = None
    return tasks


def _open(job: TrainJob, spec: TaskSpec, *, split: str, pixels: PixelFormat | None) -> EncodedTask:
    return open_task(
        EncodedRequest(
            spec=spec,
            split=split,
            tokenizer=_tokenizer(job.places),
            max_length=job.work.max_length,
            num_examples=job.work.num_examples if split == "train" else job.work.num_dev_items,
            cache=job.places.cache,
            pixels=pixels,
        ),
        languages=languages_of(job.work, spec, split=split),
    )


def _make_features(task: EncodedTask, *, tower: FrozenTower) -> None:
    """Compute the features of a task's images that are not there yet, on a disk that this rank sees."""
    for _ in making_features(task, frozen=tower):
        goes_on()


def _open_language(job: EvaluateJob, language: str) -> EncodedTask:
    return open_encoded_task(
        EncodedRequest(
            spec=job.spec,
            split=job.work.split,
            language=language,
            tokenizer=_tokenizer(job.places),
            max_length=job.work.max_length,
            num_examples=job.work.num_items,
            cache=job.places.cache,
        )
    )


def _tokenizer(places: JobPlaces) -> TokenizerSource:
    return _loaded_tokenizer(places.tokenizer, tokenizer_fingerprint(places.tokenizer))


@lru_cache(maxsize=8)
def _loaded_tokenizer(folder: Path, fingerprint: str) -> TokenizerSource:
    return TokenizerSource(tokenizer=load_tokenizer(folder), fingerprint=fingerprint)


def _pixels(model: TaskModel) -> PixelFormat | None:
    tower = model.vision
    if tower is None:
        return None
    return PixelFormat(image_size=tower.image_size, image_mean=tower.mean, image_std=tower.std)


def _report(places: JobPlaces, *, rank: Rank) -> ProgressSink:
    return ProgressFile(places.progress) if places.progress and rank.number == 0 else ignore_progress


def _made_with(job: Job, *, rank: Rank) -> dict[str, str]:
    facts = {"ranks": str(rank.num_ranks), "threads": str(torch.get_num_threads()), "device": rank.device.type}
    facts |= {package: version(package) for package in ("deepspeed", "torch", "transformers")}
    if isinstance(job, EvaluateJob):
        return facts
    engine = job.engine
    return facts | {
        "zero_stage": str(engine.zero_stage),
        "reduction": engine.reduction,
        "tokens_per_micro_batch": str(engine.tokens_per_micro_batch),
    }

"""Builds or loads the model of a phase on one rank, opens the encoded splits of its tasks, and scores them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from trainables.config import PhaseConfig
from trainables.data.encoded_split import (
    EncodedRequest,
    EncodedTask,
    PixelFormat,
    TokenizerSource,
    tokenizer_fingerprint,
)
from trainables.data.phase_data import open_task
from trainables.data.shuffled_splits import with_shuffled_images
from trainables.engine import in_turns
from trainables.evaluation.predictor import predict
from trainables.models.adapters import has_adapter
from trainables.models.encoder import Encoder, load_encoder, load_tokenizer
from trainables.models.task_model import TaskModel, build_task_model
from trainables.models.weights import read_weights
from trainables.monitoring.watchdog import send_heartbeat
from trainables.plan.mixture import further_dev_languages, languages_of
from trainables.plan.starting_weights import folder_identity
from trainables.ranks.jobs import HEADS, JobPlaces, TrainJob
from trainables.results import SplitRows
from trainables.tasks.spec import TaskSpec
from trainables.training.rank import Rank
from trainables.training.teacher_vectors import FrozenTeacher, making_vectors, with_teacher_vectors
from trainables.training.vision_features import FrozenTower, making_features, with_vision_features

SHUFFLED = "/shuffled_images"
"""Suffix of a task's name in `scores`: the score of the same items with permuted images."""


def build_model(work: PhaseConfig, *, specs: Mapping[str, TaskSpec], encoder: Encoder, places: JobPlaces) -> TaskModel:
    """Return a phase's model with new heads, and a new or loaded vision tower."""
    return build_task_model(work, specs, encoder=encoder, vision_folder=places.vision, teacher_folder=places.teacher)


def load_model(work: PhaseConfig, *, specs: Mapping[str, TaskSpec], places: JobPlaces, folder: Path) -> TaskModel:
    """Return a trained model in evaluation mode, whole on this rank."""
    encoder = load_result(folder, places=places, dropout=work.dropout)
    model = build_model(work, specs=specs, encoder=encoder, places=places)
    _, unexpected = model.load_state_dict(read_weights(folder / HEADS), strict=False)
    assert not unexpected, unexpected  # noqa: S101  (our own file)
    return model.eval()


def load_result(folder: Path, *, places: JobPlaces, dropout: float) -> Encoder:
    """Return the encoder of a stage: a whole one, or an adapter that was trained on the encoder of the job's places."""
    if not has_adapter(folder):
        return load_encoder(places.at(folder), dropout=dropout)
    return load_encoder(places.at(places.encoder), dropout=dropout, adapters=(*places.adapters, folder))


def open_tasks(job: TrainJob, *, split: str, model: TaskModel) -> dict[str, EncodedTask]:
    """Open every task of the mixture; rank 0 first, so that each task is encoded once.

    The dev split of a task with images is also opened in each other language that the task has, as `<task>/<language>`.
    """
    pixels = pixels_of(model)
    wanted = {name: (spec, languages_of(job.work, spec, split=split)) for name, spec in job.specs.items()}
    if split == "validation":
        wanted |= {
            f"{name}/{language}": (spec, (language,))
            for name, spec in job.specs.items()
            for language in further_dev_languages(spec)
        }
    tasks = in_turns(
        lambda: {
            name: _open(job, spec, split=split, pixels=pixels, languages=languages)
            for name, (spec, languages) in wanted.items()
        }
    )
    return _taught(with_tower_features(tasks, model=model, places=job.places), model=model, places=job.places)


def with_tower_features(
    tasks: Mapping[str, EncodedTask], *, model: TaskModel, places: JobPlaces
) -> dict[str, EncodedTask]:
    """Return tasks whose batches hold features of images, if the model's tower is frozen; the model then drops it.

    Args:
        tasks: Encoded splits by name, as their images are.
        model: The model on this rank's device; all ranks call this together.
        places: Folders of the job.
    """
    if model.vision is None or not model.vision.is_frozen or places.vision is None:
        return dict(tasks)
    tower = FrozenTower(tower=model.vision, identity=folder_identity(places.vision), cache=places.cache)
    found: dict[str, EncodedTask] = {}
    for name, task in tasks.items():
        if task.spec.has_images:
            in_turns(lambda task=task: _make_features(task, tower=tower))
        found[name] = with_vision_features(task, frozen=tower) if task.spec.has_images else task
    # The tower is not used any more, so the engine need not hold it.
    model.vision = None
    return found


def dev_scores(
    job: TrainJob, *, rank: Rank, folder: Path | None = None
) -> tuple[dict[str, float], Collection[EncodedTask]]:
    """Score each trained task on its own English dev split, with its images and with permuted images.

    Args:
        job: The job of the phase.
        rank: This rank; all ranks call this together.
        folder: Folder with encoder and heads; None: the output of the job.

    Returns:
        Scores, the same on every rank, and the splits. A task with images that has other languages is scored in each:
        `multi30k/de` is zero-shot if it was trained in English.
    """
    if not job.work.num_dev_items:
        return {}, ()
    folder = folder or job.places.output
    model = load_model(job.work, specs=job.specs, places=job.places, folder=folder).to(rank.device)
    budget = job.engine.pass_tokens
    scores: dict[str, float] = {}
    tasks = open_tasks(job, split="validation", model=model)
    for name, task in tasks.items():
        head = task.spec.name
        scores[name] = task.score(predict(model, task, head=head, rank=rank, tokens_per_micro_batch=budget))
        if task.spec.has_images and name == head:
            shuffled = with_shuffled_images(task, seed=job.work.seed)
            outputs = predict(model, shuffled, head=head, rank=rank, tokens_per_micro_batch=budget)
            scores[name + SHUFFLED] = shuffled.score(outputs)
    return scores, tasks.values()


def left_out_rows(tasks: Iterable[EncodedTask]) -> tuple[SplitRows, ...]:
    """Return the splits with left-out or special rows, each once: a mixture can hold a task and its control."""
    found = dict.fromkeys(rows for task in tasks for rows in task.split_rows)
    return tuple(rows for rows in found if rows.num_left_out or rows.num_spelling)


def tokenizer_of(places: JobPlaces) -> TokenizerSource:
    """Return the tokenizer of a job, loaded once in a process."""
    return _loaded_tokenizer(places.tokenizer, tokenizer_fingerprint(places.tokenizer))


def pixels_of(model: TaskModel) -> PixelFormat | None:
    """Return the form of pixels that a model's vision tower needs; None without a tower."""
    tower = model.vision
    if tower is None:
        return None
    return PixelFormat(image_size=tower.image_size, image_mean=tower.mean, image_std=tower.std)


@lru_cache(maxsize=8)
def _loaded_tokenizer(folder: Path, fingerprint: str) -> TokenizerSource:
    return TokenizerSource(tokenizer=load_tokenizer(folder), fingerprint=fingerprint)


def _open(
    job: TrainJob, spec: TaskSpec, *, split: str, pixels: PixelFormat | None, languages: Sequence[str]
) -> EncodedTask:
    return open_task(
        EncodedRequest(
            spec=spec,
            split=split,
            tokenizer=tokenizer_of(job.places),
            max_length=job.work.max_length,
            num_examples=job.work.num_examples if split == "train" else job.work.num_dev_items,
            cache=job.places.cache,
            pixels=pixels,
        ),
        languages=languages,
    )


def _taught(tasks: dict[str, EncodedTask], *, model: TaskModel, places: JobPlaces) -> dict[str, EncodedTask]:
    """Return the tasks; those of kind `distillation` hold the vectors of the teacher, which are made if missing."""
    if places.teacher is None:
        return tasks
    teacher = FrozenTeacher(
        folder=places.teacher,
        identity=folder_identity(places.teacher),
        cache=places.cache,
        device=next(model.parameters()).device,
    )
    found = dict(tasks)
    for name, task in tasks.items():
        if task.spec.kind == "distillation":
            in_turns(lambda task=task: _make_vectors(task, teacher=teacher))
            found[name] = with_teacher_vectors(task, teacher=teacher)
    return found


def _make_vectors(task: EncodedTask, *, teacher: FrozenTeacher) -> None:
    for _ in making_vectors(task, teacher=teacher):
        send_heartbeat()


def _make_features(task: EncodedTask, *, tower: FrozenTower) -> None:
    """Compute the missing features of a task's images, on a disk that this rank sees."""
    for _ in making_features(task, frozen=tower):
        send_heartbeat()

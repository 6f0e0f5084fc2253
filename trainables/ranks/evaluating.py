"""Scores an evaluation on one rank: predicts the items of all languages as one stream, and scores each language.

A task with images is asked in several ways, and each way gives a metric of its own. Where the target phase has a vision
tower: with the images; without them, where the encoder reads no image tokens and the head is the same
(`accuracy_without_images`); and, as a control, with the images of other items (`accuracy_shuffled_images`). Without a
vision tower: only without images.

Retrieval of images cannot be asked without images. There, a caption searches the English captions of the same images
(`recall_at_1_without_images`, in every language but English).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any  # Any: a head's outputs are its own

import torch
from numpy.typing import NDArray

from trainables.data.distinct_texts import DistinctTexts
from trainables.data.encoded_split import EncodedRequest, EncodedTask, open_encoded_task
from trainables.data.joined_splits import JoinedTask
from trainables.data.shuffled_splits import with_shuffled_images
from trainables.engine import in_turns
from trainables.evaluation.items import Item, english_captions_of, items_of
from trainables.evaluation.kept_outputs import KeptOutputs
from trainables.evaluation.predictions import PREDICTIONS, write_predictions
from trainables.evaluation.predictor import Course, Outputs, predict
from trainables.evaluation.scores import score_items
from trainables.models.task_model import TaskModel
from trainables.models.text_heads import MeanStateHead
from trainables.monitoring.progress import ProgressFile, ProgressSink, ignore_progress
from trainables.ranks.jobs import EvaluateJob, JobPlaces, JobResult
from trainables.ranks.phase_models import (
    left_out_rows,
    load_model,
    load_result,
    pixels_of,
    tokenizer_of,
    with_tower_features,
)
from trainables.training.rank import Rank
from trainables.training.trainer import ProgressReporter

SECONDS_BETWEEN_KEPT = 10.0
"""Largest part of an evaluation that an interruption costs, in seconds."""

WITHOUT_IMAGES, SHUFFLED_IMAGES = "_without_images", "_shuffled_images"
"""Endings of the metrics of a task with images, for the ways in which it is asked beside the task's own."""

SHUFFLING_SEED = 0
"""Seed of the permutation of images: the same for every trial, so that trials are compared on the same items."""

_ENGLISH = "en"


def evaluate(job: EvaluateJob, *, rank: Rank) -> JobResult:
    """Return the scores of an evaluation; rank 0 writes its items.

    Raises:
        InputError: Data or checkpoint do not fit.
    """
    model = _scored_model(job).to(rank.device)
    tasks = _opened(job, model=model)
    scores = _Scores(job)
    for way, of_way in _ways(job, tasks).items():
        # One stream: sorted by length over all languages, batches need little padding and ranks have equal work.
        stream = JoinedTask(of_way)
        distinct = DistinctTexts(stream) if job.spec.shares_candidates else None
        outputs = _predicted(job, model, distinct or stream, rank=rank, way=way)
        if rank.number:  # every rank has all outputs, and a pool of a million vectors would be copied on each
            continue
        split = distinct.split(outputs) if distinct else stream.split(outputs).items()
        if job.spec.kind == "image_text_retrieval":
            scores.add_captions(of_way, dict(split), way=way)
        else:
            scores.add(of_way, split, way=way)
    if rank.number:
        return JobResult(scores={}, counts={}, made_with={})
    write_predictions(scores.items, job.places.output / PREDICTIONS)
    return JobResult(
        scores=next(iter(scores.metrics.values())),
        metrics=scores.metrics,
        counts={language: len(of_language) for language, of_language in scores.items.items()},
        made_with={},
        split_rows=left_out_rows(tasks.values()),
    )


def progress_sink(places: JobPlaces, *, rank: Rank) -> ProgressSink:
    """Return what rank 0 reports its progress to; other ranks report none."""
    return ProgressFile(places.progress) if places.progress and rank.number == 0 else ignore_progress


@dataclass(slots=True)
class _Scores:
    """The scores of an evaluation, way after way; the items are those of the first way."""

    job: EvaluateJob
    metrics: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    items: dict[str, list[Item]] = field(default_factory=dict[str, list[Item]])

    def add(
        self, tasks: Mapping[str, EncodedTask], outputs: Iterable[tuple[str, Mapping[str, NDArray[Any]]]], *, way: str
    ) -> None:
        """Add the scores of each language."""
        similarity = self.job.work.similarity
        for language, of_language in outputs:
            self._add(language, items_of(tasks[language], outputs=of_language, similarity=similarity), way=way)

    def add_captions(
        self, tasks: Mapping[str, EncodedTask], outputs: Mapping[str, Mapping[str, NDArray[Any]]], *, way: str
    ) -> None:
        """Add the scores of captions that search images, and, once, of captions that search English captions."""
        if self.job.asks_with_images:
            self.add(tasks, outputs.items(), way=way)
        if way == SHUFFLED_IMAGES:
            return
        texts = {language: found["texts" if "texts" in found else "vectors"] for language, found in outputs.items()}
        english, english_CD = tasks[_ENGLISH], texts.pop(_ENGLISH)
        for language, texts_QD in texts.items():
            found = english_captions_of(tasks[language], english, texts_QD=texts_QD, texts_CD=english_CD)
            self._add(language, found, way=WITHOUT_IMAGES)

    def _add(self, language: str, items: list[Item], *, way: str) -> None:
        self.items.setdefault(language, items)
        for metric, score in score_items(items, spec=self.job.spec, language=language).items():
            self.metrics.setdefault(metric + way, {})[language] = score


def _ways(job: EvaluateJob, tasks: Mapping[str, EncodedTask]) -> dict[str, Mapping[str, EncodedTask]]:
    """Return ending of the metrics -> the tasks of each language; the task's own way first, and no ending for it."""
    if not job.asks_with_images:
        return {WITHOUT_IMAGES if job.spec.has_images else "": tasks}
    shuffled = {name: with_shuffled_images(task, seed=SHUFFLING_SEED) for name, task in tasks.items()}
    if job.spec.kind == "image_text_retrieval":
        return {"": tasks, SHUFFLED_IMAGES: shuffled}
    without = {name: task.without_images() for name, task in tasks.items()}
    return {"": tasks, WITHOUT_IMAGES: without, SHUFFLED_IMAGES: shuffled}


def _predicted(
    job: EvaluateJob, model: TaskModel, scored: JoinedTask | DistinctTexts, *, rank: Rank, way: str
) -> Outputs:
    reporter = ProgressReporter(
        phase="evaluation", num_steps=len(scored.lengths), report=progress_sink(job.places, rank=rank)
    )
    with torch.autocast(rank.device.type, dtype=torch.bfloat16, enabled=job.precision == "bfloat16"):
        return predict(
            model,
            scored,
            head=job.head_spec.name if job.has_head else job.spec.name,
            rank=rank,
            tokens_per_micro_batch=job.work.pass_tokens,
            course=Course(reporter=reporter, kept=_kept(job.places, scored, way=way)),
        )


def _kept(places: JobPlaces, stream: JoinedTask | DistinctTexts, *, way: str) -> KeptOutputs | None:
    if places.predicted is None:
        return None
    folder = places.predicted / way if way else places.predicted
    return KeptOutputs(folder, lengths=stream.lengths, seconds=SECONDS_BETWEEN_KEPT)


def _scored_model(job: EvaluateJob) -> TaskModel:
    folder = job.places.scored or job.places.encoder
    if job.target is not None and job.has_head:
        specs = {job.head_spec.name: job.head_spec}
        return load_model(job.target, specs=specs, places=job.places, folder=folder)
    encoder = load_result(folder, places=job.places, dropout=0.0)
    return TaskModel(encoder, heads={job.spec.name: MeanStateHead(job.work.layer)}, vision=None).eval()


def _opened(job: EvaluateJob, *, model: TaskModel) -> dict[str, EncodedTask]:
    """Open the task in each language; rank 0 first, so that each split is encoded once."""
    tasks = in_turns(lambda: {language: _open(job, language, model=model) for language in job.work.languages})
    return with_tower_features(tasks, model=model, places=job.places) if job.asks_with_images else tasks


def _open(job: EvaluateJob, language: str, *, model: TaskModel) -> EncodedTask:
    return open_encoded_task(
        EncodedRequest(
            spec=job.spec if job.asks_with_images else job.spec.without_images(),
            split=job.work.split,
            language=language,
            tokenizer=tokenizer_of(job.places),
            max_length=job.work.max_length,
            num_examples=job.work.num_items,
            cache=job.places.cache,
            pixels=pixels_of(model),
        )
    )

"""Jobs for ranks, and their results. Plain data that crosses processes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from trainables.config import EngineConfig, EvaluationConfig, FrozenModel, PhaseConfig
from trainables.config.locked import LockedEvaluation
from trainables.config.trial import Precision
from trainables.monitoring.watchdog import Watch
from trainables.plan.combination import Combination
from trainables.results import Phase, StageMeasurements
from trainables.tasks.spec import TaskSpec
from trainables.tensor_files import Place

HEADS = "heads.safetensors"
"""Weights of heads and vision tower, in a stage's folder."""

NO_ROOM = "frozen_layers_no_room"
"""Entry of `made_with`: why vectors above frozen layers were not kept, and what the user can change."""

LOSSES = "losses.json"
"""Training loss of every step, in a stage's folder."""

TASK_LOSSES = "task_losses.json"
"""File beside `LOSSES`. Task -> `steps`, `counts`, `losses`: the steps that held it, their examples of it, and the mean
loss."""


FolderPath = Annotated[Path, Field(strict=False)]
"""A folder, which is text in JSON."""


class JobPlaces(FrozenModel):
    """Folders that a job reads and writes."""

    encoder: Path = Field(strict=False)
    """Folder with the encoder to start from."""
    tokenizer: Path = Field(strict=False)
    """Folder with the tokenizer."""
    output: Path = Field(strict=False)
    """Folder that rank 0 writes to; on a disk that all ranks see."""
    cache: Path = Field(strict=False)
    """Folder for encoded data sets; shared by jobs."""
    progress: Path | None = Field(default=None, strict=False)
    """File for rank 0's progress, or None."""
    vision: Path | None = Field(default=None, strict=False)
    """Folder with the vision tower, if the phase loads one."""
    teacher: Path | None = Field(default=None, strict=False)
    """Folder with the teacher of a distillation, if the phase has one."""
    state: Path | None = Field(default=None, strict=False)
    """Folder with the training state to continue from (a checkpoint or a trunk); None starts the phase."""
    checkpoints: Path | None = Field(default=None, strict=False)
    """Folder for rank 0's checkpoints; None writes none."""
    predicted: Path | None = Field(default=None, strict=False)
    """Folder for the predictions of an evaluation, so that it can continue after an interruption; None keeps none."""
    parts: dict[str, FolderPath] = Field(default_factory=dict[str, Path])
    """Key of a stage that is combined -> its folder."""
    adapters: tuple[FolderPath, ...] = Field(default=(), strict=False)
    """Folders with adapters to merge into the encoder that the job starts from, in order."""
    scored: Path | None = Field(default=None, strict=False)
    """Folder of the stage that is scored, where it holds an adapter; None: that of the encoder."""
    shared: dict[str, FolderPath] = Field(default_factory=dict[str, Path])
    """Folder of a stage -> folder with the tensors that it shares with others, if its own folder lacks them."""

    def at(self, folder: Path) -> Place:
        """Return where the weights of a stage or a checkpoint are, by its folder."""
        return Place(folder, self.shared.get(str(folder)))


class TrainJob(FrozenModel):
    """Train one phase, or combine its parts, and save its encoder, and for the target phase its head."""

    type: Literal["train"] = "train"
    phase: Phase
    """The phase."""
    work: PhaseConfig
    """Its configuration."""
    specs: dict[str, TaskSpec]
    """Task name -> specification, for the mixture's tasks."""
    engine: EngineConfig
    """Ranks, precision and sharding."""
    saves_memory: bool = False
    """Whether activations are recomputed where `engine.gradient_checkpointing` is `auto`."""
    is_trunk: bool = False
    """Whether to stop before the learning rate falls, and to keep the training state instead of the phase."""
    stop_share: float | None = None
    """Share of the steps at which to stop instead, and to keep both the training state and the model."""
    combination: Combination | None = None
    """How to combine `places.parts` instead of training; None trains."""
    places: JobPlaces
    """Folders."""
    watch: Watch | None = None
    """How the ranks are watched meanwhile, or None."""

    @property
    def recomputes(self) -> bool:
        """Whether activations are recomputed in the backward pass."""
        chosen = self.engine.gradient_checkpointing
        return self.saves_memory if chosen == "auto" else chosen


class EvaluateJob(FrozenModel):
    """Score an evaluation task in every language."""

    type: Literal["evaluate"] = "evaluate"
    work: EvaluationConfig | LockedEvaluation
    """Task, split and languages."""
    target: PhaseConfig | None
    """Target phase, for the shape of its head; None if the encoder itself is scored (retrieval)."""
    spec: TaskSpec
    """The evaluation task."""
    head_spec: TaskSpec
    """The task whose head is used: the target's, or the evaluation task itself if it needs no trained head."""
    precision: Precision = "float32"
    """Type of the arithmetic."""
    places: JobPlaces
    """Folders; `encoder` is that of the stage that is scored."""
    watch: Watch | None = None
    """How the ranks are watched meanwhile, or None."""

    @property
    def asks_with_images(self) -> bool:
        """Whether the task has images, and the target phase a vision tower to see them with."""
        return self.spec.has_images and self.target is not None and self.target.vision is not None

    @property
    def has_head(self) -> bool:
        """Whether a trained head predicts; else, texts are compared by the mean states of a layer."""
        finds_images = self.spec.kind == "image_text_retrieval"
        return self.target is not None and (self.asks_with_images or not finds_images)


Job = TrainJob | EvaluateJob
"""A job for ranks."""


class JobResult(StageMeasurements):
    """What rank 0 returns."""

    steps: int = 0
    """Optimiser steps that the phase has taken at the end of the job."""
    first_step: int = 0
    """Steps that were done before it."""
    seconds_before: float = 0.0
    """Training time that they took, when it continued a checkpoint of its own stage."""
    losses: tuple[float, ...] = Field(default=(), strict=False)
    """Training loss of every step; empty for evaluation."""
    memory_bytes: int = 0
    """Memory that rank 0 holds after the job on the device that computes: on CUDA the memory that torch's allocator
    keeps, on the CPU `host_memory_bytes`."""
    host_memory_bytes: int = 0
    """Resident memory of rank 0's process after the job, without weights that it keeps for the next one on purpose."""
    device_capacity_bytes: int = 0
    """Memory that rank 0 can use of its GPU; 0 on the CPU."""

"""What a trial asks its ranks to do. Plain data: it crosses processes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from trainables.config import EngineConfig, EvaluationConfig, FrozenModel, PhaseConfig
from trainables.config.locked import LockedEvaluation
from trainables.monitoring.liveness import Watch
from trainables.results import Phase, SplitRows, TaskTraining
from trainables.tasks.spec import TaskSpec

HEADS = "heads.safetensors"
"""Weights of heads and vision tower, in a stage's folder."""

LOSSES = "losses.json"
"""Training loss of every step, in a stage's folder."""

TASK_LOSSES = "task_losses.json"
"""Task -> `steps`, `counts`, `losses`: the steps that held it, their examples of it and mean loss; beside `LOSSES`."""


class JobPlaces(FrozenModel):
    """Where a job reads and writes."""

    encoder: Path = Field(strict=False)
    """Folder with the encoder to start from."""
    tokenizer: Path = Field(strict=False)
    """Folder with the tokenizer."""
    output: Path = Field(strict=False)
    """Folder that rank 0 writes to; on a disk that all ranks see."""
    cache: Path = Field(strict=False)
    """Folder for encoded data sets; shared by jobs."""
    progress: Path | None = Field(default=None, strict=False)
    """File that rank 0 keeps its progress in, or None."""
    vision: Path | None = Field(default=None, strict=False)
    """Folder with the vision tower, where the phase loads one."""
    state: Path | None = Field(default=None, strict=False)
    """Folder with the training state to continue from (a checkpoint or a trunk); None starts the phase."""
    checkpoints: Path | None = Field(default=None, strict=False)
    """Folder that rank 0 leaves checkpoints in, or None for none."""
    predicted: Path | None = Field(default=None, strict=False)
    """Folder that keeps what an evaluation has predicted: one that is interrupted goes on. None keeps nothing."""


class TrainJob(FrozenModel):
    """Train one phase and save its encoder, and for the target phase its head."""

    type: Literal["train"] = "train"
    phase: Phase
    """Which phase."""
    work: PhaseConfig
    """How."""
    specs: dict[str, TaskSpec]
    """Task name -> specification, for the mixture's tasks."""
    engine: EngineConfig
    """How it is spread over ranks."""
    is_trunk: bool = False
    """Whether to stop where the learning rate begins to fall, and to keep the training state instead of the phase."""
    places: JobPlaces
    """Where."""
    watch: Watch | None = None
    """How the ranks are watched while they do it, or None."""


class EvaluateJob(FrozenModel):
    """Score an evaluation task in every language."""

    type: Literal["evaluate"] = "evaluate"
    work: EvaluationConfig | LockedEvaluation
    """What is scored."""
    target: PhaseConfig | None
    """Target phase, for the shape of its head; None where the encoder itself is scored (retrieval)."""
    spec: TaskSpec
    """The evaluation task."""
    head_spec: TaskSpec
    """The task whose head is used: the target's, or the evaluation task itself where it needs no trained one."""
    places: JobPlaces
    """Where; `encoder` is the folder of the stage that is scored."""
    watch: Watch | None = None
    """How the ranks are watched while they do it, or None."""


Job = TrainJob | EvaluateJob
"""What ranks can be asked to do."""


class JobResult(FrozenModel):
    """What rank 0 answers."""

    steps: int = 0
    """Optimiser steps that the phase has taken at the end of the job."""
    first_step: int = 0
    """Steps that were done before it."""
    seconds_before: float = 0.0
    """Training time that they took, when it continued a checkpoint of its own stage."""
    losses: tuple[float, ...] = Field(default=(), strict=False)
    """Training loss of every step; empty for evaluation."""
    scores: dict[str, float]
    """Task or language -> its own metric (0..1)."""
    metrics: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Evaluation: metric (the task's own first) -> language -> score (0..1)."""
    counts: dict[str, int]
    """Task -> examples trained on; language -> items scored."""
    tasks: dict[str, TaskTraining] = Field(default_factory=dict[str, TaskTraining])
    """Task -> weight, counts and losses; empty for evaluation."""
    made_with: dict[str, str]
    """Ranks, ZeRO stage, threads, versions."""
    split_rows: tuple[SplitRows, ...] = Field(default=(), strict=False)
    """The splits that it read and that rows were left out of, or whose texts spell special tokens."""
    memory_bytes: int = 0
    """What rank 0 holds after the job of the memory of the device that computes: on CUDA what its allocator keeps, on
    the CPU `host_memory_bytes`."""
    host_memory_bytes: int = 0
    """Resident memory of rank 0's process after the job, without weights that it keeps for the next one on purpose."""
    device_capacity_bytes: int = 0
    """What rank 0 may have of its GPU's memory; 0 on the CPU."""

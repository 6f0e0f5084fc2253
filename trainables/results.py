"""What a trial gives back. Crosses processes and is stored in the record."""

from __future__ import annotations

import statistics
from typing import Literal

from pydantic import Field

from trainables.config.frozen import FrozenModel

Phase = Literal["pretraining", "intermediate", "target", "evaluation"]
"""The phases of a trial, in order."""

MAX_SILENT_SHARE = 0.01
"""Share of a split's rows that may be left out without a warning."""

Family = Literal["none", "text", "multimodal", "multitask", "control"]
"""What kind of intermediate training a trial has."""


class SplitRows(FrozenModel):
    """What became of the rows of one split of a task, where not all of them are read as they stand."""

    task: str
    """Name of the task."""
    split: str
    """Our split."""
    language: str
    """Language code."""
    num_rows: int = Field(ge=0)
    """Rows that were read."""
    num_left_out: int = Field(default=0, ge=0)
    """Rows that make no example."""
    reason: str = ""
    """Why; empty where none is left out."""
    num_spelling: int = Field(default=0, ge=0)
    """Rows whose texts spell a special token of the encoder; it is read as text."""
    spelled: tuple[str, ...] = Field(default=(), strict=False)
    """The special tokens that they spell."""

    def left_out_words(self) -> str:
        """Return a sentence on the rows that are left out; empty without any."""
        if not self.num_left_out:
            return ""
        share = self.num_left_out / self.num_rows
        return (
            f"task {self.task!r}, split {self.split!r} ({self.language}): {self.num_left_out} of {self.num_rows} rows "
            f"({share:.1%}) are left out: {self.reason}"
        )

    def spelling_words(self) -> str:
        """Return a sentence on the rows that spell special tokens; empty without any."""
        if not self.num_spelling:
            return ""
        return (
            f"task {self.task!r}, split {self.split!r} ({self.language}): {self.num_spelling} of {self.num_rows} rows "
            f"spell {', '.join(self.spelled)}, special tokens of the encoder; they are read as text"
        )


class TaskTraining(FrozenModel):
    """What a phase did with one of its tasks."""

    weight: float = Field(gt=0, le=1)
    """Share of the phase's examples that the task was to have; computed where the phase's sampling says so."""
    size: int = Field(ge=1)
    """Examples of its encoded training split."""
    num_examples: int = Field(ge=0)
    """Examples trained on, repetitions counted."""
    num_steps: int = Field(ge=0)
    """Optimiser steps that held some of them."""
    first_loss: float | None
    """Mean training loss, in nats, over the first tenth of these steps; None without any."""
    last_loss: float | None
    """Mean training loss over the last tenth of them."""
    num_unreadable: int = Field(default=0, ge=0)
    """Examples that its training split lacks because an image of theirs cannot be decoded."""


class StageRun(FrozenModel):
    """One stage of a trial's lineage: made by it, or found in the store."""

    phase: Phase
    """Phase that the stage is, or is a stretch of."""
    key: str
    """Content key, 64 hexadecimal digits."""
    steps: int = Field(ge=0)
    """Optimiser steps that making it took, without those of the trunk that it continues; 0 for evaluation."""
    seconds: float = Field(ge=0)
    """Wall time that making it took, whoever made it."""
    reused: bool
    """Whether it was found complete, so that this trial paid nothing for it."""
    further: str = ""
    """Further target that it was planned for, by its evaluation task; empty on the trial's own line."""
    is_trunk: bool = False
    """Whether it is a phase's stable stretch, with its training state, that higher rungs extend."""
    steps_before: int = Field(default=0, ge=0)
    """Optimiser steps of the trunk that it continues."""
    seconds_before: float = Field(default=0.0, ge=0)
    """Wall time that making that trunk took, whoever made it."""


class TrialResult(FrozenModel):
    """Scores, lineage and cost of a finished trial."""

    languages: dict[str, float]
    """Language -> the evaluation task's own metric (0..1) on the dev split: zero-shot accuracy for XNLI."""
    num_items: int = Field(ge=1)
    """Items scored in each language, in the one with the fewest."""
    task_scores: dict[str, float]
    """Trained task -> its own metric (0..1) on its dev split, and `<task>/shuffled_images` for tasks with images."""
    stages: tuple[StageRun, ...] = Field(strict=False)
    """Lineage in order: the trial's own line first, then what its further targets add."""
    trained: dict[Phase, dict[str, TaskTraining]] = Field(default_factory=dict[Phase, dict[str, TaskTraining]])
    """Phase -> task -> weight, counts and losses of its training; empty in results of earlier versions."""
    evaluations: dict[str, dict[str, dict[str, float]]] = Field(default_factory=dict)
    """Evaluation task -> metric (its own first) -> language -> score (0..1): the trial's own, then further ones."""
    split_rows: tuple[SplitRows, ...] = Field(default=(), strict=False)
    """The splits that rows were left out of, or whose texts spell special tokens; empty in older results."""

    @property
    def average(self) -> float:
        """Mean score over the languages: XTREME's metric (arXiv 2003.11080)."""
        return statistics.fmean(self.languages.values())

    @property
    def english(self) -> float | None:
        """Accuracy in English, or None when English was not scored."""
        return self.languages.get("en")

    @property
    def worst(self) -> float:
        """Accuracy of the lowest language."""
        return min(self.languages.values())

    @property
    def cost_paid_seconds(self) -> float:
        """Seconds spent on stages that this trial made."""
        return sum(stage.seconds for stage in self.stages if not stage.reused)

    @property
    def cost_if_alone_seconds(self) -> float:
        """Seconds that the whole lineage took, as if nothing had been shared."""
        return sum(stage.seconds_before + stage.seconds for stage in self.stages if not stage.is_trunk)

    @property
    def steps_paid(self) -> int:
        """Optimiser steps of the stages that this trial made."""
        return sum(stage.steps for stage in self.stages if not stage.reused)

    @property
    def steps_if_alone(self) -> int:
        """Optimiser steps of the whole lineage, as if nothing had been shared."""
        return sum(stage.steps_before + stage.steps for stage in self.stages if not stage.is_trunk)

"""What stages and trials measure. These models cross processes and are stored.

The scores of an evaluation have two forms, and each has one definition here:

- `StageMeasurements` is of one stage. Rank 0 sends it (`ranks.jobs.JobResult`), and the stage's manifest stores it
  (`stage_store.StageFacts`).
- `TrialMeasurements` is of a trial at one rung, over all its stages. The record stores it (`TrialResult`), and queries
  return it (`search.query.query_results`).

Both forms stay: manifests and records of earlier versions hold them. A trial's form names each evaluation by its task
and has the worst case of the item counts; a stage's form knows neither its task nor the other stages.
"""

from __future__ import annotations

import statistics
from typing import Literal

from pydantic import Field

from trainables.config.frozen import FrozenModel

Phase = Literal["pretraining", "intermediate", "target", "evaluation"]
"""The phases of a trial, in order."""

MAX_SILENT_SHARE = 0.01
"""Share of a split's rows that can be left out without a warning."""

Family = Literal["none", "text", "multimodal", "multitask", "control", "merged"]
"""The kind of a trial's intermediate training."""


class SplitRows(FrozenModel):
    """Counts of the rows of one split of a task that are left out, or whose texts spell special tokens."""

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
    """Why they are left out; empty if none is."""
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
    """Training of one task in a phase: weight, counts and losses."""

    weight: float = Field(gt=0, le=1)
    """The task's intended share of the phase's examples; computed if the phase's sampling is computed. In a merge: the
    weight of the task's part."""
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


class TaskPace(FrozenModel):
    """How fast a stage trained one task, in the steps that it took since it was last started."""

    num_examples: int = Field(ge=0)
    """Examples of these steps."""
    num_tokens: int = Field(ge=0)
    """Tokens of their passes on all ranks, padding included."""
    seconds: float = Field(ge=0)
    """Wall time of these steps, divided among the tasks by their tokens."""


class StageMeasurements(FrozenModel):
    """What one stage measured: its scores, its data, and the versions that made it."""

    scores: dict[str, float]
    """Task or language -> its own metric (0..1)."""
    counts: dict[str, int]
    """Task -> examples trained on; language -> items scored."""
    tasks: dict[str, TaskTraining] = Field(default_factory=dict[str, TaskTraining])
    """Trained task -> weight, counts and losses; empty for evaluation and in stages of earlier versions."""
    made_with: dict[str, str]
    """Ranks, ZeRO stage, threads, versions: for the record, not for the key."""
    paces: dict[str, TaskPace] = Field(default_factory=dict[str, TaskPace])
    """Trained task -> its pace; empty for evaluation and in stages of earlier versions."""
    start_seconds: float = Field(default=0.0, ge=0)
    """Wall time of starting a sweep's ranks, which the stage's own includes; 0 where they ran already, and in stages of
    earlier versions."""
    metrics: dict[str, dict[str, float]] = Field(default_factory=dict)
    """Evaluation: metric (the task's own first) -> language -> score (0..1); empty in stages of older versions."""
    split_rows: tuple[SplitRows, ...] = Field(default=(), strict=False)
    """The splits that rows were left out of, or whose texts spell special tokens; empty in stages of older versions."""


class StageRun(FrozenModel):
    """One stage of a trial's lineage: made by it, or found in the store."""

    phase: Phase
    """Phase that the stage is, or is a stretch of."""
    key: str
    """Content key, 64 hexadecimal digits."""
    steps: int = Field(ge=0)
    """Optimiser steps of making it, without those of stages that it continues or combines; 0 for evaluation."""
    seconds: float = Field(ge=0)
    """Wall time of making it, in this trial or another."""
    reused: bool
    """Whether it was found complete, so that this trial paid nothing for it."""
    further: str = ""
    """Further target that it was planned for, by its evaluation task; empty on the trial's own line."""
    is_trunk: bool = False
    """Whether only a later stage of its phase is made from it: a trunk, or a part of a merge or an average."""
    steps_before: int = Field(default=0, ge=0)
    """Optimiser steps of the trunk that it continues, or of the parts that it combines."""
    seconds_before: float = Field(default=0.0, ge=0)
    """Wall time of making that trunk or those parts, in this trial or another."""


class TrialScores(FrozenModel):
    """Scores of a trial at one rung."""

    languages: dict[str, float]
    """Language -> the evaluation task's own metric (0..1) on the dev split: zero-shot accuracy for XNLI."""
    num_items: int = Field(ge=1)
    """Items scored in each language, in the one with the fewest."""
    task_scores: dict[str, float]
    """Trained task -> its own metric (0..1) on its dev split, and `<task>/shuffled_images` for tasks with images."""
    evaluations: dict[str, dict[str, dict[str, float]]] = Field(default_factory=dict)
    """Evaluation task -> metric (its own first) -> language -> score (0..1): the trial's own, then further ones."""


class TrialMeasurements(TrialScores):
    """Scores of a trial at one rung, and what they were trained and scored on."""

    trained: dict[Phase, dict[str, TaskTraining]] = Field(default_factory=dict[Phase, dict[str, TaskTraining]])
    """Phase -> task -> weight, counts and losses of its training; empty in results of earlier versions."""
    split_rows: tuple[SplitRows, ...] = Field(default=(), strict=False)
    """The splits that rows were left out of, or whose texts spell special tokens; empty in older results."""
    paces: dict[str, dict[str, TaskPace]] = Field(default_factory=dict[str, dict[str, TaskPace]])
    """Key of each stage that the trial trained -> task -> its pace; empty in older results."""
    starts: dict[str, float] = Field(default_factory=dict[str, float])
    """Key of each stage that the trial made and started ranks for -> seconds of the start; empty in older results."""


class TrialResult(TrialMeasurements):
    """Scores, lineage and cost of a finished trial."""

    stages: tuple[StageRun, ...] = Field(strict=False)
    """Lineage in order: the trial's own line first, then what its further targets add."""

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

"""The plan of a trial: its chain of content-addressed stages. Pure: no disk, no clock, no torch.

A stage's key is the SHA-256 of the canonical JSON of everything that decides its content: the parent's key, the
phase's configuration (its seed included), the specification and the data's identity of each task, the precision, and a
stage version that is raised by hand. How the work is spread (ranks, ZeRO stage, micro-batches, machine, paths) is left
out: results agree across it within tolerance (docs/decisions/0006).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainables.config import EvaluationConfig, FrozenModel, PhaseConfig, TrialConfig, content_key
from trainables.results import Phase
from trainables.tasks.spec import TaskSpec

STAGE_VERSION: dict[Phase, int] = {"pretraining": 1, "intermediate": 1, "target": 1, "evaluation": 1}
"""Raised when the code that makes a phase changes what it makes."""


class Provenance(FrozenModel):
    """What a trial's inputs are, beyond their names."""

    encoder: str
    """Identity of the starting weights and tokenizer: a commit, or a hash of the files."""
    specs: dict[str, TaskSpec]
    """Task name -> its specification, for every task the trial names."""
    data: dict[str, str]
    """Task name -> identity of its rows: a commit, a generator's version, or a hash of the files."""
    vision: dict[str, str] = Field(default_factory=dict)
    """Vision tower's name -> identity of its weights."""


class Stage(FrozenModel):
    """One unit of work that trials share."""

    phase: Phase
    """Phase that it is."""
    key: str
    """Content key, 64 hexadecimal digits."""
    parent: str | None
    """Key of the stage whose encoder it starts from; None starts from the trial's encoder."""
    work: PhaseConfig | EvaluationConfig
    """What to do."""


TrainingPhase = Literal["pretraining", "intermediate", "target"]

TRAINING_PHASES: tuple[TrainingPhase, ...] = ("pretraining", "intermediate", "target")
"""The phases that change weights, in order."""


def plan_stages(config: TrialConfig, *, provenance: Provenance) -> tuple[Stage, ...]:
    """Return the stages of a trial in order; trials that share a beginning share its keys.

    Args:
        config: The trial.
        provenance: Identity of its encoder, tasks and data.
    """
    stages: list[Stage] = []
    parent: str | None = None
    for phase in TRAINING_PHASES:
        work: PhaseConfig | None = getattr(config, phase)
        if work is not None:
            stages.append(_training_stage(phase, work, parent=parent, precision=config.engine.precision, of=provenance))
            parent = stages[-1].key
    stages.append(_evaluation_stage(config.evaluation, parent=parent, of=provenance))
    return tuple(stages)


def _training_stage(phase: Phase, work: PhaseConfig, *, parent: str | None, precision: str, of: Provenance) -> Stage:
    key = content_key(
        {
            "version": STAGE_VERSION[phase],
            "from": parent or of.encoder,
            "tokenizer": of.encoder,
            "phase": phase,
            "work": _decisive(work),
            "tasks": _task_identities(work.mixture, of=of),
            "vision": of.vision.get(work.vision.tower) if work.vision else None,
            "precision": precision,
        }
    )
    return Stage(phase=phase, key=key, parent=parent, work=work)


def _evaluation_stage(work: EvaluationConfig, *, parent: str | None, of: Provenance) -> Stage:
    key = content_key(
        {
            "version": STAGE_VERSION["evaluation"],
            "from": parent or of.encoder,
            "tokenizer": of.encoder,
            "phase": "evaluation",
            "work": work.model_dump(mode="json", exclude={"tokens_per_micro_batch"}),
            "tasks": _task_identities([work.task], of=of),
        }
    )
    return Stage(phase="evaluation", key=key, parent=parent, work=work)


def _decisive(work: PhaseConfig) -> dict[str, object]:
    """Return a phase's fields without those that came later and change nothing as they stand."""
    # Uniform sampling is what equal weights say by themselves.
    neutral = {"sampling"} if work.sampling.kind in {"given", "uniform"} else set[str]()
    return work.model_dump(mode="json", exclude=neutral)


def _task_identities(names: dict[str, float] | list[str], *, of: Provenance) -> dict[str, object]:
    return {name: [of.specs[name].identity(), of.data[name]] for name in names}

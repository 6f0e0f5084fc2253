"""The plan of a trial: its tree of content-addressed stages. Pure: no disk, no clock, no torch.

    pretraining (or none) -> intermediate (or none) -> target -> evaluation
                                                    -> a further target's phases (or none) -> its evaluation
                                                    -> ...

A stage's key is the SHA-256 of the canonical JSON of everything that decides its content: the parent's key, the
phase's configuration (its seed included), the specification and the data's identity of each task, the precision, and a
stage version that is raised by hand. How the work is spread (ranks, ZeRO stage, micro-batches, machine, paths) is left
out: results agree across it within tolerance (docs/decisions/0006).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any, Literal  # Any: what pydantic takes as fields to leave out

from pydantic import Field

from trainables.config import EvaluationConfig, FrozenModel, PhaseConfig, TrialConfig, content_key
from trainables.mixture import phase_tasks
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
    further: str = ""
    """Further target that it was planned for, by its evaluation task; empty on the trial's own line."""


TrainingPhase = Literal["pretraining", "intermediate", "target"]

TRAINING_PHASES: tuple[TrainingPhase, ...] = ("pretraining", "intermediate", "target")
"""The phases that change weights, in order."""


def plan_stages(config: TrialConfig, *, provenance: Provenance) -> tuple[Stage, ...]:
    """Return the stages of a trial, parents before children; trials that share a beginning share its keys.

    Targets that train alike share a stage too: MLQA is scored with the model that XQuAD trained on SQuAD.

    Args:
        config: The trial.
        provenance: Identity of its encoder, tasks and data.
    """
    trunk = _Line(config, of=provenance)
    for phase in ("pretraining", "intermediate"):
        work: PhaseConfig | None = getattr(config, phase)
        if work is not None:
            trunk = trunk.trained(phase, work)
    lines = [trunk.trained("target", config.target).scored(config.evaluation)]
    for name, further in config.further.items():
        line = trunk.named(name)
        for work in further.target:
            line = line.trained("target", work)
        lines.append(line.scored(further.evaluation))
    stages: dict[str, Stage] = {}
    for stage in (stage for line in lines for stage in line.stages):
        stages.setdefault(stage.key, stage)
    return tuple(stages.values())


class _Line:
    """A trial's stages from the beginning to one end, in the making."""

    def __init__(
        self, config: TrialConfig, *, of: Provenance, stages: tuple[Stage, ...] = (), further: str = ""
    ) -> None:
        self._config, self._of, self._further = config, of, further
        self.stages = stages

    def named(self, further: str) -> _Line:
        return _Line(self._config, of=self._of, stages=self.stages, further=further)

    def trained(self, phase: Phase, work: PhaseConfig) -> _Line:
        precision = self._config.engine.precision
        return self._with(_training_stage(phase, work, parent=self._end, precision=precision, of=self._of))

    def scored(self, work: EvaluationConfig) -> _Line:
        return self._with(_evaluation_stage(work, parent=self._end, of=self._of))

    @property
    def _end(self) -> str | None:
        return self.stages[-1].key if self.stages else None

    def _with(self, stage: Stage) -> _Line:
        stages = (*self.stages, stage.model_copy(update={"further": self._further}))
        return _Line(self._config, of=self._of, stages=stages, further=self._further)


def _training_stage(phase: Phase, work: PhaseConfig, *, parent: str | None, precision: str, of: Provenance) -> Stage:
    key = content_key(
        {
            "version": STAGE_VERSION[phase],
            "from": parent or of.encoder,
            "tokenizer": of.encoder,
            "phase": phase,
            "work": _decisive(work),
            "tasks": _task_identities(phase_tasks(work), of=of),
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
            "work": work.model_dump(mode="json", exclude=_not_in_key(work)),
            "tasks": _task_identities([work.task], of=of),
        }
    )
    return Stage(phase="evaluation", key=key, parent=parent, work=work)


def _decisive(work: PhaseConfig) -> dict[str, object]:
    """Return a phase's fields without those that came later and change nothing as they stand, and without paths."""
    # Uniform sampling is what equal weights say by themselves.
    neutral: dict[str, Any] = {"sampling": True} if work.sampling.kind in {"given", "uniform"} else {}
    # Of the texts beside a phase their place is left out; their identity stands with the tasks'.
    neutral["beside"] = True if work.beside is None else {"masked_lm": {"texts": True}}
    fields = work.model_dump(mode="json", exclude=neutral)
    if work.vision is not None and PurePath(work.vision.tower).is_absolute():
        fields["vision"]["tower"] = "folder"  # which one, its identity says
    return fields


def _not_in_key(work: EvaluationConfig) -> set[str]:
    # Fields that were added later enter only where they say something new (docs/decisions/0006).
    later = ("layer", "similarity")
    fields = type(work).model_fields
    return {"tokens_per_micro_batch"} | {name for name in later if getattr(work, name) == fields[name].default}


def _task_identities(names: Iterable[str], *, of: Provenance) -> dict[str, object]:
    return {name: [of.specs[name].identity(), of.data[name]] for name in names}

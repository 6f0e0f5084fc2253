"""The plan of a trial at a rung: its tree of content-addressed stages. Pure: no disk, no clock, no torch.

    pretraining (or none) -> intermediate (or none) -> target -> evaluation
                                                    -> a further target's phases (or none) -> its evaluation
                                                    -> ...

Where a phase grows from rung to rung and its learning rate has a stable part, that part is the beginning of the phase
at every higher rung. It is a stage of its own, a *trunk*, with the training state at its end; the next rung's trunk
continues it, and the phase at each rung is a short branch off its trunk:

    intermediate -> trunk of rung 0 -> trunk of rung 1 -> target at rung 2 -> evaluation at rung 2
                         -> target at rung 0    -> target at rung 1

A branch has the key of the same phase trained in one go, because it has the same weights. A trunk is therefore a means,
not an input: it is made, or looked for, only where the phase itself is missing.

A stage's key is the SHA-256 of the canonical JSON of everything that decides its content: the parent's key, the
phase's configuration (its seed included), the specification and the data's identity of each task, the precision, and a
stage version that is raised by hand. How the work is spread (ranks, ZeRO stage, micro-batches, machine, paths) is left
out: results agree across it within tolerance (docs/decisions/0006).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath
from typing import Any, Literal  # Any: what pydantic takes as fields to leave out

from pydantic import Field

from trainables.config import (
    EngineConfig,
    EvaluationConfig,
    FrozenModel,
    PhaseConfig,
    RungsConfig,
    TrialConfig,
    content_key,
)
from trainables.config.deepspeed_settings import decisive
from trainables.plan.mixture import phase_tasks
from trainables.plan.schedule import has_trunk, trunk_end
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
    is_trunk: bool = False
    """Whether it is the stable part of its phase, with its training state, for higher rungs to extend."""
    continues: str | None = None
    """Key of the trunk whose training state it continues; None begins the phase."""


TrainingPhase = Literal["pretraining", "intermediate", "target"]

TRAINING_PHASES: tuple[TrainingPhase, ...] = ("pretraining", "intermediate", "target")
"""The phases that change weights, in order."""


ONE_RUNG = RungsConfig()
"""A trial without rungs is always what its configuration says."""


def plan_stages(
    config: TrialConfig, *, provenance: Provenance, rungs: RungsConfig = ONE_RUNG, rung: int | None = None
) -> tuple[Stage, ...]:
    """Return the stages of a trial, parents and trunks before what is made from them.

    Trials that share a beginning share its keys. Targets that train alike share a stage too: MLQA is scored with the
    model that XQuAD trained on SQuAD.

    Args:
        config: The trial, as it is at its last rung.
        provenance: Identity of its encoder, tasks and data.
        rungs: Its rungs.
        rung: The rung to plan; None is the last.
    """
    rung = rungs.last if rung is None else rung
    trunks = _trunks(config, rungs=rungs, rung=rung)
    config = rungs.at(rung, config=config)
    shared = _Line(config, of=provenance)
    for phase in ("pretraining", "intermediate"):
        work: PhaseConfig | None = getattr(config, phase)
        if work is not None:
            shared = shared.trained(phase, work, trunks=trunks.get(phase, ()))
    main = shared.trained("target", config.target, trunks=trunks.get("target", ()))
    lines = [main.scored(config.evaluation)]
    for name, further in config.further.items():
        line = shared.named(name)
        for work in further.target:
            line = line.trained("target", work)
        lines.append(line.scored(further.evaluation))
    stages: dict[str, Stage] = {}
    for stage in (stage for line in lines for stage in line.stages):
        stages.setdefault(stage.key, stage)
    return tuple(stages.values())


def missing_stages(plan: Sequence[Stage], *, is_complete: Callable[[str], bool]) -> tuple[Stage, ...]:
    """Return the stages that a trial would have to make, in order; of trunks only those that it would continue.

    Args:
        plan: All stages of the trial at a rung.
        is_complete: Tells by its key whether a stage is there.
    """
    return tuple(stage for stage in needed_stages(plan, is_complete=is_complete) if not is_complete(stage.key))


def needed_stages(plan: Sequence[Stage], *, is_complete: Callable[[str], bool]) -> tuple[Stage, ...]:
    """Return the stages that a trial makes or reads, in order; of trunks only those that it would make or continue.

    Args:
        plan: All stages of the trial at a rung.
        is_complete: Tells by its key whether a stage is there.
    """
    by_key = {stage.key: stage for stage in plan}
    needed = {stage.key for stage in plan if not stage.is_trunk}
    for stage in reversed(plan):
        if stage.key in needed and stage.continues and not is_complete(stage.key):
            needed.add(by_key[stage.continues].key)
    return tuple(stage for stage in plan if stage.key in needed)


def _trunks(config: TrialConfig, *, rungs: RungsConfig, rung: int) -> dict[str, tuple[PhaseConfig, ...]]:
    """Return the phase that has trunks, as it is at the rungs whose trunks a rung needs, the lowest first.

    It is the first one that grows: what follows it starts from another encoder at every rung.
    """
    growing = (phase for phase in TRAINING_PHASES if phase in rungs.grow and getattr(config, phase) is not None)
    phase = next(growing, None)
    if phase is None or rungs.num == 1 or not has_trunk(getattr(config, phase).schedule):
        return {}
    needed = range(min(rung + 1, rungs.last))
    return {phase: tuple(getattr(rungs.at(lower, config=config), phase) for lower in needed)}


class _Line:
    """A trial's stages from the beginning to one end, in the making."""

    def __init__(
        self, config: TrialConfig, *, of: Provenance, stages: tuple[Stage, ...] = (), further: str = ""
    ) -> None:
        self._config, self._of, self._further = config, of, further
        self.stages = stages

    def named(self, further: str) -> _Line:
        return _Line(self._config, of=self._of, stages=self.stages, further=further)

    def trained(self, phase: Phase, work: PhaseConfig, *, trunks: tuple[PhaseConfig, ...] = ()) -> _Line:
        made: list[Stage] = []
        continues = None
        for shorter in trunks:
            trunk = self._stage(phase, shorter, is_trunk=True, continues=continues)
            if trunk.key != continues:  # else two rungs are too short to differ
                made.append(trunk)
            continues = trunk.key
        return self._with(*made, self._stage(phase, work, is_trunk=False, continues=continues))

    def scored(self, work: EvaluationConfig) -> _Line:
        return self._with(_evaluation_stage(work, parent=self._end, of=self._of))

    @property
    def _end(self) -> str | None:
        return self.stages[-1].key if self.stages else None

    def _stage(self, phase: Phase, work: PhaseConfig, *, is_trunk: bool, continues: str | None) -> Stage:
        stage = Stage(phase=phase, key="", parent=self._end, work=work, is_trunk=is_trunk, continues=continues)
        key = _training_key(stage, engine=self._config.engine, of=self._of)
        return stage.model_copy(update={"key": key})

    def _with(self, *added: Stage) -> _Line:
        stages = (*self.stages, *(stage.model_copy(update={"further": self._further}) for stage in added))
        return _Line(self._config, of=self._of, stages=stages, further=self._further)


def _training_key(stage: Stage, *, engine: EngineConfig, of: Provenance) -> str:
    work = stage.work
    assert isinstance(work, PhaseConfig)  # noqa: S101  (it trains)
    # A trunk's training state is in float32 whatever the phase is stored in.
    rounded = {} if stage.is_trunk or engine.stored_weights == "float32" else {"stored_weights": engine.stored_weights}
    reduced = {} if engine.reduction == "float32" else {"reduction": engine.reduction}
    settings = decisive(engine.deepspeed)
    return content_key(
        {
            "version": STAGE_VERSION[stage.phase],
            "from": stage.parent or of.encoder,
            "tokenizer": of.encoder,
            "phase": stage.phase,
            "work": _decisive_of_trunk(work) if stage.is_trunk else _decisive(work),
            "tasks": _task_identities(phase_tasks(work), of=of),
            "vision": of.vision.get(work.vision.tower) if work.vision else None,
            "precision": engine.precision,
        }
        | rounded
        | reduced
        | ({"deepspeed": settings} if settings else {})
    )


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


def _decisive_of_trunk(work: PhaseConfig) -> dict[str, object]:
    """Return what decides a trunk: how it begins and where it ends, whatever comes after."""
    later = ("steps", "epochs", "schedule", "num_dev_items")
    fields = {name: value for name, value in _decisive(work).items() if name not in later}
    fields["warmup_steps"] = work.schedule.warmup_steps or 0
    if work.steps is not None:
        return fields | {"trunk_steps": trunk_end(work.schedule, num_steps=work.steps)}
    # How many steps that is, the data says, which is in the key too.
    decay = None if work.schedule.kind == "constant" else work.schedule.decay_fraction
    return fields | {"trunk_of_epochs": work.epochs, "decay_fraction": decay}


def _not_in_key(work: EvaluationConfig) -> set[str]:
    # Fields that were added later enter only where they say something new (docs/decisions/0006).
    later = ("layer", "similarity")
    fields = type(work).model_fields
    return {"tokens_per_micro_batch"} | {name for name in later if getattr(work, name) == fields[name].default}


def _task_identities(names: Iterable[str], *, of: Provenance) -> dict[str, object]:
    return {name: [of.specs[name].identity(), of.data[name]] for name in names}

"""Plans a trial at a rung: its tree of content-addressed stages. Pure: no disk, no clock, no torch.

    pretraining (or none) -> intermediate (or none) -> target -> evaluation
                                                    -> a further target's phases (or none) -> its evaluation
                                                    -> ...

If a phase grows from rung to rung and its learning rate has a stable part, that part is also the start of the phase at
every higher rung. It is a stage of its own, a *trunk*, with the training state at its end; the next rung's trunk
continues it, and the phase at each rung is a short branch off its trunk:

    intermediate -> trunk of rung 0 -> trunk of rung 1 -> target at rung 2 -> evaluation at rung 2
                         -> target at rung 0    -> target at rung 1

A branch has the key of the same phase trained in one go, because it has the same weights. A trunk is therefore not
an input: it is made, or looked for, only if the phase itself is missing.

A merge of encoders, or an average of runs, is a stage of 0 steps whose *parts* are ordinary stages of the same phase. A
part is not an input of the trial either: it is made, or looked for, only if the combination itself is missing.

A stage's key is the SHA-256 of the canonical JSON of everything that decides its content: the parent's key, the
phase's configuration (its seed included), the specification and the data's identity of each task, the precision, and a
stage version that is raised by hand. The distribution of the work (ranks, ZeRO stage, micro-batches, machine, paths) is
not part of the key: results agree within tolerance (docs/decisions/0006).
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
from trainables.plan.combination import Combination, combination_of, parts_of
from trainables.plan.mixture import phase_tasks
from trainables.plan.schedule import has_trunk, trunk_end
from trainables.results import Phase
from trainables.tasks.spec import TaskSpec

COMBINATION_VERSION = 1
"""Raised when a change of the code changes the weights of a merge or an average."""

ROUNDED_SCORES_VERSION = 1
"""Raised when a change of the code changes scores that are computed in bfloat16."""

STAGE_VERSION: dict[Phase, int] = {"pretraining": 1, "intermediate": 1, "target": 1, "evaluation": 1}
"""Raised when a change of the code changes the result of a phase."""


class Provenance(FrozenModel):
    """Identity of a trial's inputs, beyond their names."""

    encoder: str
    """Identity of the starting weights and tokenizer: a commit, or a hash of the files."""
    specs: dict[str, TaskSpec]
    """Task name -> its specification, for every task the trial names."""
    data: dict[str, str]
    """Task name -> identity of its rows: a commit, a generator's version, or a hash of the files."""
    vision: dict[str, str] = Field(default_factory=dict)
    """Vision tower's name -> identity of its weights."""
    teachers: dict[str, str] = Field(default_factory=dict)
    """Teacher's name -> identity of its weights."""


class Stage(FrozenModel):
    """One unit of work that trials share."""

    phase: Phase
    """Its phase."""
    key: str
    """Content key, 64 hexadecimal digits."""
    parent: str | None
    """Key of the stage whose encoder it starts from; None starts from the trial's encoder."""
    work: PhaseConfig | EvaluationConfig
    """Its configuration."""
    further: str = ""
    """Further target that it was planned for, by its evaluation task; empty on the trial's own line."""
    is_trunk: bool = False
    """Whether it is the stable part of its phase, with its training state, for higher rungs to extend."""
    continues: str | None = None
    """Key of the trunk whose training state it continues; None starts the phase."""
    stop_share: float | None = None
    """Share of the steps at which a checkpoint of an average is taken: a trunk that holds the model too."""
    is_part: bool = False
    """Whether the trial needs it only to make a merge or an average."""
    combination: Combination | None = None
    """How its weights are combined from those of its parts; None: it is trained, or scores."""

    @property
    def is_input(self) -> bool:
        """Whether only a later stage of the same phase is made from it: a trunk, or a part."""
        return self.is_trunk or self.is_part

    @property
    def made_of(self) -> tuple[str, ...]:
        """Keys of the trunk that it continues, or of the parts that it combines."""
        if self.combination is not None:
            return tuple(self.combination.weights)
        return () if self.continues is None else (self.continues,)


TrainingPhase = Literal["pretraining", "intermediate", "target"]

TRAINING_PHASES: tuple[TrainingPhase, ...] = ("pretraining", "intermediate", "target")
"""The phases that change weights, in order."""


ONE_RUNG = RungsConfig()
"""Rungs of a trial without rungs: it always runs as configured."""


def plan_stages(
    config: TrialConfig, *, provenance: Provenance, rungs: RungsConfig = ONE_RUNG, rung: int | None = None
) -> tuple[Stage, ...]:
    """Return the stages of a trial; parents and trunks come before the stages that are made from them.

    Trials with the same first phases share their keys. Targets with the same training share a stage too: MLQA is scored
    with the model that XQuAD trained on SQuAD.

    Args:
        config: The trial at its last rung.
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
            shared = shared.reached(phase, work, trunks=trunks.get(phase, ()))
    main = shared.reached("target", config.target, trunks=trunks.get("target", ()))
    lines = [main.scored(config.evaluation)]
    for name, further in config.further.items():
        line = shared.named(name)
        for work in further.target:
            line = line.reached("target", work)
        lines.append(line.scored(further.evaluation))
    stages: dict[str, Stage] = {}
    for stage in (stage for line in lines for stage in line.stages):
        if stage.key not in stages or (stages[stage.key].is_part and not stage.is_part):
            stages[stage.key] = stage
    return tuple(stages.values())


def missing_stages(plan: Sequence[Stage], *, is_complete: Callable[[str], bool]) -> tuple[Stage, ...]:
    """Return the stages that a trial has to make, in order, with only those trunks and parts that it uses.

    Args:
        plan: All stages of the trial at a rung.
        is_complete: Returns whether the store has the stage with a key.
    """
    return tuple(stage for stage in needed_stages(plan, is_complete=is_complete) if not is_complete(stage.key))


def needed_stages(plan: Sequence[Stage], *, is_complete: Callable[[str], bool]) -> tuple[Stage, ...]:
    """Return the stages that a trial makes or reads, in order, with only those trunks and parts that it makes or uses.

    Args:
        plan: All stages of the trial at a rung.
        is_complete: Returns whether the store has the stage with a key.
    """
    by_key = {stage.key: stage for stage in plan}
    needed = {stage.key for stage in plan if not stage.is_input}
    for stage in reversed(plan):
        if stage.key in needed and stage.made_of and not is_complete(stage.key):
            needed.update(by_key[key].key for key in stage.made_of)
    return tuple(stage for stage in plan if stage.key in needed)


def _trunks(config: TrialConfig, *, rungs: RungsConfig, rung: int) -> dict[str, tuple[PhaseConfig, ...]]:
    """Return the phase with trunks, at each rung whose trunk is needed, the lowest first.

    It is the first phase that grows: later phases start from another encoder at every rung.
    """
    growing = (phase for phase in TRAINING_PHASES if phase in rungs.grow and getattr(config, phase) is not None)
    phase = next(growing, None)
    if phase is None or rungs.num == 1 or not has_trunk(getattr(config, phase).schedule):
        return {}
    needed = range(min(rung + 1, rungs.last))
    return {phase: tuple(getattr(rungs.at(lower, config=config), phase) for lower in needed)}


class _Line:
    """The stages from a trial's start to one of its evaluations, while they are planned."""

    def __init__(
        self, config: TrialConfig, *, of: Provenance, stages: tuple[Stage, ...] = (), further: str = ""
    ) -> None:
        self._config, self._of, self._further = config, of, further
        self.stages = stages

    def named(self, further: str) -> _Line:
        return _Line(self._config, of=self._of, stages=self.stages, further=further)

    def reached(self, phase: Phase, work: PhaseConfig, *, trunks: tuple[PhaseConfig, ...] = ()) -> _Line:
        """Return the line after a phase: trained, or combined from parts that are trained."""
        if work.merge is None and work.average is None:
            return self.trained(phase, work, trunks=trunks)
        if work.average is not None and work.average.last is not None:
            made = self._checkpoints(phase, work, shares=work.average.shares_before_end)
            return self._combined(phase, work, made=made, keys=tuple(stage.key for stage in made))
        parts = parts_of(work, specs=self._of.specs)
        of_trunks = [parts_of(trunk, specs=self._of.specs) for trunk in trunks]
        lines = [
            self.trained(phase, part, trunks=tuple(of_trunk[number] for of_trunk in of_trunks))
            for number, part in enumerate(parts)
        ]
        made = [stage for line in lines for stage in line.stages[len(self.stages) :]]
        return self._combined(phase, work, made=made, keys=tuple(line.stages[-1].key for line in lines))

    def _checkpoints(self, phase: Phase, work: PhaseConfig, *, shares: tuple[float, ...]) -> list[Stage]:
        """Return checkpoints of one run, each of which continues the one before, and the end of the run."""
        (run,) = parts_of(work, specs=self._of.specs)
        made: list[Stage] = []
        for share in (*shares, None):
            continues = made[-1].key if made else None
            is_trunk = share is not None
            made.append(self._stage(phase, run, is_trunk=is_trunk, continues=continues, stop_share=share))
        return made

    def _combined(self, phase: Phase, work: PhaseConfig, *, made: list[Stage], keys: tuple[str, ...]) -> _Line:
        made = [stage.model_copy(update={"is_part": not stage.is_trunk}) for stage in made]
        combination = combination_of(work, keys=keys)
        stage = Stage(phase=phase, key="", parent=self._end, work=work, combination=combination)
        key = _combination_key(stage, combination, engine=self._config.engine, of=self._of)
        return self._with(*made, stage.model_copy(update={"key": key}))

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
        return self._with(_evaluation_stage(work, parent=self._end, engine=self._config.engine, of=self._of))

    @property
    def _end(self) -> str | None:
        return self.stages[-1].key if self.stages else None

    def _stage(
        self,
        phase: Phase,
        work: PhaseConfig,
        *,
        is_trunk: bool,
        continues: str | None,
        stop_share: float | None = None,
    ) -> Stage:
        stage = Stage(phase=phase, key="", parent=self._end, work=work, is_trunk=is_trunk, continues=continues)
        stage = stage.model_copy(update={"stop_share": stop_share})
        key = _training_key(stage, engine=self._config.engine, of=self._of)
        return stage.model_copy(update={"key": key})

    def _with(self, *added: Stage) -> _Line:
        stages = (*self.stages, *(stage.model_copy(update={"further": self._further}) for stage in added))
        return _Line(self._config, of=self._of, stages=stages, further=self._further)


def _training_key(stage: Stage, *, engine: EngineConfig, of: Provenance) -> str:
    work = stage.work
    assert isinstance(work, PhaseConfig)  # noqa: S101  (it trains)
    # A trunk's training state is always float32, whatever the type of the stored phase.
    holds_no_model = stage.is_trunk and stage.stop_share is None
    rounded = {} if holds_no_model or engine.stored_weights == "float32" else {"stored_weights": engine.stored_weights}
    reduced = {} if engine.reduction == "float32" else {"reduction": engine.reduction}
    settings = decisive(engine.deepspeed)
    return content_key(
        {
            "version": STAGE_VERSION[stage.phase],
            "from": stage.parent or of.encoder,
            "tokenizer": of.encoder,
            "phase": stage.phase,
            "work": _decisive_of_trunk(work, stop_share=stage.stop_share) if stage.is_trunk else _decisive(work),
            "tasks": _task_identities(phase_tasks(work), of=of),
            "vision": of.vision.get(work.vision.tower) if work.vision else None,
            "precision": engine.arithmetic,
        }
        | rounded
        | reduced
        | ({"deepspeed": settings} if settings else {})
        | ({} if work.teacher is None else {"teacher": of.teachers.get(work.teacher)})
    )


def _combination_key(stage: Stage, combination: Combination, *, engine: EngineConfig, of: Provenance) -> str:
    # Each part's key contains its settings, its data and its seed.
    rounded = {} if engine.stored_weights == "float32" else {"stored_weights": engine.stored_weights}
    return content_key(
        {
            "version": COMBINATION_VERSION,
            "from": stage.parent or of.encoder,
            "tokenizer": of.encoder,
            "phase": stage.phase,
            "combination": combination.model_dump(mode="json"),
        }
        | rounded
    )


def _evaluation_stage(work: EvaluationConfig, *, parent: str | None, engine: EngineConfig, of: Provenance) -> Stage:
    # Scores that an earlier version computed otherwise must not be found again; what was trained is found.
    version = of.specs[work.task].scores_version
    key = content_key(
        {
            "version": STAGE_VERSION["evaluation"],
            "from": parent or of.encoder,
            "tokenizer": of.encoder,
            "phase": "evaluation",
            "work": work.model_dump(mode="json", exclude=_not_in_key(work)),
            "tasks": _task_identities([work.task], of=of),
        }
        | ({"scores_version": version} if version > 1 else {})
        | ({} if engine.scoring == "float32" else {"precision": [engine.scoring, ROUNDED_SCORES_VERSION]})
    )
    return Stage(phase="evaluation", key=key, parent=parent, work=work)


def _decisive(work: PhaseConfig) -> dict[str, object]:
    """Return a phase's fields without paths, and without later fields whose values have no effect."""
    # Uniform sampling equals given equal weights.
    neutral: dict[str, Any] = {"sampling": True} if work.sampling.kind in {"given", "uniform"} else {}
    # What is trained is a part: it has neither of the two.
    neutral |= {"merge": True, "average": True} | ({"head_seed": True} if work.head_seed is None else {})
    neutral |= {"adapter": True} if work.adapter is None else {}
    neutral |= {"frozen_dropout": True} if work.frozen_dropout else {}
    neutral["teacher"] = True  # its identity is in the key
    # The path of texts beside a phase is left out; their identity is among the tasks'.
    neutral["beside"] = True if work.beside is None else {"masked_lm": {"texts": True}}
    fields = work.model_dump(mode="json", exclude=neutral)
    if work.vision is not None and PurePath(work.vision.tower).is_absolute():
        fields["vision"]["tower"] = "folder"  # its identity is in the key
    return fields


def _decisive_of_trunk(work: PhaseConfig, *, stop_share: float | None) -> dict[str, object]:
    """Return the fields that decide a trunk: its start and its end, without what follows."""
    if stop_share is not None:  # the rate may fall before it, so all of the schedule decides it
        return {**_decisive(work), "num_dev_items": None, "stop_share": stop_share}
    later = ("steps", "epochs", "schedule", "num_dev_items")
    fields = {name: value for name, value in _decisive(work).items() if name not in later}
    fields["warmup_steps"] = work.schedule.warmup_steps or 0
    if work.steps is not None:
        return fields | {"trunk_steps": trunk_end(work.schedule, num_steps=work.steps)}
    # The number of steps follows from the data, which is in the key too.
    decay = None if work.schedule.kind == "constant" else work.schedule.decay_fraction
    return fields | {"trunk_of_epochs": work.epochs, "decay_fraction": decay}


def _not_in_key(work: EvaluationConfig) -> set[str]:
    # Fields that were added later count only if they are not the default (docs/decisions/0006).
    later = ("layer", "similarity")
    fields = type(work).model_fields
    return {"tokens_per_micro_batch"} | {name for name in later if getattr(work, name) == fields[name].default}


def _task_identities(names: Iterable[str], *, of: Provenance) -> dict[str, object]:
    return {name: [of.specs[name].identity(), of.data[name]] for name in names}

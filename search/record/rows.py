"""What goes into the record and comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field, JsonValue

from spaces.objectives import goals_of
from trainables.config import FrozenModel, RungsConfig, TrialConfig
from trainables.ranks.micro_batches import MemoryKind
from trainables.results import Family, StageRun, TrialResult

JsonObject = dict[str, JsonValue]
"""An object of JSON."""

State = Literal["proposed", "running", "finished", "failed", "pruned", "interrupted"]
"""Where a trial is. `finished` and `pruned` are final; the others may run (again)."""

STATES: tuple[State, ...] = ("proposed", "running", "finished", "failed", "pruned", "interrupted")

Objective = Literal["average", "english", "worst"]
"""What a sweep maximises: mean accuracy over languages, accuracy in English, accuracy of the lowest language."""


NoteKind = Literal["lost", "paused", "device_fault", "left_out", MemoryKind]
"""What is noted and changes no trial. `lost`: a trial's ranks; `paused`: the sweep, for want of disk space;
`device_fault`: a GPU or host failed under a trial; the others are what memory did to a trial's passes."""


class Seen(FrozenModel):
    """The trials that a sampler knew when it proposed: with the events, enough to propose the same again."""

    num_trials: int = Field(default=0, ge=0)
    """It knew trials 0 to this number, exclusive."""
    running: tuple[int, ...] = Field(default=(), strict=False)
    """Those of them that it took as still running; it knew all the others as they ended."""


class Proposal(FrozenModel):
    """A trial before it has a number."""

    family: Family
    """Kind of intermediate training."""
    assignment: JsonObject
    """Parameter of the space -> the value chosen, for the active parameters."""
    config: TrialConfig
    """The configuration that the assignment stands for."""
    seed: int = Field(ge=0, lt=2**63)
    """Seed that the sampler drew this proposal with."""
    sampler: JsonObject = Field(default_factory=dict)
    """The sampler's own attributes of the trial, kept so that it can be rebuilt."""
    seen: Seen = Seen()
    """What the sampler knew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRow:
    """One sweep."""

    name: str
    spec: JsonObject
    objective: Objective
    planned_trials: int
    created_at: float

    @property
    def goals(self) -> tuple[str, ...]:
        """What it optimises, `objective` first; a sweep of one objective has no other."""
        return goals_of(self.spec.get("objective", self.objective))

    @property
    def own_tasks(self) -> JsonObject:
        """Name -> whole task, of the user's own tasks that the spec names."""
        tasks = self.spec.get("tasks")
        return tasks if isinstance(tasks, dict) else {}

    @property
    def rungs(self) -> RungsConfig:
        """Fidelity levels of its trials; specs of earlier versions have one."""
        return RungsConfig.model_validate(self.spec.get("rungs", {}))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """One trial, as the record has it now."""

    sweep: str
    number: int
    state: State
    family: Family
    assignment: JsonObject
    config: JsonObject
    sampler: JsonObject
    seen: JsonObject
    seed: int
    attempts: int
    """How often it was started."""
    rung: int | None
    """Highest rung that it was measured at."""
    score: float | None
    """The sweep's objective at that rung."""
    error: str | None
    proposed_at: float
    started_at: float | None
    ended_at: float | None
    cost_paid_seconds: float
    """Seconds of the stages that it made, over all rungs and attempts."""
    cost_if_alone_seconds: float
    """Seconds of the whole lineage of its highest rung."""
    steps_paid: int
    """Optimiser steps of the stages that it made, over all rungs and attempts."""
    steps_if_alone: int
    """Optimiser steps of the whole lineage of its highest rung."""
    set_aside: str | None
    """Why it does not count in the sweep as it is now; None for a trial that counts."""

    @property
    def trial_config(self) -> TrialConfig:
        """The configuration, checked."""
        return TrialConfig.model_validate(self.config)


class Revision(FrozenModel):
    """A change of a sweep's spec, and what it means for its trials."""

    spec: JsonObject
    """The spec from now on."""
    set_aside: dict[str, str] = Field(default_factory=dict)
    """Number of each trial that does not count from now on -> why; all others count."""
    assignments: dict[str, JsonObject] = Field(default_factory=dict)
    """Number of each trial whose assignment is another one in the new space -> that assignment."""
    num_trials: int = Field(default=0, ge=0)
    """Trials that the sweep has now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What a trial scored at one rung."""

    trial: int
    rung: int
    score: float
    """The sweep's objective."""
    num_items: int
    result: JsonObject
    measured_at: float

    @property
    def trial_result(self) -> TrialResult:
        """The result, checked."""
        return TrialResult.model_validate(self.result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What one trial scored at its rungs."""

    number: int
    scores: Mapping[int, float]
    """Rung -> the sweep's objective; higher is better."""
    is_finished: bool = False
    """Whether it was measured at its last rung."""
    languages: Mapping[int, Mapping[str, float]] = field(default_factory=dict[int, Mapping[str, float]])
    """Rung -> language -> score; empty unless asked for."""
    evaluations: Mapping[int, str] = field(default_factory=dict[int, str])
    """Rung -> key of the stage that it was scored in; empty unless asked for."""
    items: Mapping[int, tuple[float, ...]] = field(default_factory=dict[int, tuple[float, ...]])
    """Rung -> each item's mean over the languages; the driver reads them from the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow:
    """One stage of a trial's lineage at a rung."""

    trial: int
    rung: int
    position: int
    phase: str
    key: str
    steps: int
    seconds: float
    reused: bool
    """Whether another trial had made it."""
    is_trunk: bool = False
    """Whether higher rungs extend it."""
    steps_before: int = 0
    """Optimiser steps of the trunk that it continues."""
    seconds_before: float = 0.0
    """Seconds that making that trunk took."""
    further: str = ""
    """Further target that it was planned for, by its evaluation task; empty on the trial's own line."""

    @property
    def run(self) -> StageRun:
        """The stage as trials report it."""
        return StageRun.model_validate({name: getattr(self, name) for name in StageRun.model_fields})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened."""

    id: int
    """Grows; the events of one sweep are in the order in which they were committed."""
    time: float
    sweep: str
    trial: int | None
    kind: str
    payload: JsonObject
    chain: str = ""
    """Hash over this event and the sweep's event before it; empty in a record that no xstilts of schema 2 wrote."""


def score_of(result: TrialResult, objective: Objective) -> float:
    """Return a result's score under an objective.

    Raises:
        ValueError: The objective is `english` and English was not scored.
    """
    if objective == "average":
        return result.average
    if objective == "worst":
        return result.worst
    if result.english is None:
        msg = "objective 'english' needs a score in English, and none was measured; add `en` to evaluation.languages"
        raise ValueError(msg)
    return result.english

"""What goes into the record and comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, JsonValue

from trainables.config import FrozenModel, TrialConfig
from trainables.results import Family, TrialResult

JsonObject = dict[str, JsonValue]
"""An object of JSON."""

State = Literal["proposed", "running", "finished", "failed", "pruned", "interrupted"]
"""Where a trial is. `finished` and `pruned` are final; the others may run (again)."""

STATES: tuple[State, ...] = ("proposed", "running", "finished", "failed", "pruned", "interrupted")

Objective = Literal["average", "english", "worst"]
"""What a sweep maximises: mean accuracy over languages, accuracy in English, accuracy of the lowest language."""


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
    def own_tasks(self) -> JsonObject:
        """Name -> whole task, of the user's own tasks that the spec names."""
        tasks = self.spec.get("tasks")
        return tasks if isinstance(tasks, dict) else {}


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

    @property
    def trial_config(self) -> TrialConfig:
        """The configuration, checked."""
        return TrialConfig.model_validate(self.config)


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

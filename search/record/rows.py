"""Data classes that are written into the record and read from it."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field, JsonValue

from spaces.objectives import BENCHMARKS, Languages, goals_of, meaning_of, scored_languages
from trainables.config import FrozenModel, RungsConfig, TrialConfig
from trainables.errors import ConfigError, InputError
from trainables.evaluation.benchmarks import benchmark_average, lacking_tasks
from trainables.ranks.micro_batches import MemoryKind
from trainables.results import Family, StageRun, TrialResult

JsonObject = dict[str, JsonValue]
"""An object of JSON."""

State = Literal["proposed", "running", "finished", "failed", "pruned", "interrupted"]
"""State of a trial. `finished` and `pruned` are final; trials in other states can run (again)."""

STATES: tuple[State, ...] = ("proposed", "running", "finished", "failed", "pruned", "interrupted")

Objective = Literal["average", "english", "worst", "xtreme", "xtreme_r"]
"""What a sweep maximises: mean accuracy over languages, accuracy in English, accuracy of the worst language, or a
benchmark's average."""


NoteKind = Literal["lost", "paused", "device_fault", "left_out", "defaults", "stopped", "removed", MemoryKind]
"""Kinds of events that change no trial. `lost`: a trial lost its ranks; `paused`: the sweep paused because of its disk;
`device_fault`: a GPU or host failed during a trial; `left_out`: rows of a split were left out; `defaults`: parts of the
spec that its user did not name; `stopped`: the sweep needs no further trial; `removed`: stages were removed from the
store (`keep` in the spec); the others are changes of a trial's micro-batches because of memory."""


class Seen(FrozenModel):
    """The trials that a sampler used for a proposal. With the events, the same proposal can be made again."""

    num_trials: int = Field(default=0, ge=0)
    """The sampler used trials 0 to this number, exclusive."""
    running: tuple[int, ...] = Field(default=(), strict=False)
    """Numbers of the trials among them that were still running for the sampler; it used the results of the others."""


class Proposal(FrozenModel):
    """A trial before it has a number."""

    family: Family
    """Kind of intermediate training."""
    assignment: JsonObject
    """Parameter of the space -> its value, for the active parameters."""
    config: TrialConfig
    """The configuration of the assignment."""
    seed: int = Field(ge=0, lt=2**63)
    """Seed with which the sampler drew this proposal."""
    sampler: JsonObject = Field(default_factory=dict)
    """The sampler's own attributes of the trial, from which the sampler's state can be rebuilt."""
    seen: Seen = Seen()
    """The trials that the sampler used."""


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
        """All objectives of the sweep, with `objective` first."""
        return goals_of(self.spec.get("objective", self.objective))

    @property
    def objective_with_meaning(self) -> str:
        """The first objective, followed by its meaning where the name does not say it."""
        meaning = self.meaning_of(self.objective)
        return f"{self.objective} ({meaning})" if meaning else self.objective

    def meaning_of(self, goal: str) -> str:
        """Return what a score of its trials is, in words; empty where the name says it (`spaces.objectives`)."""
        return meaning_of(goal, scored=self._scored_languages) if goal in BENCHMARKS else ""

    @property
    def _scored_languages(self) -> Languages:
        from spaces.fixed_trial import plain_fields

        trial = self.spec.get("trial")
        with contextlib.suppress(InputError):  # an older version's field that this one does not know
            return scored_languages(plain_fields(trial)) if isinstance(trial, dict) else {}
        return {}

    @property
    def own_tasks(self) -> JsonObject:
        """Name -> definition of the user's own tasks in the spec."""
        tasks = self.spec.get("tasks")
        return tasks if isinstance(tasks, dict) else {}

    @property
    def rungs(self) -> RungsConfig:
        """Rungs of its trials; specs of earlier versions have one."""
        return RungsConfig.model_validate(self.spec.get("rungs", {}))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """One trial, in its present state on record."""

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
    """Number of starts."""
    rung: int | None
    """Highest rung at which it was measured."""
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
    """Why the trial is excluded; None for a trial that counts."""

    @property
    def trial_config(self) -> TrialConfig:
        """The configuration, validated."""
        return TrialConfig.model_validate(self.config)


class Revision(FrozenModel):
    """A change of a sweep's spec, with its consequences for the trials."""

    spec: JsonObject
    """The new spec."""
    set_aside: dict[str, str] = Field(default_factory=dict)
    """Number of each excluded trial -> the reason; all other trials count."""
    assignments: dict[str, JsonObject] = Field(default_factory=dict)
    """Number of each trial whose assignment differs in the new space -> the new assignment."""
    num_trials: int = Field(default=0, ge=0)
    """Number of trials of the sweep at the time of the change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """The result of a trial at one rung."""

    trial: int
    rung: int
    score: float
    """The sweep's objective."""
    num_items: int
    result: JsonObject
    measured_at: float

    @property
    def trial_result(self) -> TrialResult:
        """The result, validated."""
        return TrialResult.model_validate(self.result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The scores of one trial at its rungs."""

    number: int
    scores: Mapping[int, float]
    """Rung -> the sweep's objective; higher is better."""
    is_finished: bool = False
    """Whether it was measured at its last rung."""
    languages: Mapping[int, Mapping[str, float]] = field(default_factory=dict[int, Mapping[str, float]])
    """Rung -> language -> score; empty unless requested."""
    evaluations: Mapping[int, str] = field(default_factory=dict[int, str])
    """Rung -> key of its evaluation stage; empty unless requested."""
    items: Mapping[int, tuple[float, ...]] = field(default_factory=dict[int, tuple[float, ...]])
    """Rung -> accuracy of each item, the mean over the languages; the driver reads them from the store."""
    family: str = ""
    """Family of the trial."""
    has_failed: bool = False
    """Whether the trial ended by a failure, so that it is not measured at a higher rung."""


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
    """Whether another trial has made the stage."""
    is_trunk: bool = False
    """Whether only a later stage of its phase is made from it: a trunk, or a part of a merge or an average."""
    steps_before: int = 0
    """Optimiser steps of the trunk that it continues, or of the parts that it combines."""
    seconds_before: float = 0.0
    """Seconds that making this trunk or these parts took."""
    further: str = ""
    """Evaluation task of the further target for which it was planned; empty for the trial's main target."""

    @property
    def run(self) -> StageRun:
        """The stage in the form in which trials report it."""
        return StageRun.model_validate({name: getattr(self, name) for name in StageRun.model_fields})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a sweep or a trial."""

    id: int
    """Grows in the order in which the events of one sweep were committed."""
    time: float
    sweep: str
    trial: int | None
    kind: str
    payload: JsonObject
    chain: str = ""
    """Hash over this event and the sweep's previous one; empty in records of schema 1."""


def check_scores_objectives(proposal: Proposal, *, goals: Collection[str]) -> None:
    """Check that a trial is scored on what the objectives of its sweep need.

    Raises:
        ConfigError: It lacks English, or a task of a benchmark.
    """
    config = proposal.config
    if "english" in goals and "en" not in config.evaluation.languages:
        msg = "lacks 'en', but the objective 'english' of the sweep needs it; add en, or change the objective"
        raise ConfigError("evaluation.languages", msg)
    for goal in sorted(BENCHMARKS & set(goals)):
        if lacking := lacking_tasks({config.evaluation.task, *config.further}, benchmark=goal):
            msg = f"lacks {', '.join(lacking)}, but the objective {goal!r} of the sweep needs every task; add them"
            raise ConfigError("further", msg)


def score_of(result: TrialResult, objective: Objective) -> float:
    """Return a result's score under an objective.

    Raises:
        ValueError: The objective is `english` and English was not scored, or it is a benchmark and a task is missing.
    """
    if objective in BENCHMARKS:
        return _on_benchmark(result, objective)
    if objective == "average":
        return result.average
    if objective == "worst":
        return result.worst
    if result.english is None:
        msg = "the objective 'english' needs a score in English, but none was measured; add en to evaluation.languages"
        raise ValueError(msg)
    return result.english


def _on_benchmark(result: TrialResult, benchmark: str) -> float:
    average = benchmark_average(result.evaluations, benchmark=benchmark)
    if average is None:
        lacking = ", ".join(lacking_tasks(result.evaluations, benchmark=benchmark)) or "a figure of one"
        msg = (
            f"the objective {benchmark!r} needs every task of it, but none was measured of {lacking}; add it to further"
        )
        raise ValueError(msg)
    return average

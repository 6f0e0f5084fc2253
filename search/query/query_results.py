"""The results of queries. Scripts read them as JSON, so fields can be added but never renamed."""

from __future__ import annotations

from typing import cast, get_args

from pydantic import ConfigDict, JsonValue

from search.record import JsonObject, Objective, QuarantinedPlace, State
from trainables.config.frozen import FrozenModel
from trainables.ranks.micro_batches import MemoryChange, MemoryKind
from trainables.ranks.rank_place import RankPlace
from trainables.results import Family, StageRun, TrialMeasurements, TrialResult, TrialScores


class QueryResult(FrozenModel):
    """Base of all results; pydantic builds a model at its first use, because a command uses only one of them."""

    model_config = ConfigDict(defer_build=True)


class TrialSummary(QueryResult):
    """What `xstilts best` prints of one trial, without the scores of its languages and tasks."""

    sweep: str
    """Name of the sweep."""
    trial: int
    """Number of the trial."""
    state: State
    """State of the trial."""
    rung: int
    """Highest rung that it was measured at."""
    score: float
    """The metric's value, 0..1."""
    metric: str
    """`average`, `english`, `worst`, a language code, or `xtreme` or `xtreme_r`."""
    family: Family
    """Kind of intermediate training."""
    tasks: dict[str, float]
    """Intermediate task -> sampling weight; empty for family `none`."""
    config: JsonObject
    """The full TrialConfig."""
    seed: int
    """Seed that the trial was proposed with."""
    stages: tuple[str, ...]
    """Keys of the stages of its lineage, in order, trunks left out."""
    cost_paid_seconds: float
    """Seconds of the stages that this trial made."""
    cost_if_alone_seconds: float
    """Seconds of all stages of its lineage, without sharing."""
    steps_paid: int
    """Optimiser steps of the stages that this trial made."""
    steps_if_alone: int
    """Optimiser steps of the whole lineage, as if nothing had been shared."""
    assignment: JsonObject
    """Parameter of the space -> value."""
    set_aside: str | None = None
    """Why the trial is excluded from the sweep as it is now; None for a trial that counts."""


class BestTrial(TrialScores, TrialSummary):
    """One trial as `xstilts best` prints it; scores are those of its highest rung."""


class BestOfFamily(BestTrial):
    """A family's best trial, with the family's number of trials and mean score."""

    num_in_family: int
    """Number of trials of the family that count."""
    mean_in_family: float
    """Mean of the metric over these trials."""


class SweepStatus(QueryResult):
    """The progress of a sweep."""

    sweep: str
    """Name of the sweep."""
    objective: Objective
    """The metric that it maximises."""
    goals: tuple[str, ...] = ()
    """All its objectives, the first one included."""
    goal_meanings: tuple[str, ...] = ()
    """What each objective that is a benchmark's average is, in words, with the languages that it lacks."""
    planned_trials: int
    """Planned number of trials."""
    states: dict[State, int]
    """State -> number of trials that count."""
    num_set_aside: int = 0
    """Number of excluded trials, which do not count because the sweep was changed."""
    set_apart: tuple[QuarantinedPlace, ...] = ()
    """Quarantined hosts and GPUs: they failed twice, and no trial starts there."""
    best_trial: int | None
    """Number of the best finished trial."""
    best_score: float | None
    """Its objective."""
    cost_paid_seconds: float
    """Seconds of the stages that all trials made."""
    cost_if_alone_seconds: float
    """Seconds that all trials would take without sharing stages."""
    steps_paid: int
    """Optimiser steps of the stages that all trials made."""
    steps_if_alone: int
    """Optimiser steps that all trials would take without sharing stages, each at its highest rung only."""
    steps_unshared: int = 0
    """Optimiser steps that all trials would have taken had none reused another's stages, with their lower rungs; never
    less than what was paid."""
    seconds_unshared: float = 0.0
    """Seconds of the same."""
    steps_of_lower_rungs: int = 0
    """Optimiser steps, among those paid, that only lower rungs of promoted trials used: their decays."""
    seconds_of_lower_rungs: float = 0.0
    """Seconds of these stages, with the scoring of lower rungs."""
    steps_to_end: int = 0
    """Optimiser steps if, in addition, every measured trial had been trained to its last rung; those of pruned trials
    are computed from the steps of their highest rung, without further targets."""
    num_stages_made: int
    """Number of stages that trials of the sweep made."""
    num_stages_reused: int
    """Number of stages that trials of the sweep found in the store."""
    num_combined: int = 0
    """Number of stages that merge encoders or average runs, made or found; they take no optimiser steps."""
    num_removed: int = 0
    """Number of stages that `keep` in the spec has removed from the store."""
    removed_bytes: int = 0
    """Size of these stages in bytes."""
    mean_trial_seconds: float | None
    """Mean wall time of the finished trials."""
    seconds_left: float | None
    """Estimated time for the trials that are left, from this mean and the number of running trials; None if none."""
    created_at: float
    """Time of its launch, in seconds since 1970."""

    @property
    def num_done(self) -> int:
        """Number of trials that are finished, pruned or failed."""
        return sum(self.states.get(state, 0) for state in ("finished", "pruned", "failed"))

    @property
    def num_to_propose(self) -> int:
        """Number of planned trials that are not proposed yet."""
        return max(0, self.planned_trials - sum(self.states.values()))


class AtRung(QueryResult):
    """A part of a trial's report that belongs to one rung."""

    rung: int
    """Fidelity level."""


class ObjectiveAtRung(AtRung):
    """The sweep's objective at one rung."""

    score: float
    """The sweep's objective."""


class RungScore(TrialMeasurements, ObjectiveAtRung):
    """What a trial scored at one rung."""


class StageOfTrial(StageRun, AtRung):
    """One stage of a trial's lineage."""


class Incident(QueryResult):
    """A problem during a trial, after which the trial continued."""

    kind: str
    """`lost`, `device_fault`, `memory_retry`, `recompute`, `halved` or `enlarged`."""
    time: float
    """Time in seconds since 1970."""
    stage: str | None = None
    """Key of the stage that was being made."""
    error: str | None = None
    """Message of the error."""
    place: RankPlace | None = None
    """Host and GPU that failed."""
    tokens_before: int | None = None
    """Tokens of the micro-batch that failed."""
    tokens_after: int | None = None
    """Tokens of the micro-batch that was tried next."""

    @property
    def description(self) -> str:
        """What happened, in one line."""
        error = f": {self.error}" if self.error else ""
        if self.kind in get_args(MemoryKind) and self.tokens_before and self.tokens_after:
            kind = cast("MemoryKind", self.kind)
            change = MemoryChange(kind=kind, tokens_before=self.tokens_before, tokens_after=self.tokens_after)
            return f"{change}{error}"
        if self.place is not None:
            return f"{self.place} failed{error}"
        return f"ranks were lost{error}"


class TrialReport(QueryResult):
    """Everything that the record has about one trial."""

    sweep: str
    """Name of the sweep."""
    trial: int
    """Number of the trial."""
    state: State
    """State of the trial."""
    family: Family
    """Kind of intermediate training."""
    objective: Objective
    """The metric that the sweep maximises."""
    score: float | None
    """The objective at the highest rung; None before the first measurement."""
    rung: int | None
    """Highest rung that it was measured at."""
    tasks: dict[str, float]
    """Intermediate task -> sampling weight."""
    assignment: JsonObject
    """Parameter of the space -> value."""
    config: JsonObject
    """The full TrialConfig."""
    own_tasks: JsonObject
    """Name -> whole task, for the user's own tasks in the spec of its sweep."""
    seed: int
    """Seed that it was proposed with."""
    continues: int | None = None
    """Number of a pruned trial with the same configuration, which this one continues at higher rungs."""
    attempts: int
    """Number of its starts."""
    error: str | None
    """Why it failed."""
    set_aside: str | None = None
    """Why it is excluded from the sweep as it is now; None for a trial that counts."""
    proposed_at: float
    """Time of its proposal, in seconds since 1970."""
    started_at: float | None
    """Time of its last start."""
    ended_at: float | None
    """Time of its end."""
    rungs: tuple[RungScore, ...]
    """Scores at each rung, the lowest first."""
    stages: tuple[StageOfTrial, ...]
    """Lineage at each rung, in order."""
    happenings: tuple[Incident, ...] = ()
    """Problems during the trial, the earliest first."""
    cost_paid_seconds: float
    """Seconds of the stages that it made."""
    cost_if_alone_seconds: float
    """Seconds of the whole lineage of the highest rung."""
    steps_paid: int
    """Optimiser steps of the stages that it made."""
    steps_if_alone: int
    """Optimiser steps of the whole lineage of the highest rung."""
    steps_of_lower_rungs: int = 0
    """Optimiser steps, among those paid, that only its lower rungs used: their decays."""
    seconds_of_lower_rungs: float = 0.0
    """Seconds of these stages, with the scoring of lower rungs."""


def tasks_of(config: JsonObject, *, result: TrialResult | None = None) -> dict[str, float]:
    """Return intermediate task -> weight; empty without an intermediate phase.

    Args:
        config: A stored configuration.
        result: Its result, if there is one: it has the weights that were computed from the tasks' sizes.
    """
    if result is not None and (trained := result.trained.get("intermediate")):
        return {task: training.weight for task, training in trained.items()}
    intermediate = config.get("intermediate")
    mixture: JsonValue = intermediate.get("mixture") if isinstance(intermediate, dict) else None
    if not isinstance(mixture, dict):
        return {}
    return {task: float(weight) for task, weight in mixture.items() if isinstance(weight, (int, float))}

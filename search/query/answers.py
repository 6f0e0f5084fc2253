"""What questions to the record give back. Scripts read these as JSON: fields are only added, never renamed."""

from __future__ import annotations

from typing import cast, get_args

from pydantic import ConfigDict, Field, JsonValue

from search.record import JsonObject, Objective, SetApart, State
from trainables.config.frozen import FrozenModel
from trainables.ranks.micro_batches import MemoryChange, MemoryKind
from trainables.ranks.rank_place import RankPlace
from trainables.results import Family, Phase, SplitRows, TaskTraining, TrialResult


class Answer(FrozenModel):
    """What a question gives back; built when it is first used, because each command asks only one."""

    model_config = ConfigDict(defer_build=True)


class BestTrial(Answer):
    """One trial as `xstilts best` prints it; scores are those of its highest rung."""

    sweep: str
    """Name of the sweep."""
    trial: int
    """Number of the trial."""
    state: State
    """Where the trial is."""
    rung: int
    """Highest rung that it was measured at."""
    score: float
    """The metric's value, 0..1."""
    metric: str
    """`average`, `english`, `worst`, or a language code."""
    family: Family
    """Kind of intermediate training."""
    tasks: dict[str, float]
    """Intermediate task -> sampling weight; empty for family `none`."""
    languages: dict[str, float]
    """Language -> the evaluation task's own metric on the dev split: zero-shot accuracy for XNLI."""
    config: JsonObject
    """The full TrialConfig."""
    seed: int
    """Seed that the trial was proposed with."""
    stages: tuple[str, ...]
    """Keys of the stages of its lineage, in order, trunks left out."""
    cost_paid_seconds: float
    """Seconds of the stages that this trial made."""
    cost_if_alone_seconds: float
    """Seconds of the whole lineage, as if nothing had been shared."""
    steps_paid: int
    """Optimiser steps of the stages that this trial made."""
    steps_if_alone: int
    """Optimiser steps of the whole lineage, as if nothing had been shared."""
    task_scores: dict[str, float]
    """Trained task -> its own metric on its dev split."""
    num_items: int
    """Items scored in each language."""
    assignment: JsonObject
    """Parameter of the space -> value."""
    evaluations: dict[str, dict[str, dict[str, float]]] = Field(default_factory=dict)
    """Evaluation task -> metric (its own first) -> language -> score: the trial's own, then further targets'."""
    set_aside: str | None = None
    """Why the trial does not count in the sweep as it is now; None for one that counts."""


class BestOfFamily(BestTrial):
    """A family's best trial, with what the family did as a whole."""

    num_in_family: int
    """Trials of the family that count."""
    mean_in_family: float
    """Mean of the metric over them."""


class SweepStatus(Answer):
    """How a sweep stands."""

    sweep: str
    """Name of the sweep."""
    objective: Objective
    """What it maximises."""
    goals: tuple[str, ...] = ()
    """All that it optimises, the first first."""
    planned_trials: int
    """Trials that it is to have."""
    states: dict[State, int]
    """State -> number of trials that count."""
    num_set_aside: int = 0
    """Trials that do not count, because the sweep was changed."""
    set_apart: tuple[SetApart, ...] = ()
    """Hosts and GPUs that its trials are kept away from, because they failed too often."""
    best_trial: int | None
    """Number of the best finished trial."""
    best_score: float | None
    """Its objective."""
    cost_paid_seconds: float
    """Seconds of stages made by all trials."""
    cost_if_alone_seconds: float
    """Seconds that they would have taken with nothing shared."""
    steps_paid: int
    """Optimiser steps of stages made by all trials."""
    steps_if_alone: int
    """Optimiser steps that they would have taken with nothing shared."""
    num_stages_made: int
    """Stages that trials of the sweep made."""
    num_stages_reused: int
    """Stages that they found in the store."""
    mean_trial_seconds: float | None
    """Mean wall time of the finished trials."""
    seconds_left: float | None
    """Estimate for the trials that are left, from that mean and the number now running; None when nothing runs."""
    created_at: float
    """When it was launched, in seconds since 1970."""

    @property
    def num_done(self) -> int:
        """Trials that are finished, pruned or failed."""
        return sum(self.states.get(state, 0) for state in ("finished", "pruned", "failed"))


class RungScore(Answer):
    """What a trial scored at one rung."""

    rung: int
    """Fidelity level."""
    score: float
    """The sweep's objective."""
    num_items: int
    """Items scored in each language."""
    languages: dict[str, float]
    """Language -> zero-shot accuracy."""
    task_scores: dict[str, float]
    """Trained task -> its own metric."""
    trained: dict[Phase, dict[str, TaskTraining]]
    """Phase -> task -> weight, examples, steps and losses of its training."""
    evaluations: dict[str, dict[str, dict[str, float]]] = Field(default_factory=dict)
    """Evaluation task -> metric (its own first) -> language -> score: the trial's own, then further targets'."""
    split_rows: tuple[SplitRows, ...] = ()
    """The splits that rows were left out of, or whose texts spell special tokens."""


class StageOfTrial(Answer):
    """One stage of a trial's lineage."""

    rung: int
    """Rung that it belongs to."""
    phase: str
    """Phase that it is, or is a stretch of."""
    key: str
    """Content key."""
    steps: int
    """Optimiser steps."""
    seconds: float
    """Wall time that making it took, whoever made it."""
    reused: bool
    """Whether another trial had made it."""
    further: str = ""
    """Further target that it was planned for, by its evaluation task; empty on the trial's own line."""
    is_trunk: bool = False
    """Whether it is a phase's stable stretch, that higher rungs extend."""
    steps_before: int = 0
    """Optimiser steps of the trunk that it continues."""
    seconds_before: float = 0.0
    """Wall time that making that trunk took, whoever made it."""


class Happening(Answer):
    """What happened to a trial on its way."""

    kind: str
    """`lost`, `device_fault`, `memory_retry`, `halved` or `enlarged`."""
    time: float
    """When, in seconds since 1970."""
    stage: str | None = None
    """Key of the stage that was being made."""
    error: str | None = None
    """What was said."""
    place: RankPlace | None = None
    """Host and GPU that failed."""
    tokens_before: int | None = None
    """Tokens of the pass that was tried."""
    tokens_after: int | None = None
    """Tokens of the pass that was tried next."""

    @property
    def in_words(self) -> str:
        """What happened, in a line."""
        said = f": {self.error}" if self.error else ""
        if self.kind in get_args(MemoryKind) and self.tokens_before and self.tokens_after:
            kind = cast("MemoryKind", self.kind)
            change = MemoryChange(kind=kind, tokens_before=self.tokens_before, tokens_after=self.tokens_after)
            return f"{change}{said}"
        if self.place is not None:
            return f"{self.place} failed{said}"
        return f"ranks were lost{said}"


class TrialReport(Answer):
    """Everything the record has about one trial."""

    sweep: str
    """Name of the sweep."""
    trial: int
    """Number of the trial."""
    state: State
    """Where the trial is."""
    family: Family
    """Kind of intermediate training."""
    objective: Objective
    """What the sweep maximises."""
    score: float | None
    """The objective at the highest rung; None before a measurement."""
    rung: int | None
    """Highest rung that it was measured at."""
    tasks: dict[str, float]
    """Intermediate task -> sampling weight."""
    assignment: JsonObject
    """Parameter of the space -> value."""
    config: JsonObject
    """The full TrialConfig."""
    own_tasks: JsonObject
    """Name -> whole task, of the user's own tasks that its sweep names."""
    seed: int
    """Seed that it was proposed with."""
    attempts: int
    """How often it was started."""
    error: str | None
    """Why it failed."""
    set_aside: str | None = None
    """Why it does not count in the sweep as it is now; None for one that counts."""
    proposed_at: float
    """When it was proposed, in seconds since 1970."""
    started_at: float | None
    """When it was last started."""
    ended_at: float | None
    """When it ended."""
    rungs: tuple[RungScore, ...]
    """Scores at each rung, the lowest first."""
    stages: tuple[StageOfTrial, ...]
    """Lineage at each rung, in order."""
    happenings: tuple[Happening, ...] = ()
    """What went wrong on its way and was tried again, the first first."""
    cost_paid_seconds: float
    """Seconds of the stages that it made."""
    cost_if_alone_seconds: float
    """Seconds of the whole lineage of the highest rung."""
    steps_paid: int
    """Optimiser steps of the stages that it made."""
    steps_if_alone: int
    """Optimiser steps of the whole lineage of the highest rung."""


def tasks_of(config: JsonObject, *, result: TrialResult | None = None) -> dict[str, float]:
    """Return intermediate task -> weight; empty without an intermediate phase.

    Args:
        config: A stored configuration.
        result: What came of it: has the weights that were computed from the tasks' sizes.
    """
    if result is not None and (trained := result.trained.get("intermediate")):
        return {task: training.weight for task, training in trained.items()}
    intermediate = config.get("intermediate")
    mixture: JsonValue = intermediate.get("mixture") if isinstance(intermediate, dict) else None
    if not isinstance(mixture, dict):
        return {}
    return {task: float(weight) for task, weight in mixture.items() if isinstance(weight, (int, float))}

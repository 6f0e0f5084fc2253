"""Forecasts the cost of a sweep before it starts, with the driver's proposals, plans and start order, but no training.

Samplers that do not learn make the same proposals here as in the sweep. Samplers that learn, and pruners, get random
scores in place of real ones, in several draws; so everything that depends on scores is forecast as a range. Times are
computed from those of stages with the same encoder on record (`measured_times`), never a guess.
"""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from search.forecast.kept_stages import Keeping
from search.forecast.measured_times import MeasuredTimes
from search.forecast.simulation import Plan, Schedule, Simulation
from search.pruner import make_pruner
from search.record import Curve
from search.sampler import PastTrial, make_sampler
from search.sampler.density_draws import depends_on_scores
from search.stages.keep_policy import StageSizes
from spaces.objectives import is_maximised, upwards
from spaces.space.binder import bind
from spaces.space.tree import FAMILY_PATH
from spaces.sweep_spec import SweepSpec, make_space
from trainables.config import EvaluationConfig, TrialConfig
from trainables.data.batch_plan import num_steps_for_epochs
from trainables.plan.mixture import num_examples_of_an_epoch, phase_tasks
from trainables.plan.provenance import read_provenance
from trainables.plan.schedule import stop_step, trunk_end
from trainables.plan.stage_plan import Provenance, Stage, plan_stages

NUM_DRAWS = 15
"""Number of simulations with random scores, if the stages to make depend on scores."""

MIN_DRAWS = 3
"""Number of these simulations for a long sweep."""

MAX_PROPOSALS = 1500
"""Largest number of proposals in all simulations together; they take seconds to minutes, depending on the sampler."""

MODEL_PROPOSALS = 80
"""The same for samplers that fit a model for each proposal; they take a few seconds."""

MAX_TRIALS = 2000
"""Largest number of simulated trials of a sweep that does not depend on scores; they take seconds."""

RUNG_NOISE = 0.3
"""Standard deviation of the noise that a rung adds to a trial's random score; the score's own deviation is 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A forecast value: the median over all simulations, the lowest and the highest value."""

    expected: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Range:
        """Return the median and the extremes of some values."""
        return cls(expected=statistics.median(values), low=min(values), high=max(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Forecast of a sweep's remaining work."""

    trials: int
    """Trials that end."""
    is_exact: bool
    """Whether the stages to make do not depend on scores."""
    stages_made: Range
    """Stages that are made, including evaluations."""
    steps_paid: Range | None
    """Optimiser steps; None if a phase has epochs over a task of unknown size."""
    steps_if_alone: Range | None
    """Optimiser steps if no trial reused another's stages; with its lower rungs, so never below `steps_paid`."""
    steps_to_end: Range | None
    """Optimiser steps if every trial were trained to its end at once: nothing shared, no lower rungs, none pruned."""
    device_hours: Range | None
    """Hours summed over ranks; None if no stage with this encoder was timed."""
    device_hours_if_alone: Range | None
    """Hours summed over ranks if no trial reused another's stages."""
    hours_from: str
    """What the hours are computed from, in words; empty if they are not known."""
    tasks_not_timed: tuple[str, ...]
    """Tasks to train that no stage with this encoder has trained; their examples count with the mean of the others."""
    peak_bytes: Range
    """Largest size of its stages in the store at one time, without checkpoints inside stages."""
    left_out: int = 0
    """Trials that are not simulated because there are too many; the values above are for the trials before them."""


class Steps:
    """Numbers of steps of stages. Add a trunk before the stage that continues it."""

    def __init__(self) -> None:
        self._ends: dict[str, int | None] = {}

    def add(self, plan: Sequence[Stage], *, of: Provenance) -> None:
        """Add a trial's stages."""
        for stage in plan:
            if stage.key not in self._ends:
                self._ends[stage.key] = _last_step(stage, of=of)

    def of(self, stage: Stage) -> int | None:
        """Return the steps of making a stage, without those of a trunk that it continues; None if they are unknown."""
        end = self._ends[stage.key]
        before = self._ends[stage.continues] if stage.continues else 0
        return None if end is None or before is None else end - before

    def whole(self, stage: Stage) -> int | None:
        """Return the steps of a stage and of the trunks that it continues; 0 for a trunk itself, None if unknown."""
        return 0 if stage.is_trunk else self._ends[stage.key]


def _last_step(stage: Stage, *, of: Provenance) -> int | None:
    work = stage.work
    if isinstance(work, EvaluationConfig) or stage.combination is not None:
        return 0
    num_steps = work.steps
    if num_steps is None:
        sizes = {name: of.specs[name].num_train_examples for name in phase_tasks(work)}
        known = {name: size for name, size in sizes.items() if size is not None}
        if len(known) < len(sizes):
            return None
        examples = num_examples_of_an_epoch(work, known)
        num_steps = num_steps_for_epochs(work.epochs or 1.0, num_examples=examples, batch_size=work.batch_size)
    if stage.stop_share is not None:
        return stop_step(stage.stop_share, num_steps=num_steps)
    return trunk_end(work.schedule, num_steps=num_steps) if stage.is_trunk else num_steps


class Forecaster:
    """Forecasts one sweep.

    Args:
        spec: The sweep's spec.
        is_made: Returns whether the store has a stage.
        sizes: Expected sizes of stages.
        times: Mean times of stages.
        on_progress: Called with the number of simulated proposals and their total number.
    """

    def __init__(
        self,
        spec: SweepSpec,
        *,
        is_made: Callable[[str], bool],
        sizes: StageSizes,
        times: MeasuredTimes,
        on_progress: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> None:
        self._spec, self._on_progress = spec, on_progress
        self._history: Sequence[PastTrial] = ()
        self._waiting: Mapping[int, TrialConfig] = {}
        self._is_made, self._sizes, self._times = is_made, sizes, times
        self._space, self._steps = make_space(spec), Steps()
        self._num_made = self._num_to_make = 0

    def set_trials(self, history: Sequence[PastTrial], *, waiting: Mapping[int, TrialConfig]) -> None:
        """Set the trials that the sweep already has.

        Args:
            history: All trials, in the form that samplers use; trials that have ended are not run again.
            waiting: Number -> configuration of the trials that have not ended.
        """
        self._history, self._waiting = history, waiting

    def forecast(self, *, num_to_propose: int) -> Forecast:
        """Return the forecast until the waiting trials, and a number of further trials, have ended.

        If there are very many trials, only the first ones are simulated (`Forecast.left_out`).

        Args:
            num_to_propose: Number of further trials.

        Raises:
            InputError: A trial's encoder, tasks or data cannot be found.
        """
        is_learning = depends_on_scores(self._spec) or self._spec.stop.decided is not None
        is_exact = not is_learning and self._spec.rungs.num == 1
        num_simulated = min(num_to_propose, MAX_TRIALS if is_exact else MAX_PROPOSALS // MIN_DRAWS)
        most = MODEL_PROPOSALS if self._spec.sampler.name in {"stage_aware", "gp"} else MAX_PROPOSALS
        num_draws = 1 if is_exact else max(MIN_DRAWS, min(NUM_DRAWS, most // max(1, num_simulated)))
        self._num_made, self._num_to_make = 0, num_simulated * num_draws
        draws = [self._simulate(num_simulated, draw=draw) for draw in range(num_draws)]
        timed = [draw for draw in draws if draw.hours is not None]
        counted = [draw for draw in draws if draw.steps is not None]
        sizes = self._sizes
        return Forecast(
            trials=len(draws[0].schedule.rungs_reached),
            is_exact=is_exact,
            stages_made=Range.of([len(draw.schedule.made_stages) for draw in draws]),
            steps_paid=Range.of([float(draw.steps or 0) for draw in counted]) if counted else None,
            steps_if_alone=Range.of([float(draw.steps_if_alone or 0) for draw in counted]) if counted else None,
            steps_to_end=Range.of([float(draw.steps_to_end or 0) for draw in counted]) if counted else None,
            device_hours=Range.of([draw.hours or 0.0 for draw in timed]) if timed else None,
            device_hours_if_alone=Range.of([draw.hours_if_alone or 0.0 for draw in timed]) if timed else None,
            hours_from=self._times.in_words() if timed else "",
            tasks_not_timed=self._times.tasks_not_timed(
                made.stage for draw in timed for made in draw.schedule.made_stages
            ),
            peak_bytes=Range.of([float(draw.schedule.peak(sizes.of, shared=sizes.shared_of)) for draw in draws]),
            left_out=num_to_propose - num_simulated,
        )

    def _simulate(self, num_to_propose: int, *, draw: int) -> _Draw:
        chance = random.Random(f"{self._spec.seed} {draw}")  # noqa: S311  (no cryptography)
        scores: dict[int, float] = defaultdict(lambda: chance.gauss(0.0, 1.0))
        families = {trial.number: str(trial.assignment.get(FAMILY_PATH)) for trial in self._history}
        plans = self._plans(num_to_propose, scores=scores, families=families)
        simulation = Simulation(
            plans,
            seconds=lambda stage: 1.0 + (self._steps.of(stage) or 0),
            is_promoted=_PromotionRule(self._spec, scores=scores, families=families, chance=chance),
            num_workers=self._spec.concurrency or 1,
            max_ahead=1 if depends_on_scores(self._spec) else len(plans) or 1,
            is_made=self._is_made,
        )
        if self._spec.keep is not None:
            simulation.keep(Keeping(self._spec.keep, size=self._sizes.of, scores=scores))
        return self._summarise(simulation.run(), plans=plans)

    def _plans(self, num_to_propose: int, *, scores: Mapping[int, float], families: dict[int, str]) -> dict[int, Plan]:
        """Return the plans of the waiting trials and of those that are proposed; add the families of the latter."""
        sampler, history = make_sampler(self._spec, space=self._space, is_forecast=True), list(self._history)
        plans = {number: self._plan(config) for number, config in self._waiting.items()}
        for number in range(len(history), len(history) + num_to_propose):
            proposal = sampler.propose(number, history=history)
            if proposal.reason_to_stop:
                break
            self._num_made += 1
            self._on_progress(self._num_made, self._num_to_make)
            families[number] = str(proposal.assignment[FAMILY_PATH])
            plans[number] = self._plan(bind(self._space, proposal.assignment))
            past = PastTrial(
                number=number,
                assignment=proposal.assignment,
                state="finished",
                score=scores[number],
                rung=self._spec.rungs.last,
                attributes=proposal.attributes,
                values=self._values(plans[number], score=scores[number]),
            )
            history.append(past)
        return plans

    def _values(self, plan: Plan, *, score: float) -> tuple[float, ...]:
        """Return the objectives of a trial if there are several, else (): costs are the steps of its plan."""
        steps = float(_sum([self._steps.whole(stage) for stage in plan[-1]]) or 0)
        values = [score if is_maximised(goal) else steps for goal in self._spec.goals]
        return upwards(values, goals=self._spec.goals) if len(values) > 1 else ()

    def _plan(self, config: TrialConfig) -> Plan:
        rungs, of = self._spec.rungs, read_provenance(config)
        plan = tuple(plan_stages(config, provenance=of, rungs=rungs, rung=rung) for rung in range(rungs.num))
        for stages in plan:
            self._steps.add(stages, of=of)
        return plan

    def _summarise(self, schedule: Schedule, *, plans: Mapping[int, Plan]) -> _Draw:
        reached = schedule.rungs_reached
        alone = [one for number, rung in reached.items() for one in self._unshared(plans[number], rung=rung)]
        to_end = [stage for number in reached for stage in plans[number][-1]]
        made = [made.stage for made in schedule.made_stages]
        return _Draw(
            schedule=schedule,
            steps=_sum([self._steps.of(stage) for stage in made]),
            steps_if_alone=_sum([steps for _, steps in alone]),
            steps_to_end=_sum([self._steps.whole(stage) for stage in to_end]),
            hours=self._hours([(stage, self._steps.of(stage)) for stage in made], num_trials=len(reached)),
            hours_if_alone=self._hours(alone, num_trials=len(reached)),
        )

    def _unshared(self, plan: Plan, *, rung: int) -> list[tuple[Stage, int | None]]:
        """Return the stages, with steps, of a trial that reuses nothing of another: also those of lower rungs alone."""
        highest = {stage.key for stage in plan[rung]}
        lower = {stage.key: stage for stages in plan[:rung] for stage in stages if stage.key not in highest}
        whole = [(stage, self._steps.whole(stage)) for stage in plan[rung] if not stage.is_trunk]
        return whole + [(stage, self._steps.of(stage)) for stage in lower.values() if not stage.is_trunk]

    def _hours(self, stages: Sequence[tuple[Stage, int | None]], *, num_trials: int) -> float | None:
        """Return the hours of making stages, summed over ranks; the trials that run at a time start their ranks."""
        if not self._times.is_known or any(steps is None for _, steps in stages):
            return None
        num_starts = min(self._spec.concurrency or 1, num_trials) if stages else 0
        seconds = sum(self._times.seconds(stage, steps=steps or 0) for stage, steps in stages)
        once = self._times.seconds_once([stage for stage, _ in stages], num_starts=num_starts)
        return self._times.ranks * (seconds + once) / 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draw:
    """The totals of one simulation; see `Forecast`."""

    schedule: Schedule
    steps: int | None
    steps_if_alone: int | None
    steps_to_end: int | None
    hours: float | None
    """Hours summed over ranks."""
    hours_if_alone: float | None
    """Hours summed over ranks, if no trial reused another's stages."""


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


class _PromotionRule:
    """Decides which trials are promoted: the sweep's pruner decides on random scores."""

    def __init__(
        self, spec: SweepSpec, *, scores: Mapping[int, float], families: Mapping[int, str], chance: random.Random
    ) -> None:
        self._pruner, self._last, self._is_fixed = make_pruner(spec), spec.rungs.last, spec.order == "fixed"
        self._scores, self._families, self._chance = scores, families, chance
        self._curves: dict[int, dict[int, float]] = {}

    def __call__(self, number: int, rung: int) -> bool:
        curve = self._curves.setdefault(number, {})
        curve[rung] = self._scores[number] + self._chance.gauss(0.0, RUNG_NOISE)
        if self._pruner is None:
            return True
        others = [
            Curve(number=other, scores=scores, is_finished=self._last in scores, family=self._families.get(other, ""))
            for other, scores in self._curves.items()
            if other < number or (other > number and not self._is_fixed)
        ]
        own = Curve(number=number, scores=dict(curve), family=self._families.get(number, ""))
        return not self._pruner.is_pruned(own, others=others)

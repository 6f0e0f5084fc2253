"""What a sweep will cost, told before it starts: the driver's own proposals, plans and order, without training.

Proposals of samplers that learn nothing are the sweep's own. Those that learn, and pruners, are shown drawn scores
instead of real ones, several times, so that what hangs on scores is told as a range. Time comes from what the record
has of stages with the same encoder, never from a guess.
"""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from search.forecast.simulation import Course, Plan, Simulation
from search.pruner import make_pruner
from search.record import Curve, Record
from search.sampler import PastTrial, make_sampler
from spaces.binding import bind
from spaces.objectives import is_maximised, upwards
from spaces.sweep_spec import LEARNING_SAMPLERS, SweepSpec, make_space
from trainables.config import EvaluationConfig, TrialConfig
from trainables.data.batching import num_steps_for_epochs
from trainables.plan.mixture import num_examples_of_an_epoch, phase_tasks
from trainables.plan.provenance import read_provenance
from trainables.plan.schedule import trunk_end
from trainables.plan.stage_plan import Provenance, Stage, plan_stages

NUM_DRAWS = 15
"""Courses with drawn scores, where what is made depends on scores."""

MIN_DRAWS = 3
"""As many of a long sweep."""

MAX_PROPOSALS = 1500
"""Proposals of all courses with drawn scores together: seconds to minutes, by the sampler."""

MAX_TRIALS = 2000
"""Trials that are simulated of a sweep that no score decides: seconds."""

RUNG_NOISE = 0.3
"""Standard deviation of what a rung adds to a trial's drawn score, whose own is 1."""

STATE_COPIES = 3
"""A trunk keeps weights and two moments of AdamW, each as large as the weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What is expected, and between what it lay in all draws."""

    expected: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Range:
        """Return the median and the extremes of some values."""
        return cls(expected=statistics.median(values), low=min(values), high=max(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is still to be done for a sweep."""

    trials: int
    """Trials that end."""
    is_exact: bool
    """Whether no score decides what is made."""
    stages_made: Range
    """Stages that are made, evaluations included."""
    steps_paid: Range | None
    """Optimiser steps that are taken; None where a phase has epochs over a task whose size is not known."""
    steps_if_alone: Range | None
    """Optimiser steps if no trial found another's stages."""
    device_hours: Range | None
    """Time of all ranks, in hours; None where no stage with this encoder was timed."""
    device_hours_if_alone: Range | None
    """As much if no trial found another's stages."""
    peak_bytes: Range
    """The most that its stages take in the store at a time, without checkpoints inside stages."""
    left_out: int = 0
    """Trials that are not simulated, because there are too many: the figures are of those before them."""


@dataclass(slots=True, kw_only=True)
class Timing:
    """What stages with a sweep's encoder took, by the record."""

    seconds_per_step: dict[str, float] = field(default_factory=dict[str, float])
    """Phase -> mean time of an optimiser step."""
    seconds_per_evaluation: float = 0.0
    """Mean time of an evaluation."""

    @property
    def is_known(self) -> bool:
        """Whether a training phase was timed."""
        return bool(self.seconds_per_step)

    def seconds(self, stage: Stage, *, steps: int) -> float:
        """Return what making a stage takes; a phase that was never timed takes as long a step as the others."""
        if stage.phase == "evaluation":
            return self.seconds_per_evaluation
        known = self.seconds_per_step
        return steps * known.get(stage.phase, statistics.fmean(known.values()) if known else 0.0)


def timing_of(record: Record, *, encoder: str) -> Timing:
    """Return what stages of all sweeps with an encoder took, each stage counted once.

    Args:
        record: Holds the sweeps.
        encoder: The encoder's name, as specs have it.
    """
    steps, seconds = defaultdict[str, int](int), defaultdict[str, float](float)
    evaluations: list[float] = []
    for sweep in record.sweeps():
        trial = sweep.spec.get("trial")
        named = trial.get("encoder") if isinstance(trial, dict) else None
        if not isinstance(named, dict) or named.get("name") != encoder:
            continue
        for stage in record.stages(sweep.name):
            if stage.reused:
                continue
            if stage.phase == "evaluation":
                evaluations.append(stage.seconds)
            elif stage.steps:
                steps[stage.phase] += stage.steps
                seconds[stage.phase] += stage.seconds
    return Timing(
        seconds_per_step={phase: seconds[phase] / steps[phase] for phase in steps},
        seconds_per_evaluation=statistics.fmean(evaluations) if evaluations else 0.0,
    )


class Steps:
    """The steps of stages; a trunk has to be known before the stage that continues it is asked about."""

    def __init__(self) -> None:
        self._ends: dict[str, int | None] = {}

    def know(self, plan: Sequence[Stage], *, of: Provenance) -> None:
        """Take note of a trial's stages."""
        for stage in plan:
            if stage.key not in self._ends:
                self._ends[stage.key] = _end(stage, of=of)

    def of(self, stage: Stage) -> int | None:
        """Return the steps that making a stage takes, without those of a trunk that it continues."""
        end = self._ends[stage.key]
        before = self._ends[stage.continues] if stage.continues else 0
        return None if end is None or before is None else end - before

    def whole(self, stage: Stage) -> int | None:
        """Return the steps of a stage with those of the trunks before it; none of a trunk's own."""
        return 0 if stage.is_trunk else self._ends[stage.key]


def _end(stage: Stage, *, of: Provenance) -> int | None:
    work = stage.work
    if isinstance(work, EvaluationConfig):
        return 0
    num_steps = work.steps
    if num_steps is None:
        sizes = {name: of.specs[name].num_train_examples for name in phase_tasks(work)}
        known = {name: size for name, size in sizes.items() if size is not None}
        if len(known) < len(sizes):
            return None
        examples = num_examples_of_an_epoch(work, known)
        num_steps = num_steps_for_epochs(work.epochs or 1.0, num_examples=examples, batch_size=work.batch_size)
    return trunk_end(work.schedule, num_steps=num_steps) if stage.is_trunk else num_steps


class Forecaster:
    """Foretells one sweep.

    Args:
        spec: Its spec.
        is_made: Tells whether the store has a stage.
        weight_bytes: Size of the encoder's weights.
        timing: What stages took.
        on_progress: Told how many proposals were made, and of how many.
    """

    def __init__(
        self,
        spec: SweepSpec,
        *,
        is_made: Callable[[str], bool],
        weight_bytes: int,
        timing: Timing,
        on_progress: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> None:
        self._spec, self._on_progress = spec, on_progress
        self._history: Sequence[PastTrial] = ()
        self._waiting: Mapping[int, TrialConfig] = {}
        self._is_made, self._weight_bytes, self._timing = is_made, weight_bytes, timing
        self._space, self._steps = make_space(spec), Steps()
        self._num_made = self._num_to_make = 0

    def know(self, history: Sequence[PastTrial], *, waiting: Mapping[int, TrialConfig]) -> None:
        """Take note of the trials that the sweep has.

        Args:
            history: All of them, as its sampler sees them; those that have ended are not run again.
            waiting: Number -> configuration of those that have not ended.
        """
        self._history, self._waiting = history, waiting

    def forecast(self, *, num_to_propose: int) -> Forecast:
        """Return what it takes until so many trials more, and those that wait, have ended.

        Of very many trials the first ones are told: `left_out`.

        Raises:
            InputError: A trial's encoder, tasks or data cannot be found.
        """
        is_exact = self._spec.sampler.name not in LEARNING_SAMPLERS and self._spec.rungs.num == 1
        num_told = min(num_to_propose, MAX_TRIALS if is_exact else MAX_PROPOSALS // MIN_DRAWS)
        num_draws = 1 if is_exact else max(MIN_DRAWS, min(NUM_DRAWS, MAX_PROPOSALS // max(1, num_told)))
        self._num_made, self._num_to_make = 0, num_told * num_draws
        told = [self._course(num_told, draw=draw) for draw in range(num_draws)]
        timed = [one for one in told if one.seconds is not None]
        counted = [one for one in told if one.steps is not None]
        return Forecast(
            trials=len(told[0].course.rungs_reached),
            is_exact=is_exact,
            stages_made=Range.of([len(one.course.makings) for one in told]),
            steps_paid=Range.of([float(one.steps or 0) for one in counted]) if counted else None,
            steps_if_alone=Range.of([float(one.alone_steps or 0) for one in counted]) if counted else None,
            device_hours=Range.of([one.seconds or 0.0 for one in timed]) if timed else None,
            device_hours_if_alone=Range.of([one.alone_seconds or 0.0 for one in timed]) if timed else None,
            peak_bytes=Range.of([float(one.course.peak(self._bytes)) for one in told]),
            left_out=num_to_propose - num_told,
        )

    def _course(self, num_to_propose: int, *, draw: int) -> _Told:
        chance = random.Random(f"{self._spec.seed} {draw}")  # noqa: S311  (scores to play with)
        scores: dict[int, float] = defaultdict(lambda: chance.gauss(0.0, 1.0))
        plans = self._plans(num_to_propose, scores=scores)
        simulation = Simulation(
            plans,
            seconds=lambda stage: 1.0 + (self._steps.of(stage) or 0),
            climbs=_Climbing(self._spec, scores=scores, chance=chance),
            num_workers=self._spec.concurrency or 1,
            max_ahead=1 if self._spec.sampler.name in LEARNING_SAMPLERS else len(plans) or 1,
            is_made=self._is_made,
        )
        return self._told(simulation.run(), plans=plans)

    def _plans(self, num_to_propose: int, *, scores: Mapping[int, float]) -> dict[int, Plan]:
        sampler, history = make_sampler(self._spec, space=self._space), list(self._history)
        plans = {number: self._plan(config) for number, config in self._waiting.items()}
        for number in range(len(history), len(history) + num_to_propose):
            proposal = sampler.propose(number, history=history)
            self._num_made += 1
            self._on_progress(self._num_made, self._num_to_make)
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
        """Return the objectives of a trial, where there are several: costs grow with the steps of its plan."""
        steps = float(_sum([self._steps.whole(stage) for stage in plan[-1]]) or 0)
        values = [score if is_maximised(goal) else steps for goal in self._spec.goals]
        return upwards(values, goals=self._spec.goals) if len(values) > 1 else ()

    def _plan(self, config: TrialConfig) -> Plan:
        rungs, of = self._spec.rungs, read_provenance(config)
        plan = tuple(plan_stages(config, provenance=of, rungs=rungs, rung=rung) for rung in range(rungs.num))
        for stages in plan:
            self._steps.know(stages, of=of)
        return plan

    def _told(self, course: Course, *, plans: Mapping[int, Plan]) -> _Told:
        alone = [stage for number, rung in course.rungs_reached.items() for stage in plans[number][rung]]
        made = [making.stage for making in course.makings]
        ranks = self._spec_ranks()
        return _Told(
            course=course,
            steps=_sum([self._steps.of(stage) for stage in made]),
            alone_steps=_sum([self._steps.whole(stage) for stage in alone]),
            seconds=self._hours([(stage, self._steps.of(stage)) for stage in made], ranks=ranks),
            alone_seconds=self._hours(
                [(stage, self._steps.whole(stage)) for stage in alone if not stage.is_trunk], ranks=ranks
            ),
        )

    def _hours(self, stages: Sequence[tuple[Stage, int | None]], *, ranks: int) -> float | None:
        if not self._timing.is_known or any(steps is None for _, steps in stages):
            return None
        return ranks * sum(self._timing.seconds(stage, steps=steps or 0) for stage, steps in stages) / 3600

    def _spec_ranks(self) -> int:
        engine = self._spec.trial.get("engine")
        ranks = engine.get("num_workers") if isinstance(engine, dict) else None
        return ranks if isinstance(ranks, int) else 1

    def _bytes(self, stage: Stage) -> int:
        if stage.phase == "evaluation":
            return 0
        return self._weight_bytes * (STATE_COPIES if stage.is_trunk else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    course: Course
    steps: int | None
    alone_steps: int | None
    seconds: float | None
    """Hours of devices."""
    alone_seconds: float | None


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


class _Climbing:
    """Says which trials climb, as the sweep's pruner decides on drawn scores."""

    def __init__(self, spec: SweepSpec, *, scores: Mapping[int, float], chance: random.Random) -> None:
        self._pruner, self._last, self._is_fixed = make_pruner(spec), spec.rungs.last, spec.order == "fixed"
        self._scores, self._chance = scores, chance
        self._curves: dict[int, dict[int, float]] = {}

    def __call__(self, number: int, rung: int) -> bool:
        curve = self._curves.setdefault(number, {})
        curve[rung] = self._scores[number] + self._chance.gauss(0.0, RUNG_NOISE)
        if self._pruner is None:
            return True
        others = [
            Curve(number=other, scores=scores, is_finished=self._last in scores)
            for other, scores in self._curves.items()
            if other < number or (other > number and not self._is_fixed)
        ]
        return not self._pruner.is_pruned(Curve(number=number, scores=dict(curve)), others=others)

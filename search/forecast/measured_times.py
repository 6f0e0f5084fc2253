"""What stages cost, by what was measured: seconds of a token, tokens of an example, and what surrounds the steps.

A training stage takes an overhead (loading, saving, dev scores) and its steps. A step takes a time of its own, which is
known once steps of different sizes were timed, and as long as its tokens: their number follows from the batch size, the
mixture, and the mean length of a task's texts. Seconds of a token depend on what is frozen, and on whether images are
read; ranks divide them. An evaluation takes an overhead, and a time
for each item. A command starts its ranks once, and the first stage that trains a task encodes it: so both are left out
of the overheads, and counted by themselves.
"""

from __future__ import annotations

import contextlib
import statistics
from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from search.record import Measurement, Record, StageRow, TrialRow
from trainables.config import EvaluationConfig, PhaseConfig, TrialConfig
from trainables.errors import TrainablesError
from trainables.number_words import number_of
from trainables.plan.mixture import mixture_weights
from trainables.plan.stage_plan import Stage
from trainables.results import TaskPace, TrialResult
from trainables.tasks.registry import task

Work = tuple[str, bool, int, bool, bool, bool]
"""What decides the time of a token: phase, what is frozen and whether dropout acts there, whether a vision tower runs,
whether an adapter trains."""


@dataclass(slots=True, kw_only=True)
class MeasuredTimes:
    """Times of stages with a sweep's encoder, from the record; steps and items take `ranks` ranks."""

    ranks: int = 1
    """Ranks of the stages that are forecast."""
    num_stages: int = 0
    """Stages that were timed."""
    start_seconds: float = 0.0
    """Mean seconds of starting the ranks of a trial; 0 in records of earlier versions, whose overheads include it."""
    seconds_per_step: dict[str, float] = field(default_factory=dict[str, float])
    """Phase -> mean seconds of an optimiser step, with all that surrounds the steps."""
    seconds_per_evaluation: float = 0.0
    """Median seconds of an evaluation."""
    seconds_of_any_step: float = 0.0
    """Seconds of a step that do not depend on its tokens; 0 while all timed steps have about as many."""
    seconds_per_token: dict[Work, float] = field(default_factory=dict[Work, float])
    """Kind of work -> mean seconds of a token in training, on all ranks; empty in records of earlier versions."""
    tokens_per_example: dict[str, float] = field(default_factory=dict[str, float])
    """Task -> mean tokens of an example in training, padding included."""
    overheads: dict[str, float] = field(default_factory=dict[str, float])
    """Phase -> median seconds of a stage outside of its steps, where its tasks were encoded before."""
    encoding_seconds: float = 0.0
    """Median seconds by which the first stage that trains a task takes longer outside of its steps."""
    evaluations: tuple[float, float] | None = None
    """Seconds of an evaluation without items, and of each item; None if all had the same number of items."""
    most_items: dict[str, int] = field(default_factory=dict[str, int])
    """Evaluation task -> largest number of items in a language that was scored."""

    @property
    def is_known(self) -> bool:
        """Whether a training phase was timed."""
        return bool(self.seconds_per_step)

    @property
    def counts_tokens(self) -> bool:
        """Whether times follow from tokens; otherwise each step of a phase takes the mean of its steps."""
        return bool(self.seconds_per_token and self.tokens_per_example)

    def in_words(self) -> str:
        """Return what the times are computed from; empty if nothing was timed."""
        if not self.is_known:
            return ""
        stages = f"{number_of(self.num_stages, 'timed stage', form=',')} with this encoder"
        return f"{stages}, by {'tokens' if self.counts_tokens else 'the mean time of a step'}"

    def tasks_not_timed(self, stages: Iterable[Stage]) -> tuple[str, ...]:
        """Return the tasks that stages train and whose examples were not counted: they have the mean of the others."""
        if not self.counts_tokens:
            return ()
        phases = (stage.work for stage in stages if not isinstance(stage.work, EvaluationConfig))
        return tuple(sorted({name for work in phases for name in work.mixture} - self.tokens_per_example.keys()))

    def seconds(self, stage: Stage, *, steps: int) -> float:
        """Return the seconds that making a stage takes; what was not timed takes the mean of what was.

        Args:
            stage: The stage.
            steps: Its optimiser steps, without those of a trunk that it continues.
        """
        if isinstance(stage.work, EvaluationConfig):
            return self._seconds_of_evaluation(stage.work)
        known = self.seconds_per_step
        if stage.combination is None and self.counts_tokens:
            return self.overhead_seconds(stage) + self.training_seconds(stage, steps=steps)
        return steps * known.get(stage.phase, _mean(known.values()))

    def overhead_seconds(self, stage: Stage) -> float:
        """Return the seconds of a training stage outside of its steps."""
        return self.overheads.get(stage.phase, _mean(self.overheads.values()))

    def seconds_once(self, stages: Collection[Stage], *, num_starts: int) -> float:
        """Return what making stages takes besides: ranks start, and a task that no stage has trained is encoded."""
        return num_starts * self.start_seconds + len(self.tasks_not_timed(stages)) * self.encoding_seconds

    def training_seconds(self, stage: Stage, *, steps: int) -> float:
        """Return the seconds of a training stage's steps, from their tokens."""
        work = stage.work
        assert not isinstance(work, EvaluationConfig)  # noqa: S101  (it trains)
        of_tokens = self._tokens_of_step(work) * self._seconds_of_token(stage.phase, work) / self.ranks
        return steps * (self.seconds_of_any_step + of_tokens)

    def _seconds_of_evaluation(self, work: EvaluationConfig) -> float:
        if self.evaluations is None:
            return self.seconds_per_evaluation
        most = self.most_items.get(work.task, max(self.most_items.values(), default=0))
        base, of_item = self.evaluations
        num_items = min(work.num_items, most) if work.num_items else most
        return base + of_item * len(work.languages) * num_items / self.ranks

    def _tokens_of_step(self, work: PhaseConfig) -> float:
        weights = _weights(work)
        tokens = sum(weight * self._tokens_of(name, max_length=work.max_length) for name, weight in weights.items())
        return work.batch_size * tokens

    def _tokens_of(self, name: str, *, max_length: int) -> float:
        """Return the mean tokens of an example; texts that were not counted are as long as the mean of the others."""
        known, num_texts = self.tokens_per_example, _num_texts(name)
        if name in known:
            found = known[name]
        else:
            texts = [tokens / num for other, tokens in known.items() if (num := _num_texts(other))]
            found = (num_texts or 1) * _mean(texts or known.values())
        return found if num_texts is None else min(found, num_texts * max_length)

    def _seconds_of_token(self, phase: str, work: PhaseConfig) -> float:
        known = self.seconds_per_token
        same_work = [value for kind, value in known.items() if kind[1:] == _kind(phase, work)[1:]]
        same_phase = [value for kind, value in known.items() if kind[0] == phase]
        exact = known.get(_kind(phase, work))
        return exact if exact is not None else _mean(same_work or same_phase or known.values())


def measured_times(record: Record, *, encoder: str, ranks: int = 1) -> MeasuredTimes:
    """Return the times of stages with an encoder, over all sweeps; each stage is counted once.

    Args:
        record: Holds the sweeps.
        encoder: The encoder's name, as in trials.
        ranks: Ranks of the stages that are to be forecast.
    """
    found = _Measured(ranks=ranks)
    for sweep in record.sweeps():
        configs = dict(_configs(record.trials(sweep.name), encoder=encoder))
        if not configs:
            continue
        results = dict(_results(record.measurements(sweep.name), trials=configs))
        counted: set[tuple[int, str]] = set()  # a higher rung lists what the trial made at a lower one again
        for stage in record.stages(sweep.name):
            if not stage.reused and stage.trial in configs and (stage.trial, stage.key) not in counted:
                counted.add((stage.trial, stage.key))
                found.add(stage, config=configs[stage.trial], result=results.get((stage.trial, stage.rung)))
    return found.times()


def _configs(trials: Sequence[TrialRow], *, encoder: str) -> Iterable[tuple[int, TrialConfig]]:
    for trial in trials:
        named = trial.config.get("encoder")
        if not isinstance(named, dict) or named.get("name") != encoder:
            continue
        try:
            yield trial.number, trial.trial_config
        except ValueError:  # an older version's field that this one does not know
            continue


def _results(
    measured: Iterable[Measurement], *, trials: Container[int]
) -> Iterable[tuple[tuple[int, int], TrialResult]]:
    for one in measured:
        if one.trial in trials:
            with contextlib.suppress(ValueError):  # a field of another version
                yield (one.trial, one.rung), one.trial_result


def _phase_of(stage: StageRow, *, config: TrialConfig) -> PhaseConfig | None:
    """Return the phase that made a stage; None where several phases of a further target could have."""
    if not stage.further:
        return getattr(config, stage.phase)
    phases = config.further[stage.further].target if stage.further in config.further else ()
    return phases[0] if len(phases) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timed:
    """The timed steps of a stage."""

    kind: Work
    ranks: int
    steps: float
    tokens: int
    """On all ranks."""
    seconds: float
    """Summed over the ranks."""


@dataclass(slots=True, kw_only=True)
class _Measured:
    """The sums of stages on record. Times of steps and items are summed over the ranks that took them."""

    ranks: int
    num_stages: int = 0
    starts: list[float] = field(default_factory=list[float])
    steps: defaultdict[str, int] = field(default_factory=lambda: defaultdict[str, int](int))
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict[str, float](float))
    overheads: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict[str, list[float]](list))
    first_overheads: list[float] = field(default_factory=list[float])
    """Those of the first stage that trains a task: it has encoded the task."""
    timed: list[_Timed] = field(default_factory=list[_Timed])
    of_task: defaultdict[str, list[TaskPace]] = field(default_factory=lambda: defaultdict[str, list[TaskPace]](list))
    evaluations: list[tuple[int, float, int]] = field(default_factory=list[tuple[int, float, int]])
    """Items, seconds and ranks."""
    most_items: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, stage: StageRow, *, config: TrialConfig, result: TrialResult | None) -> None:
        """Count a stage that a trial made."""
        start = 0.0 if result is None else result.starts.get(stage.key, 0.0)
        if start:
            self.starts.append(start)
        seconds = max(0.0, stage.seconds - start)
        if stage.phase == "evaluation":
            self._add_evaluation(stage, seconds, config=config, result=result)
            return
        if not stage.steps:
            return
        self.num_stages += 1
        self.steps[stage.phase] += stage.steps
        self.seconds[stage.phase] += seconds * config.engine.num_workers
        paces = {} if result is None else result.paces.get(stage.key, {})
        work = _phase_of(stage, config=config)
        if not paces or work is None:
            return
        overhead = max(0.0, seconds - sum(pace.seconds for pace in paces.values()))
        is_first = not paces.keys() <= self.of_task.keys()
        (self.first_overheads if is_first else self.overheads[stage.phase]).append(overhead)
        for name, pace in paces.items():
            self.of_task[name].append(pace)
        self.timed.append(
            _Timed(
                kind=_kind(stage.phase, work),
                ranks=config.engine.num_workers,
                steps=sum(pace.num_examples for pace in paces.values()) / work.batch_size,
                tokens=sum(pace.num_tokens for pace in paces.values()),
                seconds=sum(pace.seconds for pace in paces.values()) * config.engine.num_workers,
            )
        )

    def _add_evaluation(
        self, stage: StageRow, seconds: float, *, config: TrialConfig, result: TrialResult | None
    ) -> None:
        self.num_stages += 1
        items = 0
        if result is not None and not stage.further:
            name, num = config.evaluation.task, result.num_items
            self.most_items[name] = max(num, self.most_items.get(name, 0))
            items = num * len(config.evaluation.languages)
        self.evaluations.append((items, seconds, config.engine.num_workers))

    def times(self) -> MeasuredTimes:
        """Return the means; the lower median of what encoding makes longer once, and never shorter."""
        overheads = {phase: _lower_median(values) for phase, values in self.overheads.items()}
        alone = {"target": _lower_median(self.first_overheads)} if self.first_overheads else {}
        encoding = max(0.0, _lower_median(self.first_overheads) - _mean(overheads.values())) if overheads else 0.0
        of_step = _seconds_of_any_step(self.timed)
        return MeasuredTimes(
            ranks=self.ranks,
            num_stages=self.num_stages,
            start_seconds=_mean(self.starts),
            seconds_per_step={phase: self.seconds[phase] / self.steps[phase] / self.ranks for phase in self.steps},
            seconds_per_evaluation=_lower_median([seconds for _, seconds, _ in self.evaluations]),
            seconds_of_any_step=of_step,
            seconds_per_token={
                kind: sum(one.seconds - of_step * one.ranks * one.steps for one in stages) / tokens
                for kind in {one.kind for one in self.timed}
                if (stages := [one for one in self.timed if one.kind == kind])
                and (tokens := sum(one.tokens for one in stages))
            },
            tokens_per_example={
                name: sum(pace.num_tokens for pace in paces) / examples
                for name, paces in self.of_task.items()
                if (examples := sum(pace.num_examples for pace in paces))
            },
            overheads=overheads or alone,
            encoding_seconds=encoding,
            evaluations=_line(self._evaluation_points()),
            most_items=self.most_items,
        )

    def _evaluation_points(self) -> list[tuple[float, float]]:
        """Return items on one rank and seconds, a point for each number of items."""
        groups: dict[float, list[float]] = {}
        for items, seconds, ranks in self.evaluations:
            if items:
                groups.setdefault(items / ranks, []).append(seconds)
        return [(items, _lower_median(values)) for items, values in groups.items()]


_MIN_SPREAD = 0.02
"""Variance of a step's tokens, relative to their square, from which they are separated from its own time."""


def _seconds_of_any_step(timed: Sequence[_Timed]) -> float:
    """Return the seconds of a step that do not depend on its tokens, on each rank; 0 if the steps do not tell.

    This is the a of the least squares of `seconds = a ranks + b tokens` over the stages' mean steps, each stage by its
    steps, with a b for all stages that freeze the same and read images or not, whatever their phase.
    """
    groups: dict[tuple[object, ...], list[_Timed]] = {}
    for one in timed:
        if one.steps and one.tokens:
            groups.setdefault(one.kind[1:], []).append(one)
    above = below = whole = 0.0
    for group in groups.values():
        tokens_tokens = sum(one.tokens**2 / one.steps for one in group)
        tokens_ranks = sum(one.tokens * one.ranks for one in group)
        tokens_seconds = sum(one.tokens * one.seconds / one.steps for one in group)
        above += sum(one.ranks * one.seconds for one in group) - tokens_ranks * tokens_seconds / tokens_tokens
        whole += sum(one.ranks**2 * one.steps for one in group)
        below += sum(one.ranks**2 * one.steps for one in group) - tokens_ranks**2 / tokens_tokens
    if below <= _MIN_SPREAD * whole:
        return 0.0
    shortest = min(one.seconds / one.steps / one.ranks for group in groups.values() for one in group)
    return min(max(0.0, above / below), shortest)


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """Return the line through points by least squares, as its value at 0 and its slope, neither below 0."""
    if len({items for items, _ in points}) <= 1:
        return None
    slope, base = statistics.linear_regression(*zip(*points, strict=True))
    if base < 0 or slope < 0:
        return 0.0, sum(seconds for _, seconds in points) / sum(items for items, _ in points)
    return base, slope


def _kind(phase: str, work: PhaseConfig) -> Work:
    frozen = (work.freeze_embeddings, work.freeze_layers, work.frozen_dropout)
    return (phase, *frozen, work.vision is not None, work.adapter is not None)


def _num_texts(name: str) -> int | None:
    """Return the texts that an example of a task is encoded as; None where each row has its own number of choices."""
    try:
        spec = task(name)
    except TrainablesError:
        return 1
    if spec.kind != "multiple_choice":
        return 1
    choices = spec.columns["choices"]
    return len(choices) if isinstance(choices, tuple) else len(spec.label_values) or None


def _weights(work: PhaseConfig) -> Mapping[str, float]:
    """Return task -> share of the examples; equal shares where the size of a task is not known."""
    try:
        sizes = {name: task(name).num_train_examples for name in work.mixture}
    except TrainablesError:
        sizes = dict.fromkeys(work.mixture)
    known = {name: size for name, size in sizes.items() if size is not None}
    if len(known) == len(sizes) or not work.sampling.is_computed:
        return mixture_weights(work, known)
    return dict.fromkeys(work.mixture, 1 / len(work.mixture))


def _lower_median(values: Sequence[float]) -> float:
    return statistics.median_low(values) if values else 0.0


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return statistics.fmean(known) if known else 0.0

"""Ranks the trials of a sweep by their average on a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from search.query.benchmark_table import benchmark_figures
from search.query.best import best
from search.query.query_results import BestOfFamily, BestTrial, QueryResult
from search.record import Record, State
from trainables.results import Family


class Unranked(QueryResult):
    """Trials without an average, because they were not scored on the same tasks of the benchmark."""

    missing: tuple[str, ...]
    """Those tasks."""
    trials: tuple[int, ...]
    """Numbers of the trials, ascending."""


class BenchmarkRanking(QueryResult):
    """The trials of a sweep by their average on a benchmark."""

    ranked: tuple[BestTrial, ...]
    """Trials that were scored on every task, the best first; `score` is the average."""
    unranked: tuple[Unranked, ...]
    """The other trials, those that lack the fewest tasks first."""

    def of_families(self, *, top: int) -> tuple[BestOfFamily, ...]:
        """Return the best ranked trials of each family, the best family first, without excluded trials.

        Args:
            top: The most trials of each family.
        """
        families: dict[Family, list[BestTrial]] = {}
        for trial in self.ranked:
            if trial.set_aside is None:
                families.setdefault(trial.family, []).append(trial)
        return tuple(
            BestOfFamily(**dict(trial), num_in_family=len(trials), mean_in_family=fmean(one.score for one in trials))
            for trials in families.values()
            for trial in trials[:top]
        )


def rank_on_benchmark(
    record: Record,
    *,
    sweep: str,
    benchmark: str,
    where: str | Sequence[str] | None = None,
    states: Sequence[State] = ("finished",),
) -> BenchmarkRanking:
    """Return the trials of a sweep by their average on a benchmark; of equal trials the earlier one first.

    An average is computed from the result of each trial, so all results are read.

    Args:
        record: Record with the sweep.
        sweep: Name of the sweep.
        benchmark: `xtreme` or `xtreme_r`.
        where: As in `best`.
        states: As in `best`.

    Raises:
        UnknownSweepError: There is no such sweep.
        FilterError: An expression is wrong.
    """
    ranked: list[BestTrial] = []
    unranked: dict[tuple[str, ...], list[int]] = {}
    num_trials = len(record.trials(sweep, states=tuple(states)))
    for trial in best(record, sweep=sweep, top=max(1, num_trials), where=where, states=states):
        figures = benchmark_figures(trial.evaluations, benchmark=benchmark)
        if figures.average is None:
            unranked.setdefault(figures.missing, []).append(trial.trial)
        else:
            ranked.append(trial.model_copy(update={"score": figures.average, "metric": benchmark}))
    ranked.sort(key=lambda trial: (trial.set_aside is not None, -trial.score, trial.trial))
    lacking = sorted(unranked.items(), key=lambda pair: (len(pair[0]), pair[0]))
    return BenchmarkRanking(
        ranked=tuple(ranked),
        unranked=tuple(Unranked(missing=missing, trials=tuple(sorted(trials))) for missing, trials in lacking),
    )

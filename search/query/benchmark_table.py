"""A trial's results as XTREME and XTREME-R report them: a figure for each task, averages of groups, and the average.

How a figure is computed: `trainables/evaluation/benchmarks.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from types import MappingProxyType

from search.errors import InputError
from search.query.query_results import QueryResult, TrialReport
from trainables.config.literature import GROUPS, LITERATURE
from trainables.errors import near_matches
from trainables.evaluation.benchmarks import (
    Evaluations,
    benchmark_average,
    fewer_languages,
    reported_means,
    subset_words,
    tasks_by_group,
)

PUBLISHED: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "mBERT": {"xnli": 65.4, "paws_x": 81.9, "panx": 62.2, "xquad": 64.5, "mlqa": 61.4, "tydiqa": 59.7},
        "XLM-R": {"xnli": 79.2, "paws_x": 86.4, "panx": 65.4, "xquad": 76.6, "mlqa": 71.6, "tydiqa": 65.1},
        "X-STILTs": {"xnli": 80.4, "paws_x": 87.7, "panx": 64.7, "xquad": 77.2, "mlqa": 72.3, "tydiqa": 76.0},
    }
)
"""Model -> task -> published figure on the test split, in %: accuracy, or F1 (also for question answering).

XLM-R is the Large model. Source: the table of results in the README of google-research/multilingual-t5.
"""


class BenchmarkTask(QueryResult):
    """One task of a benchmark."""

    task: str
    """Its name here."""
    group: str
    """Its group in the benchmark."""
    metrics: dict[str, float]
    """Metric -> mean over the languages, 0..1; empty where the trial was not scored on the task."""
    figure: float | None
    """Mean of the metrics, 0..1, which the averages are made of; None where the trial was not scored on the task."""
    num_languages: int
    """Languages that were scored."""
    num_languages_in_benchmark: int
    """Languages that the benchmark has, as far as they have a dev split."""
    published: dict[str, float]
    """Model -> published figure on the test split, in %: accuracy or F1."""


class BenchmarkTable(QueryResult):
    """The results of one trial on a benchmark."""

    sweep: str
    """Name of the sweep."""
    trial: int
    """Number of the trial."""
    benchmark: str
    """`xtreme` or `xtreme_r`."""
    tasks: tuple[BenchmarkTask, ...]
    """All tasks of the benchmark, by group."""
    groups: dict[str, float]
    """Group -> mean of its tasks' figures; a group is left out while one of its tasks is missing."""
    average: float | None
    """Mean of all tasks' figures; None while a task is missing."""
    average_of_scored: float | None
    """Mean of the figures of the tasks that were scored."""
    missing: tuple[str, ...]
    """Tasks that the trial was not scored on."""
    subset: str
    """Which tasks were scored in fewer languages than the benchmark has, in words; empty if none was. Averages over
    fewer languages are not the benchmark's."""


class BenchmarkFigures(QueryResult):
    """The figures of one trial on a benchmark."""

    tasks: tuple[BenchmarkTask, ...]
    """All tasks of the benchmark, by group."""
    average: float | None
    """Mean of all tasks' figures; None while a task is missing."""
    missing: tuple[str, ...]
    """Tasks that the trial was not scored on."""
    subset: str
    """As in `BenchmarkTable`."""

    @property
    def known(self) -> dict[str, float]:
        """Task -> figure, of the tasks that were scored."""
        return {one.task: one.figure for one in self.tasks if one.figure is not None}


def benchmark_figures(evaluations: Evaluations, *, benchmark: str) -> BenchmarkFigures:
    """Return the figures of a trial on a benchmark.

    Args:
        evaluations: All scores of the trial.
        benchmark: `xtreme` or `xtreme_r`.
    """
    scored = {name: languages for name, of in evaluations.items() if (languages := _languages(of))}
    fewer = fewer_languages(scored, benchmark=benchmark)
    tasks = tuple(
        _task(name, group=group, evaluations=evaluations.get(name, {}))
        for group, names in tasks_by_group(benchmark).items()
        for name in names
    )
    missing = tuple(one.task for one in tasks if one.figure is None)
    average = benchmark_average(evaluations, benchmark=benchmark)
    return BenchmarkFigures(tasks=tasks, average=average, missing=missing, subset=subset_words(fewer))


def benchmark_table(report: TrialReport, *, benchmark: str) -> BenchmarkTable:
    """Return the results of a trial on a benchmark.

    Args:
        report: The trial.
        benchmark: `xtreme` or `xtreme_r`.

    Raises:
        InputError: There is no such benchmark, or the trial has no scores.
    """
    if benchmark not in GROUPS:
        near = near_matches(benchmark, GROUPS)
        raise InputError(f"{benchmark!r} is not a benchmark{near}; choose one of {', '.join(GROUPS)}")
    if not report.rungs:
        state = f"trial {report.trial} of {report.sweep!r} is {report.state} and has no scores"
        raise InputError(f"{state}; `xstilts best {report.sweep}` lists the trials that have")
    found = benchmark_figures(report.rungs[-1].evaluations, benchmark=benchmark)
    figures = found.known
    return BenchmarkTable(
        sweep=report.sweep,
        trial=report.trial,
        benchmark=benchmark,
        tasks=found.tasks,
        groups={
            group: fmean(figures[name] for name in names)
            for group, names in tasks_by_group(benchmark).items()
            if figures.keys() >= set(names)
        },
        average=found.average,
        average_of_scored=fmean(figures.values()) if figures else None,
        missing=found.missing,
        subset=found.subset,
    )


def _languages(scores: Mapping[str, Mapping[str, float]]) -> frozenset[str]:
    return frozenset(language for languages in scores.values() for language in languages)


def _task(name: str, *, group: str, evaluations: Mapping[str, Mapping[str, float]]) -> BenchmarkTask:
    metrics = reported_means(name, scores=evaluations)
    return BenchmarkTask(
        task=name,
        group=group,
        metrics=metrics,
        figure=fmean(metrics.values()) if metrics else None,
        num_languages=max((len(languages) for languages in evaluations.values()), default=0),
        num_languages_in_benchmark=len(LITERATURE[name].languages),
        published={model: figures[name] for model, figures in PUBLISHED.items() if name in figures},
    )

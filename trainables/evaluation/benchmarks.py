"""The figures of XTREME and XTREME-R, from the scores of a trial: one for each task, and their average. Pure.

A figure is computed as `evaluate.py` of google-research/xtreme does: the mean over languages of accuracy or F1; for
question answering the mean of the two means of F1 and exact match; for tagging seqeval's F1. The average is the mean of
all figures (Hu et al. 2020, arXiv 2003.11080, table 2; Ruder et al. 2021, arXiv 2104.07412, table 2).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from statistics import fmean
from types import MappingProxyType

from trainables.config.literature import GROUPS, LITERATURE

Evaluations = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Task -> metric -> language -> score (0..1)."""

TASK_GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "classification": ("xnli", "paws_x", "xcopa"),
        "structured prediction": ("udpos", "panx"),
        "question answering": ("xquad", "mlqa", "tydiqa"),
        "retrieval": ("bucc", "mewsli_x", "lareqa", "tatoeba"),
    }
)
"""Group -> its tasks in XTREME (Hu et al. 2020, table 1) and XTREME-R (Ruder et al. 2021, table 1)."""

TITLES: Mapping[str, str] = MappingProxyType({"xtreme": "XTREME", "xtreme_r": "XTREME-R"})
"""Benchmark -> its name in prose."""

_METRICS: tuple[tuple[str, ...], ...] = (
    ("f1", "exact_match"),
    ("mlqa_f1", "exact_match"),
    ("mining_f1",),
    ("map_at_20",),
    ("seqeval_f1",),
    ("accuracy",),
)
"""What a figure is the mean of; the first entry applies whose metrics are all there."""
_RANKED = frozenset({"lareqa", "mewsli_x"})
"""Retrieval tasks that are reported as mAP@20; Tatoeba is reported as accuracy."""


def tasks_by_group(benchmark: str) -> dict[str, tuple[str, ...]]:
    """Return group -> its tasks, of those that a benchmark has."""
    found = {group: tuple(name for name in names if name in GROUPS[benchmark]) for group, names in TASK_GROUPS.items()}
    return {group: names for group, names in found.items() if names}


def reported_means(task: str, *, scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return metric -> mean over the languages (0..1), of the metrics that the benchmarks report of a task.

    Args:
        task: Name of the task.
        scores: Metric -> language -> score (0..1); empty where the trial was not scored on the task.
    """
    means = {metric: fmean(languages.values()) for metric, languages in scores.items() if languages}
    return {metric: means[metric] for metric in _reported(task, measured=means)}


def figure(task: str, *, scores: Mapping[str, Mapping[str, float]]) -> float | None:
    """Return the figure of a task (0..1), or None where the trial was not scored on it; arguments as above."""
    means = reported_means(task, scores=scores)
    return fmean(means.values()) if means else None


def benchmark_average(evaluations: Evaluations, *, benchmark: str) -> float | None:
    """Return the mean of the figures of a benchmark's tasks (0..1); None while a task is missing.

    Args:
        evaluations: All scores of a trial.
        benchmark: `xtreme` or `xtreme_r`.
    """
    names = [name for tasks in tasks_by_group(benchmark).values() for name in tasks]
    figures = [figure(name, scores=evaluations.get(name, {})) for name in names]
    known = [value for value in figures if value is not None]
    return fmean(known) if len(known) == len(names) else None


def lacking_tasks(scored: Collection[str], *, benchmark: str) -> tuple[str, ...]:
    """Return the tasks of a benchmark that are not among those that a trial is scored on, in the benchmark's order."""
    return tuple(name for name in GROUPS[benchmark] if name not in scored)


def fewer_languages(scored: Mapping[str, Collection[str]], *, benchmark: str) -> dict[str, tuple[int, int]]:
    """Return the tasks of a benchmark that are scored in fewer languages than the benchmark has, in its order.

    Args:
        scored: Task -> languages that it is scored in; a task that is not here has all of them.
        benchmark: `xtreme` or `xtreme_r`.

    Returns:
        Task -> number of its languages in the benchmark that are scored, and number of all of them.
    """
    found = {name: _numbers_of_languages(name, scored[name]) for name in GROUPS[benchmark] if name in scored}
    return {name: (num, of) for name, (num, of) in found.items() if num < of}


def subset_words(fewer: Mapping[str, tuple[int, int]]) -> str:
    """Return what to add to the name of an average over fewer languages (`fewer_languages`); empty over all of them."""
    if not fewer:
        return ""
    counts = ", ".join(f"{name} {num} of {of}" for name, (num, of) in fewer.items())
    return f"over a subset of its languages: {counts}"


def _numbers_of_languages(task: str, scored: Collection[str]) -> tuple[int, int]:
    languages = LITERATURE[task].languages
    return sum(language in scored for language in languages), len(languages)


def _reported(task: str, *, measured: Collection[str]) -> Sequence[str]:
    """Return the metrics that the benchmark reports of a task, out of those that were measured."""
    wanted = [metrics for metrics in _METRICS if set(metrics) <= set(measured)]
    if task not in _RANKED:
        wanted = [metrics for metrics in wanted if metrics != ("map_at_20",)]
    return wanted[0] if wanted else ()

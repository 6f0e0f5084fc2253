"""The contents of a report, read from the record once; the plots and the page use only these contents."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from search.compare.comparison import SUFFIX, Question, compare
from search.compare.comparison_result import Comparison
from search.errors import InputError
from search.query import BestTrial, SweepStatus, best, sweep_status
from search.query.opened_tests import tasks_that_open_tests, warning
from search.query.query_results import tasks_of
from search.record import JsonObject, Record, StageRow, SweepRow, TrialRow
from search.report.listed_trials import ListedTrial, list_trials, numbers_of

PACKAGES = ("xstilts", "torch", "transformers", "datasets", "deepspeed", "ray", "optuna", "numpy")
"""Packages whose versions a report lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedTrial:
    """One finished trial."""

    number: int
    family: str
    score: float
    """The sweep's objective, 0..1."""
    languages: Mapping[str, float]
    """Language -> score, 0..1."""
    tasks: tuple[str, ...]
    """Intermediate tasks; none for family `none`."""
    assignment: JsonObject
    """Parameter of the space -> value."""
    paid_seconds: float
    """Seconds of the stages that it made."""
    alone_seconds: float
    """Seconds of all stages of its lineage, without sharing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedComparison:
    """A comparison of groups, or the reason why there is none."""

    title: str
    """What is compared, in words."""
    comparison: Comparison | None = None
    reason: str = ""
    """Why there is no comparison; empty if there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Everything that a report shows."""

    sweep: SweepRow
    status: SweepStatus
    trials: tuple[FinishedTrial, ...]
    """Finished trials that are not excluded, by number."""
    listed: tuple[ListedTrial, ...]
    """All trials in every state, by number."""
    comparisons: tuple[ReportedComparison, ...]
    """The first one is against no intermediate training."""
    best: tuple[BestTrial, ...]
    stages: tuple[StageRow, ...]
    """Lineages of all trials."""
    tasks: tuple[JsonObject, ...]
    """The tasks that trials train on, and the tasks that they are scored on."""
    versions: Mapping[str, str]
    """Package -> version, on the machine that wrote the report."""
    written_at: str
    """Time in UTC."""
    warnings: tuple[str, ...] = ()
    """What the reader must know of all scores, in sentences."""


def read_contents(record: Record, *, sweep: str, store: str | None = None) -> Contents:
    """Return the contents of a sweep's report.

    Args:
        record: Record with the sweep.
        sweep: Name of the sweep.
        store: Path or URL of the store with the trials' predictions.

    Raises:
        UnknownSweepError: There is no such sweep.
    """
    row = record.sweep(sweep)
    opening = tasks_that_open_tests(record, sweep=sweep)
    rows, stages = record.trials(sweep), record.stages(sweep)
    results = {number: measured.result for number, measured in record.last_measurements(sweep).items()}
    trials = _finished_trials(rows, results)
    return Contents(
        sweep=row,
        status=sweep_status(record, sweep=sweep),
        trials=trials,
        listed=list_trials(rows, results=results, stages=stages),
        comparisons=tuple(_comparisons(record, trials, sweep=sweep, store=store)),
        best=best(record, sweep=sweep, top=5),
        stages=stages,
        tasks=_tasks(row, trials),
        versions=_versions(),
        written_at=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        warnings=(warning(opening),) if opening else (),
    )


def _finished_trials(rows: Sequence[TrialRow], results: Mapping[int, JsonObject]) -> tuple[FinishedTrial, ...]:
    return tuple(
        _finished_trial(row, score=row.score, result=results[row.number])
        for row in rows
        if row.state == "finished" and row.set_aside is None and row.score is not None
    )


def _finished_trial(row: TrialRow, *, score: float, result: JsonObject) -> FinishedTrial:
    return FinishedTrial(
        number=row.number,
        family=row.family,
        score=score,
        languages=numbers_of(result),
        tasks=tuple(tasks_of(row.config)),
        assignment=row.assignment,
        paid_seconds=row.cost_paid_seconds,
        alone_seconds=row.cost_if_alone_seconds,
    )


def _comparisons(
    record: Record, trials: tuple[FinishedTrial, ...], *, sweep: str, store: str | None
) -> list[ReportedComparison]:
    families = {trial.family for trial in trials}
    questions = [("Families against no intermediate training", Question(sweep=sweep))]
    if {"text", "multimodal"} <= families:
        questions.append(("Families against text", Question(sweep=sweep, baseline="text")))
    confirmed = sweep + SUFFIX
    if any(row.name == confirmed for row in record.sweeps()):
        questions.append(("The best configurations, confirmed with fresh seeds", Question(sweep=confirmed)))
    return [_compare(record, question, title=title, store=store) for title, question in questions]


def _compare(record: Record, question: Question, *, title: str, store: str | None) -> ReportedComparison:
    try:
        return ReportedComparison(title=title, comparison=compare(record, question, store=store))
    except InputError as error:
        return ReportedComparison(title=title, reason=str(error))


def _tasks(row: SweepRow, trials: tuple[FinishedTrial, ...]) -> tuple[JsonObject, ...]:
    from trainables.tasks.registry import tasks

    known = tasks()
    names = dict.fromkeys(name for trial in trials for name in trial.tasks)
    trial = row.spec.get("trial")
    for part in ("target", "evaluation"):
        section = trial.get(part) if isinstance(trial, dict) else None
        if isinstance(section, dict):
            mixture = section.get("mixture")
            names |= dict.fromkeys(mixture if isinstance(mixture, dict) else [str(section.get("task", ""))])
    return tuple(known[name].model_dump(mode="json") for name in sorted(names) if name in known)


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for name in PACKAGES:
        # One lookup each: the list of all distributions parses the metadata of every package.
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found

"""The contents of a report, read from the record once; the plots and the page use only these contents."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pydantic import JsonValue

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
    alone_seconds: float
    """Seconds of all stages of its lineage, without sharing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedComparison:
    """A comparison of groups, or the reason why there is none."""

    name: str
    """Name of its plot's file."""
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
        tasks=_tasks(row.config for row in rows if row.state == "finished" and row.set_aside is None),
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
        alone_seconds=row.cost_if_alone_seconds,
    )


def _comparisons(
    record: Record, trials: tuple[FinishedTrial, ...], *, sweep: str, store: str | None
) -> list[ReportedComparison]:
    families = {trial.family for trial in trials}
    questions = [("families", "Families against no intermediate training", Question(sweep=sweep))]
    if {"text", "multimodal"} <= families:
        questions.append(("families_against_text", "Families against text", Question(sweep=sweep, baseline="text")))
    confirmed = sweep + SUFFIX
    if any(row.name == confirmed for row in record.sweeps()):
        questions.append(
            ("confirmed", "The best configurations, confirmed with fresh seeds", Question(sweep=confirmed))
        )
    return [_compared(record, question, name=name, title=title, store=store) for name, title, question in questions]


def _compared(record: Record, question: Question, *, name: str, title: str, store: str | None) -> ReportedComparison:
    try:
        return ReportedComparison(name=name, title=title, comparison=compare(record, question, store=store))
    except InputError as error:
        return ReportedComparison(name=name, title=title, reason=str(error))


def _tasks(configs: Iterable[JsonObject]) -> tuple[JsonObject, ...]:
    """Return every task that a trial is trained or scored on, by name."""
    from trainables.tasks.registry import tasks

    known = tasks()
    names = {name for config in configs for name in _names_in(config)}
    return tuple(known[name].model_dump(mode="json") for name in sorted(names) if name in known)


def _names_in(value: JsonValue) -> Iterator[str]:
    """Yield the tasks in a part of a trial's configuration: those of its mixtures, and those that it is scored on."""
    if isinstance(value, list):
        for one in value:
            yield from _names_in(one)
    elif isinstance(value, dict):
        mixture, scored = value.get("mixture"), value.get("task")
        yield from mixture if isinstance(mixture, dict) else ()
        yield from [scored] if isinstance(scored, str) else ()
        for one in value.values():
            yield from _names_in(one)


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for name in PACKAGES:
        # One lookup each: the list of all distributions parses the metadata of every package.
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found

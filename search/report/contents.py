"""What a report tells, read from the record once: plots and page are made from it alone."""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass

from search.compare.answers import Comparison
from search.compare.asking import SUFFIX, Question, compare
from search.errors import InputError
from search.query import BestTrial, SweepStatus, best, sweep_status
from search.query.answers import tasks_of
from search.record import JsonObject, Record, StageRow, SweepRow, TrialRow

PACKAGES = ("xstilts", "torch", "transformers", "datasets", "deepspeed", "ray", "optuna", "numpy")
"""Whose versions a report names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
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
    """Seconds of its whole lineage, as if nothing had been shared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A comparison, or why there is none."""

    question: str
    """What was asked, in words."""
    found: Comparison | None = None
    refusal: str = ""
    """Why nothing was compared; empty where something was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Everything that a report shows."""

    sweep: SweepRow
    status: SweepStatus
    trials: tuple[Scored, ...]
    """Finished trials that count, by number."""
    comparisons: tuple[Answered, ...]
    """Against no intermediate training first."""
    best: tuple[BestTrial, ...]
    stages: tuple[StageRow, ...]
    """Lineages of all trials."""
    tasks: tuple[JsonObject, ...]
    """Cards of the tasks that trials trained on or were scored by."""
    versions: Mapping[str, str]
    """Package -> version, of where the report was written."""
    written_at: str
    """UTC."""


def read_contents(record: Record, *, sweep: str, store: str | None = None) -> Contents:
    """Return what a report of a sweep shows.

    Args:
        record: Holds the sweep.
        sweep: Its name.
        store: Place of the store with the trials' predictions.

    Raises:
        UnknownSweepError: There is no such sweep.
    """
    row = record.sweep(sweep)
    trials = _scored(record, sweep)
    return Contents(
        sweep=row,
        status=sweep_status(record, sweep=sweep),
        trials=trials,
        comparisons=tuple(_comparisons(record, trials, sweep=sweep, store=store)),
        best=best(record, sweep=sweep, top=5),
        stages=record.stages(sweep),
        tasks=_cards(row, trials),
        versions=_versions(),
        written_at=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    )


def _scored(record: Record, sweep: str) -> tuple[Scored, ...]:
    rows = [row for row in record.trials(sweep, states=("finished",)) if row.set_aside is None]
    last = {(one.trial, one.rung): one.result for one in record.measurements(sweep)}
    return tuple(
        _one(row, score=row.score, result=last[row.number, row.rung])
        for row in rows
        if row.score is not None and row.rung is not None
    )


def _one(row: TrialRow, *, score: float, result: JsonObject) -> Scored:
    languages = result.get("languages")
    scores = languages if isinstance(languages, dict) else {}
    return Scored(
        number=row.number,
        family=row.family,
        score=score,
        languages={code: value for code, value in scores.items() if isinstance(value, float | int)},
        tasks=tuple(tasks_of(row.config)),
        assignment=row.assignment,
        paid_seconds=row.cost_paid_seconds,
        alone_seconds=row.cost_if_alone_seconds,
    )


def _comparisons(record: Record, trials: tuple[Scored, ...], *, sweep: str, store: str | None) -> list[Answered]:
    families = {trial.family for trial in trials}
    asked = [("Families against no intermediate training", Question(sweep=sweep))]
    if {"text", "multimodal"} <= families:
        asked.append(("Families against text", Question(sweep=sweep, baseline="text")))
    confirmed = sweep + SUFFIX
    if any(row.name == confirmed for row in record.sweeps()):
        asked.append(("The best configurations, confirmed with fresh seeds", Question(sweep=confirmed)))
    return [_answered(record, question, words=words, store=store) for words, question in asked]


def _answered(record: Record, question: Question, *, words: str, store: str | None) -> Answered:
    try:
        return Answered(question=words, found=compare(record, question, store=store))
    except InputError as refusal:
        return Answered(question=words, refusal=str(refusal))


def _cards(row: SweepRow, trials: tuple[Scored, ...]) -> tuple[JsonObject, ...]:
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
    installed = {one.name.lower(): one.version for one in importlib.metadata.distributions() if one.name}
    return found | {name: installed[name] for name in PACKAGES if name in installed}

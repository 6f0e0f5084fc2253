"""Computes the rows that the derived tables must have, from the events of one sweep. Pure; `audit` compares them.

This is on purpose a second implementation of what `row_writer` does: if tables and events of a record disagree, the
record was damaged, or one of the two implementations has a bug.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast  # column values and payloads have no shared static type

from search.record.lineage import merge, with_stage
from search.record.row_writer import score_rows
from search.record.rows import Objective, StageRow, score_of
from spaces.objectives import goals_of
from trainables.config.frozen import canonical_json
from trainables.results import StageRun, TrialResult

JSON_COLUMNS = ("assignment", "config", "sampler", "seen")
"""Columns of a trial that are compared by digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRows:
    """Expected values in `measurements`, `scores` and `task_scores` for one trial and rung."""

    score: float
    num_items: int
    measured_at: float
    result: int
    """Digest of the result's text."""
    scores: int
    """Digest of the rows (trial, rung, metric, language, value), in order."""
    task_scores: int
    """Digest of the rows (trial, rung, task, value), in order."""


@dataclass(slots=True, kw_only=True)
class DerivedTrial:
    """Expected rows of one trial."""

    columns: dict[str, Any]
    """Column of `trials` -> value; a digest for those of JSON."""
    stages: dict[int, tuple[StageRow, ...]] = field(default_factory=dict[int, tuple[StageRow, ...]])
    """Rung -> rows of `stages`."""
    measured: dict[int, MeasuredRows] = field(default_factory=dict[int, MeasuredRows])
    """Rung -> the other rows."""

    @property
    def all_stages(self) -> list[StageRow]:
        """Rows of `stages`, ordered by rung and position."""
        return [row for rung in sorted(self.stages) for row in self.stages[rung]]


_Change = Callable[[DerivedTrial, dict[str, Any], float], None]


@dataclass(slots=True, kw_only=True)
class DerivedSweep:
    """Expected rows of one sweep, after the events applied so far."""

    columns: dict[str, Any] = field(default_factory=dict[str, Any])
    trials: dict[int, DerivedTrial] = field(default_factory=dict[int, DerivedTrial])
    fence: int | None = None
    """Fencing number of its last owner."""
    goals: tuple[str, ...] = ()
    """Its objectives."""

    def apply(self, *, kind: str, trial: int | None, payload: str, time: float) -> None:
        """Apply the next event.

        Args:
            kind: Kind of the event.
            trial: Number of the trial; None for an event of the sweep.
            payload: Its canonical JSON.
            time: Its time, seconds since 1970.
        """
        if kind == "measured" and trial is not None:
            self._measure(self.trials[trial], payload=payload, time=time)
        elif trial is None:
            self._apply_to_sweep(kind, payload=json.loads(payload), time=time)
        elif kind == "proposed":
            self.trials[trial] = _proposed(trial, payload=json.loads(payload), time=time)
        else:
            _CHANGES[kind](self.trials[trial], json.loads(payload), time)

    def _apply_to_sweep(self, kind: str, *, payload: dict[str, Any], time: float) -> None:
        if kind == "sweep":
            self.goals = goals_of(payload["spec"].get("objective", payload["objective"]))
            self.columns = {**payload, "spec": digest(canonical_json(payload["spec"])), "created_at": time}
        elif kind in {"planned", "adopted"}:
            self.columns |= payload
        elif kind == "revised":
            self._revise(payload)
        elif kind == "owned":
            self.fence = payload["fence"]

    def _revise(self, payload: dict[str, Any]) -> None:
        self.columns["spec"] = digest(canonical_json(payload["spec"]))
        for number, trial in self.trials.items():
            trial.columns["set_aside"] = payload["set_aside"].get(str(number))
            if (assignment := payload["assignments"].get(str(number))) is not None:
                trial.columns["assignment"] = digest(canonical_json(assignment))

    def _measure(self, trial: DerivedTrial, *, payload: str, time: float) -> None:
        # {"result":<as in measurements>,"rung":<number>}: sliced, because parsing and writing it again is slower.
        text, _, end = payload.removeprefix('{"result":').rpartition(',"rung":')
        result, rung = TrialResult.model_validate_json(text), int(end[:-1])
        score = score_of(result, cast("Objective", self.columns["objective"]))
        key = (trial.columns["number"], rung)
        scores = sorted(
            (*key, row["metric"], row["language"], row["value"]) for row in score_rows(result, goals=self.goals)
        )
        trial.measured[rung] = MeasuredRows(
            score=score,
            num_items=result.num_items,
            measured_at=time,
            result=digest(text),
            scores=digest(scores),
            task_scores=digest(sorted((*key, task, value) for task, value in result.task_scores.items())),
        )
        _put_stages(trial, rung=rung, stages=result.stages)
        if trial.columns["rung"] is None or rung >= trial.columns["rung"]:
            alone = {"cost_if_alone_seconds": result.cost_if_alone_seconds, "steps_if_alone": result.steps_if_alone}
            trial.columns |= {"rung": rung, "score": score, **alone}


def digest(what: str | Iterable[tuple[Any, ...]]) -> int:
    """Return a digest of a stored text or of rows: Python's 64-bit hash, which is valid only within this process."""
    return hash(what if isinstance(what, str) else tuple(what))


def _proposed(number: int, *, payload: dict[str, Any], time: float) -> DerivedTrial:
    columns = dict.fromkeys(("rung", "score", "error", "started_at", "ended_at", "set_aside"))
    costs = dict.fromkeys(("attempts", "cost_paid_seconds", "cost_if_alone_seconds", "steps_paid", "steps_if_alone"), 0)
    texts = {name: digest(canonical_json(payload[name])) for name in JSON_COLUMNS if name in payload}
    known = {"number": number, "state": "proposed", "proposed_at": time}
    copied = {name: payload[name] for name in ("family", "seed")}
    return DerivedTrial(columns={**columns, **costs, **known, **copied, **texts})


def _adopt(trial: DerivedTrial, payload: dict[str, Any], time: float) -> None:
    """Apply the data that the events of schema 1 did not hold."""
    del time
    for rung, measured_at in payload["measured_at"].items():
        old = trial.measured[int(rung)]
        trial.measured[int(rung)] = MeasuredRows(
            score=old.score,
            num_items=old.num_items,
            measured_at=measured_at,
            result=old.result,
            scores=old.scores,
            task_scores=old.task_scores,
        )
    trial.columns |= {name: digest(canonical_json(payload[name])) for name in ("config", "sampler")}
    trial.columns |= {name: payload[name] for name in ("proposed_at", "started_at", "ended_at")}


def _run(trial: DerivedTrial, payload: dict[str, Any], time: float) -> None:
    del payload
    attempts = trial.columns["attempts"] + 1
    trial.columns |= {"state": "running", "attempts": attempts, "started_at": time, "ended_at": None, "error": None}


def _wait(trial: DerivedTrial, payload: dict[str, Any], time: float) -> None:
    attempts = trial.columns["attempts"] if payload["counts"] else max(0, trial.columns["attempts"] - 1)
    trial.columns |= {"state": "interrupted", "attempts": attempts, "ended_at": time}


def _stage(trial: DerivedTrial, payload: dict[str, Any], time: float) -> None:
    del time
    stage, rung = StageRun.model_validate(payload["stage"]), payload["rung"]
    _put_stages(trial, rung=rung, stages=with_stage(trial.all_stages, rung=rung, stage=stage))


def _note(trial: DerivedTrial, payload: dict[str, Any], time: float) -> None:
    """Change nothing: such an event has no effect on the derived tables."""
    del trial, payload, time


def _end(state: str) -> _Change:
    def end(trial: DerivedTrial, payload: dict[str, Any], time: float) -> None:
        trial.columns |= {"state": state, "ended_at": time}
        if state in {"finished", "failed"}:
            trial.columns["error"] = payload.get("error")

    return end


def _put_stages(trial: DerivedTrial, *, rung: int, stages: Iterable[StageRun]) -> None:
    lineage = merge(trial.all_stages, trial=trial.columns["number"], rung=rung, stages=tuple(stages))
    trial.stages[rung] = lineage.here
    trial.columns |= {"cost_paid_seconds": lineage.cost_paid_seconds, "steps_paid": lineage.steps_paid}


_CHANGES: dict[str, _Change] = {
    "adopted": _adopt,
    "running": _run,
    "waiting": _wait,
    "stage": _stage,
    **dict.fromkeys(("lost", "device_fault", "memory_retry", "recompute", "halved", "enlarged", "left_out"), _note),
    **{state: _end(state) for state in ("finished", "pruned", "failed", "interrupted")},
}

"""Changes rows of the record and says so in an event, inside the caller's transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any  # column values have no shared static type

from sqlalchemy import Connection, Table, delete, update

from search.errors import ResultDiffersError, StateError
from search.record import schema
from search.record.reading import read_stages, read_trial
from search.record.rows import JsonObject, Proposal, StageRow, State, TrialRow
from trainables.results import StageRun, TrialResult

_NOT_IN_TABLE = {"further", "is_trunk", "steps_before", "seconds_before"}
_FROM: dict[State, frozenset[State]] = {
    # A trial that runs may start again: its process may have been killed without a word.
    "running": frozenset({"proposed", "running", "interrupted", "failed"}),
    # A result is a result, also from a process that was taken for dead.
    "finished": frozenset({"proposed", "running", "interrupted", "failed"}),
    "pruned": frozenset({"running", "interrupted"}),
    "failed": frozenset({"proposed", "running", "interrupted", "failed"}),
    "interrupted": frozenset({"proposed", "running", "interrupted"}),
}


def add_event(connection: Connection, sweep: str, *, number: int | None, kind: str, payload: JsonObject) -> None:
    """Append an event."""
    values = {"time": time.time(), "sweep": sweep, "trial": number, "kind": kind, "payload": payload}
    connection.execute(schema.events.insert().values(values))


def add_trial(connection: Connection, sweep: str, *, number: int, proposal: Proposal) -> None:
    """Add a proposed trial."""
    values = proposal.model_dump(mode="json")
    fixed = {"state": "proposed", "attempts": 0, "cost_paid_seconds": 0.0, "cost_if_alone_seconds": 0.0}
    connection.execute(
        schema.trials.insert().values(sweep=sweep, number=number, proposed_at=time.time(), **fixed, **values)
    )
    kept = {name: values[name] for name in ("family", "assignment", "seed", "seen")}
    add_event(connection, sweep, number=number, kind="proposed", payload=kept)


def move(
    connection: Connection, trial: TrialRow, *, state: State, payload: JsonObject, kind: str = "", **columns: Any
) -> None:
    """Bring a trial into a state, told by an event of that name or of the kind given.

    Raises:
        StateError: It cannot go there from where it is.
    """
    if trial.state not in _FROM[state]:
        raise StateError(trial.sweep, number=trial.number, state=trial.state, wanted=state)
    change_trial(connection, trial, state=state, **columns)
    add_event(connection, trial.sweep, number=trial.number, kind=kind or state, payload=payload)


def change_trial(connection: Connection, trial: TrialRow, **columns: Any) -> None:
    """Set columns of a trial."""
    key = (schema.trials.c.sweep == trial.sweep, schema.trials.c.number == trial.number)
    connection.execute(update(schema.trials).where(*key).values(**columns))


def add_measurement(
    connection: Connection, trial: TrialRow, *, rung: int, score: float, result: TrialResult
) -> TrialRow:
    """Add what a trial scored at a rung, with its lineage there, and return the trial as it then is."""
    key = {"sweep": trial.sweep, "trial": trial.number, "rung": rung}
    stored = result.model_dump(mode="json")
    connection.execute(
        schema.measurements.insert().values(
            **key, score=score, num_items=result.num_items, result=stored, measured_at=time.time()
        )
    )
    _insert(connection, schema.scores, [key | row for row in _score_rows(result)])
    tasks = [{"task": task, "value": value} for task, value in result.task_scores.items()]
    _insert(connection, schema.task_scores, [key | row for row in tasks])
    put_stages(connection, trial, rung=rung, stages=result.stages)
    if trial.rung is None or rung >= trial.rung:
        alone = result.cost_if_alone_seconds
        change_trial(connection, trial, rung=rung, score=score, cost_if_alone_seconds=alone)
    add_event(connection, trial.sweep, number=trial.number, kind="measured", payload={"rung": rung, "result": stored})
    return read_trial(connection, trial.sweep, number=trial.number)


def put_stages(connection: Connection, trial: TrialRow, *, rung: int, stages: Sequence[StageRun]) -> None:
    """Write a trial's lineage at a rung over what stands there, and count its cost anew.

    A stage that an earlier attempt or rung of the same trial made stays paid by this trial, though the later one
    found it in the store.
    """
    before = read_stages(connection, trial.sweep, number=trial.number)
    paid = {stage.key: stage.seconds for stage in before if not stage.reused}
    paid |= {stage.key: stage.seconds for stage in stages if not stage.reused}
    here = (schema.stages.c.sweep == trial.sweep, schema.stages.c.trial == trial.number, schema.stages.c.rung == rung)
    connection.execute(delete(schema.stages).where(*here))
    # Stages of an earlier attempt that are not in the lineage stay, behind it: they were paid for.
    new_keys = {stage.key for stage in stages}
    left = [stage for stage in before if stage.rung == rung and stage.key not in new_keys and not stage.reused]
    # The table has no columns for the rest; the measurement's result says it.
    dumped = [stage.model_dump(exclude=_NOT_IN_TABLE) | {"reused": stage.key not in paid} for stage in stages]
    rows = dumped + [asdict(row) for row in left]
    fixed = {"sweep": trial.sweep, "trial": trial.number, "rung": rung}
    _insert(connection, schema.stages, [row | fixed | {"position": position} for position, row in enumerate(rows)])
    change_trial(connection, trial, cost_paid_seconds=sum(paid.values()))


def stage_run(row: StageRow) -> StageRun:
    """Return a stored stage as trials report it."""
    columns = (name for name in StageRun.model_fields if name not in _NOT_IN_TABLE)
    return StageRun.model_validate({name: getattr(row, name) for name in columns})


def check_same(trial: TrialRow, *, rung: int, stored: TrialResult, result: TrialResult) -> None:
    """Return when two results of a trial say the same; who made the stages, and how fast, may differ.

    Raises:
        ResultDiffersError: Scores or lineage differ.
    """
    if _essence(stored) == _essence(result):
        return
    msg = (
        f"trial {trial.number} of sweep {trial.sweep!r} was measured at rung {rung} with average {stored.average:.6g}, "
        f"and now again with {result.average:.6g}; a result is never changed: "
        f"see `xstilts show {trial.sweep} {trial.number}`, and search under another name to measure again"
    )
    raise ResultDiffersError(msg)


def _essence(result: TrialResult) -> tuple[object, ...]:
    keys = [stage.key for stage in result.stages]
    return result.languages, result.num_items, result.task_scores, keys, result.evaluations


def _score_rows(result: TrialResult) -> list[dict[str, Any]]:
    over = {"average": result.average, "worst": result.worst, "english": result.english}
    rows = [{"metric": name, "language": "", "value": value} for name, value in over.items() if value is not None]
    return rows + [{"metric": "accuracy", "language": code, "value": value} for code, value in result.languages.items()]


def _insert(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        connection.execute(table.insert(), rows)

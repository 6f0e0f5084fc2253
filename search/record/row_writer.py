"""Changes rows of the record and adds an event for each change, inside the caller's transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any  # column values have no shared static type

from sqlalchemy import Connection, bindparam, delete, select, update

from search.errors import ResultDiffersError, StateError
from search.record import schema
from search.record.chain import START, canonical_payload, link
from search.record.lineage import merge
from search.record.row_reader import read_measurement, read_stages, read_sweep
from search.record.rows import JsonObject, Proposal, Revision, StageRow, State, TrialRow, score_of
from spaces.objectives import BENCHMARKS
from trainables.evaluation.benchmarks import benchmark_average
from trainables.results import StageRun, TrialResult

_FROM: dict[State, frozenset[State]] = {
    # A running trial may start again: its process may have been killed before it could record that.
    "running": frozenset({"proposed", "running", "interrupted", "failed"}),
    # A result is valid also if it comes from a process that was believed dead.
    "finished": frozenset({"proposed", "running", "interrupted", "failed"}),
    "pruned": frozenset({"running", "interrupted"}),
    "failed": frozenset({"proposed", "running", "interrupted", "failed"}),
    "interrupted": frozenset({"proposed", "running", "interrupted"}),
}


# Built once, as in `row_reader`.
_LAST_LINK = (
    select(schema.events.c.chain)
    .where(schema.events.c.sweep == bindparam("sweep"))
    .order_by(schema.events.c.id.desc())
    .limit(1)
)
_CHANGE_TRIAL = update(schema.trials).where(
    schema.trials.c.sweep == bindparam("of_sweep"), schema.trials.c.number == bindparam("of_number")
)
_INSERTS = {table.name: table.insert() for table in schema.METADATA.sorted_tables}

LAST_EVENT = "xstilts_last_event"
"""Key of a connection's `info` under which id and chain value of its last added event are kept."""


def add_event(
    connection: Connection, sweep: str, *, number: int | None, kind: str, payload: JsonObject, at: float
) -> None:
    """Append an event, with a chain value that links it to the sweep's previous event.

    Args:
        connection: A transaction that has locked the sweep.
        sweep: Name of the sweep.
        number: The trial's number; None for an event of the sweep.
        kind: Kind of the event.
        payload: Its details.
        at: Its time, seconds since 1970; the derived rows have the same time.
    """
    before = connection.scalar(_LAST_LINK, {"sweep": sweep}) or START
    chain = link(before, time=at, sweep=sweep, trial=number, kind=kind, payload=canonical_payload(payload))
    values = {"time": at, "sweep": sweep, "trial": number, "kind": kind, "payload": payload, "chain": chain}
    key = connection.execute(_INSERTS["events"], values).inserted_primary_key
    assert key is not None  # noqa: S101  one row was inserted
    connection.info[LAST_EVENT] = (key[0], chain)


def add_trial(connection: Connection, sweep: str, *, number: int, proposal: Proposal) -> None:
    """Add a proposed trial."""
    now = time.time()
    values = proposal.model_dump(mode="json")
    costs = ("cost_paid_seconds", "cost_if_alone_seconds", "steps_paid", "steps_if_alone")
    fixed = {"state": "proposed", "attempts": 0, **dict.fromkeys(costs, 0)}
    row = {"sweep": sweep, "number": number, "proposed_at": now, **fixed, **values}
    connection.execute(_INSERTS["trials"], row)
    add_event(connection, sweep, number=number, kind="proposed", payload=values, at=now)


def move(
    connection: Connection,
    trial: TrialRow,
    *,
    state: State,
    payload: JsonObject,
    time_column: str,
    kind: str = "",
    **columns: Any,
) -> None:
    """Change a trial's state, and add an event of this kind.

    Args:
        connection: A transaction that has locked the sweep.
        trial: The trial before the change.
        state: The new state.
        payload: Details of the event.
        time_column: Column of the trial that gets the event's time.
        kind: Kind of the event; empty for the state's name.
        **columns: Other columns that change.

    Raises:
        StateError: The trial cannot change from its present state to the new one.
    """
    if trial.state not in _FROM[state]:
        raise StateError(trial.sweep, number=trial.number, state=trial.state, wanted=state)
    now = time.time()
    change_trial(connection, trial, state=state, **{time_column: now}, **columns)
    add_event(connection, trial.sweep, number=trial.number, kind=kind or state, payload=payload, at=now)


def revise(connection: Connection, sweep: str, *, revision: Revision) -> None:
    """Change a sweep's spec, and exclude the trials that do not count with the new one."""
    trials = schema.trials.c
    change = update(schema.trials).where(trials.sweep == sweep)
    connection.execute(update(schema.sweeps).where(schema.sweeps.c.name == sweep).values(spec=revision.spec))
    connection.execute(change.values(set_aside=None))
    for number, reason in revision.set_aside.items():
        connection.execute(change.where(trials.number == int(number)).values(set_aside=reason))
    for number, assignment in revision.assignments.items():
        connection.execute(change.where(trials.number == int(number)).values(assignment=assignment))
    payload = revision.model_dump(mode="json")
    add_event(connection, sweep, number=None, kind="revised", payload=payload, at=time.time())


def change_trial(connection: Connection, trial: TrialRow, **columns: Any) -> None:
    """Set columns of a trial."""
    connection.execute(_CHANGE_TRIAL, {"of_sweep": trial.sweep, "of_number": trial.number, **columns})


def add_measurement(
    connection: Connection,
    trial: TrialRow,
    *,
    rung: int,
    score: float,
    result: TrialResult,
    goals: Sequence[str] = (),
) -> None:
    """Add a trial's result at a rung, with its lineage there.

    Args:
        connection: A transaction that has locked the sweep.
        trial: The trial before the change.
        rung: The rung.
        score: The sweep's first objective.
        result: What was measured.
        goals: The sweep's objectives; those that are a benchmark's average get a row in `scores`.
    """
    now = time.time()
    key = {"sweep": trial.sweep, "trial": trial.number, "rung": rung}
    stored = result.model_dump(mode="json")
    row = {**key, "score": score, "num_items": result.num_items, "result": stored, "measured_at": now}
    _insert(connection, "measurements", [row])
    _insert(connection, "scores", [key | row for row in score_rows(result, goals=goals)])
    tasks = [{"task": task, "value": value} for task, value in result.task_scores.items()]
    _insert(connection, "task_scores", [key | row for row in tasks])
    columns: dict[str, Any] = put_stages(connection, trial, rung=rung, stages=result.stages)
    if trial.rung is None or rung >= trial.rung:
        alone = {"cost_if_alone_seconds": result.cost_if_alone_seconds, "steps_if_alone": result.steps_if_alone}
        columns |= {"rung": rung, "score": score, **alone}
    change_trial(connection, trial, **columns)
    payload: JsonObject = {"rung": rung, "result": stored}
    add_event(connection, trial.sweep, number=trial.number, kind="measured", payload=payload, at=now)


def measure(connection: Connection, trial: TrialRow, *, result: TrialResult, rung: int) -> float:
    """Add a measurement and return its score; if there is one already, check that it is the same."""
    known = read_measurement(connection, trial.sweep, number=trial.number, rung=rung)
    if known is not None:
        check_same(trial, rung=rung, stored=known.trial_result, result=result)
        return known.score
    sweep = read_sweep(connection, trial.sweep)
    score = score_of(result, sweep.objective)
    add_measurement(connection, trial, rung=rung, score=score, result=result, goals=sweep.goals)
    return score


def put_stages(
    connection: Connection, trial: TrialRow, *, rung: int, stages: Sequence[StageRun]
) -> dict[str, float | int]:
    """Replace a trial's lineage at a rung; see `lineage.merge`.

    Returns:
        The trial's columns of its cost; the caller writes them.
    """
    before = read_stages(connection, trial.sweep, number=trial.number)
    lineage = merge(before, trial=trial.number, rung=rung, stages=stages)
    if any(row.rung == rung for row in before):
        here = (schema.stages.c.sweep == trial.sweep, schema.stages.c.trial == trial.number)
        connection.execute(delete(schema.stages).where(*here, schema.stages.c.rung == rung))
    names = StageRow.__slots__
    rows = [{name: getattr(row, name) for name in names} | {"sweep": trial.sweep} for row in lineage.here]
    _insert(connection, "stages", rows)
    return {"cost_paid_seconds": lineage.cost_paid_seconds, "steps_paid": lineage.steps_paid}


def check_same(trial: TrialRow, *, rung: int, stored: TrialResult, result: TrialResult) -> None:
    """Check that two results of a trial have the same scores and stages; times, and who made a stage, may differ.

    Raises:
        ResultDiffersError: Scores or lineage differ.
    """
    if _essence(stored) == _essence(result):
        return
    msg = (
        f"trial {trial.number} of sweep {trial.sweep!r} has the average {stored.average:.6g} at rung {rung} on record, "
        f"and was now measured with {result.average:.6g}; a recorded result never changes: see `xstilts show "
        f"{trial.sweep} {trial.number}`, and start a sweep of another name to measure again"
    )
    raise ResultDiffersError(msg)


def _essence(result: TrialResult) -> tuple[object, ...]:
    keys = [stage.key for stage in result.stages if not stage.is_trunk]  # a trial that reuses a stage has no trunk
    return result.languages, result.num_items, result.task_scores, keys, result.evaluations


def score_rows(result: TrialResult, *, goals: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of a result in `scores`, without the trial's key.

    Args:
        result: What was measured.
        goals: The sweep's objectives; those that are a benchmark's average have a row.
    """
    over = {"average": result.average, "worst": result.worst, "english": result.english}
    over |= {goal: benchmark_average(result.evaluations, benchmark=goal) for goal in goals if goal in BENCHMARKS}
    rows = [{"metric": name, "language": "", "value": value} for name, value in over.items() if value is not None]
    return rows + [{"metric": "accuracy", "language": code, "value": value} for code, value in result.languages.items()]


def _insert(connection: Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        connection.execute(_INSERTS[table], rows)

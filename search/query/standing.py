"""How sweeps and trials stand."""

from __future__ import annotations

from sqlalchemy import Connection, RowMapping, case, func, select

from search.query.answers import Happening, RungScore, StageOfTrial, SweepStatus, TrialReport, tasks_of
from search.record import Event, Measurement, Record, SetApart, StageRow, State, SweepRow, schema
from search.record.device_faults import FAULT_EVENTS, device_faults, set_apart
from search.record.reading import (
    count_set_aside,
    count_states,
    read_events_of,
    read_measurements,
    read_stages,
    read_sweep,
    read_sweeps,
    read_trial,
)


def sweep_statuses(record: Record) -> tuple[SweepStatus, ...]:
    """Return how every sweep stands, the oldest first."""
    with record.engine.begin() as connection:
        return tuple(_status(connection, sweep) for sweep in read_sweeps(connection))


def sweep_status(record: Record, *, sweep: str) -> SweepStatus:
    """Return how one sweep stands.

    Raises:
        UnknownSweepError: There is no such sweep.
    """
    with record.engine.begin() as connection:
        return _status(connection, read_sweep(connection, sweep))


def places_set_apart(record: Record, *, sweep: str) -> tuple[SetApart, ...]:
    """Return the hosts and GPUs that a sweep's trials are kept away from, because they failed too often."""
    with record.engine.begin() as connection:
        return _set_apart(connection, sweep)


def report_trial(record: Record, *, sweep: str, number: int) -> TrialReport:
    """Return everything the record has about one trial.

    Raises:
        UnknownSweepError: There is no such sweep.
        UnknownTrialError: The sweep has no such trial.
    """
    with record.engine.begin() as connection:
        row = read_sweep(connection, sweep)
        trial = read_trial(connection, sweep, number=number)
        measurements = read_measurements(connection, sweep, number=number)
        stages = read_stages(connection, sweep, number=number)
        events = read_events_of(connection, sweep, kinds=_HAPPENINGS, trial=number)
    copied = set(TrialReport.model_fields) & set(trial.__slots__)
    return TrialReport(
        **{name: getattr(trial, name) for name in copied},
        trial=number,
        objective=row.objective,
        tasks=tasks_of(trial.config, result=measurements[-1].trial_result if measurements else None),
        own_tasks=row.own_tasks,
        rungs=tuple(_rung(measurement) for measurement in measurements),
        stages=tuple(_stage(stage) for stage in stages),
        happenings=tuple(_happening(event) for event in events),
    )


_HAPPENINGS = ("lost", "device_fault", "memory_retry", "halved", "enlarged")
"""Kinds of events that tell what went wrong with a trial on its way, or was tried because of that."""


def _happening(event: Event) -> Happening:
    given = {name: event.payload.get(name) for name in ("stage", "error", "place", "tokens_before", "tokens_after")}
    return Happening.model_validate({"kind": event.kind, "time": event.time, **given})


def _set_apart(connection: Connection, sweep: str) -> tuple[SetApart, ...]:
    return set_apart(device_faults(read_events_of(connection, sweep, kinds=FAULT_EVENTS)))


def _rung(measurement: Measurement) -> RungScore:
    result = measurement.trial_result
    return RungScore(
        rung=measurement.rung,
        score=measurement.score,
        num_items=result.num_items,
        languages=result.languages,
        task_scores=result.task_scores,
        trained=result.trained,
        evaluations=result.evaluations,
        split_rows=result.split_rows,
    )


def _stage(stage: StageRow) -> StageOfTrial:
    return StageOfTrial.model_validate({name: getattr(stage, name) for name in StageOfTrial.model_fields})


def _status(connection: Connection, sweep: SweepRow) -> SweepStatus:
    states = count_states(connection, sweep.name)
    best = _best(connection, sweep.name)
    costs = _costs(connection, sweep.name)
    made, reused = _count_stages(connection, sweep.name)
    return SweepStatus(
        sweep=sweep.name,
        objective=sweep.objective,
        goals=sweep.goals,
        planned_trials=sweep.planned_trials,
        states=states,
        num_set_aside=count_set_aside(connection, sweep.name),
        set_apart=_set_apart(connection, sweep.name),
        best_trial=best[0] if best else None,
        best_score=best[1] if best else None,
        cost_paid_seconds=costs["cost_paid_seconds"] or 0.0,
        cost_if_alone_seconds=costs["cost_if_alone_seconds"] or 0.0,
        steps_paid=costs["steps_paid"] or 0,
        steps_if_alone=costs["steps_if_alone"] or 0,
        num_stages_made=made,
        num_stages_reused=reused,
        mean_trial_seconds=costs["mean_seconds"],
        seconds_left=_seconds_left(states, sweep.planned_trials, costs["mean_seconds"]),
        created_at=sweep.created_at,
    )


def _best(connection: Connection, sweep: str) -> tuple[int, float] | None:
    trials = schema.trials.c
    finished = (trials.sweep == sweep, trials.state == "finished", trials.score.is_not(None))
    counting = trials.set_aside.is_(None)
    query = (
        select(trials.number, trials.score)
        .where(*finished, counting)
        .order_by(trials.score.desc(), trials.number)
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return (row[0], row[1]) if row else None


def _costs(connection: Connection, sweep: str) -> RowMapping:
    trials = schema.trials.c
    summed = ("cost_paid_seconds", "cost_if_alone_seconds", "steps_paid", "steps_if_alone")
    took = case((trials.state == "finished", trials.ended_at - trials.started_at))
    sums = (*(func.sum(trials[name]).label(name) for name in summed), func.avg(took).label("mean_seconds"))
    return connection.execute(select(*sums).where(trials.sweep == sweep)).mappings().one()


def _count_stages(connection: Connection, sweep: str) -> tuple[int, int]:
    stages = schema.stages.c
    # A stage is in the lineage of several rungs of one trial; it was made, or found, once.
    query = select(stages.reused, stages.trial, stages.key).where(stages.sweep == sweep).distinct().subquery()
    counts = connection.execute(select(query.c.reused, func.count()).group_by(query.c.reused))
    by_reused = {bool(row[0]): row[1] for row in counts}
    return by_reused.get(False, 0), by_reused.get(True, 0)


def _seconds_left(states: dict[State, int], planned: int, mean_seconds: float | None) -> float | None:
    running = states.get("running", 0)
    if not running or mean_seconds is None:
        return None
    done = sum(states.get(state, 0) for state in ("finished", "pruned", "failed"))
    return max(0, planned - done) * mean_seconds / running

"""Queries of the progress of sweeps, and of everything about one trial."""

from __future__ import annotations

from typing import Any  # Any: fields of two models, which check them

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, case, func, select

from search.query.query_results import Incident, RungScore, StageOfTrial, SweepStatus, TrialReport, tasks_of
from search.record import Event, Measurement, QuarantinedPlace, Record, StageRow, State, SweepRow, schema
from search.record.device_faults import FAULT_EVENTS, device_faults, find_quarantined
from search.record.row_reader import (
    count_set_aside,
    count_states,
    read_events_of,
    read_measurements,
    read_stages,
    read_sweep,
    read_sweeps,
    read_trial,
)
from search.sampler.contract import CONTINUES
from trainables.results import TrialMeasurements


def sweep_statuses(record: Record) -> tuple[SweepStatus, ...]:
    """Return the progress of all sweeps, the oldest first."""
    with record.engine.begin() as connection:
        return tuple(_status(connection, sweep) for sweep in read_sweeps(connection))


def sweep_status(record: Record, *, sweep: str) -> SweepStatus:
    """Return the progress of one sweep.

    Raises:
        UnknownSweepError: There is no such sweep.
    """
    with record.engine.begin() as connection:
        return _status(connection, read_sweep(connection, sweep))


def quarantined_places(record: Record, *, sweep: str) -> tuple[QuarantinedPlace, ...]:
    """Return the quarantined hosts and GPUs of a sweep: they failed twice, and no trial starts there."""
    with record.engine.begin() as connection:
        return _quarantined_places(connection, sweep)


def report_trial(record: Record, *, sweep: str, number: int) -> TrialReport:
    """Return everything that the record has about one trial.

    Raises:
        UnknownSweepError: There is no such sweep.
        UnknownTrialError: The sweep has no such trial.
    """
    with record.engine.begin() as connection:
        row = read_sweep(connection, sweep)
        trial = read_trial(connection, sweep, number=number)
        measurements = read_measurements(connection, sweep, number=number)
        stages = read_stages(connection, sweep, number=number)
        events = read_events_of(connection, sweep, kinds=_INCIDENTS, trial=number)
        lower_rungs = _costs_of_lower_rungs(connection, sweep, trial=number)
    copied = set(TrialReport.model_fields) & set(trial.__slots__)
    return TrialReport(
        **{name: getattr(trial, name) for name in copied},
        trial=number,
        continues=continued if isinstance(continued := trial.sampler.get(CONTINUES), int) else None,
        objective=row.objective,
        tasks=tasks_of(trial.config, result=measurements[-1].trial_result if measurements else None),
        own_tasks=row.own_tasks,
        rungs=tuple(_rung(measurement) for measurement in measurements),
        stages=tuple(_stage(stage) for stage in stages),
        **lower_rungs,
        happenings=tuple(_incident(event) for event in events),
    )


_INCIDENTS = ("lost", "device_fault", "memory_retry", "recompute", "halved", "enlarged")
"""Kinds of events about a problem during a trial, or about what was tried after it."""


def _incident(event: Event) -> Incident:
    fields = {name: event.payload.get(name) for name in ("stage", "error", "place", "tokens_before", "tokens_after")}
    return Incident.model_validate({"kind": event.kind, "time": event.time, **fields})


def _quarantined_places(connection: Connection, sweep: str) -> tuple[QuarantinedPlace, ...]:
    return find_quarantined(device_faults(read_events_of(connection, sweep, kinds=FAULT_EVENTS)))


def _rung(measurement: Measurement) -> RungScore:
    result = measurement.trial_result
    return RungScore(
        rung=measurement.rung,
        score=measurement.score,
        **{name: getattr(result, name) for name in TrialMeasurements.model_fields},
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
        goal_meanings=tuple(filter(None, map(sweep.meaning_of, sweep.goals))),
        planned_trials=sweep.planned_trials,
        states=states,
        num_set_aside=count_set_aside(connection, sweep.name),
        set_apart=_quarantined_places(connection, sweep.name),
        best_trial=best[0] if best else None,
        best_score=best[1] if best else None,
        cost_paid_seconds=costs["cost_paid_seconds"] or 0.0,
        cost_if_alone_seconds=costs["cost_if_alone_seconds"] or 0.0,
        steps_paid=costs["steps_paid"] or 0,
        steps_if_alone=costs["steps_if_alone"] or 0,
        **_costs_unshared(connection, sweep.name),
        **(_costs_of_lower_rungs(connection, sweep.name) if _has_rungs(sweep) else {}),
        steps_to_end=_steps_to_end(connection, sweep, if_alone=costs["steps_if_alone"] or 0),
        num_stages_made=made,
        num_stages_reused=reused,
        num_combined=_count_combined(connection, sweep.name),
        **_removed(connection, sweep.name),
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


def _costs_unshared(connection: Connection, sweep: str) -> dict[str, Any]:
    """Return steps and seconds had no trial reused a stage of another: with its lower rungs, and what it lost.

    A trial would have paid for its whole lineage and for the stages of its lower rungs, and at least for what it made:
    a trial that has no result yet, or was started again, has made stages that are not in its lineage.
    """
    trials, lower = schema.trials.c, _stages_of_lower_rungs(sweep).subquery()
    of_trial = select(lower.c.trial, *(func.sum(lower.c[name]).label(name) for name in ("steps", "seconds")))
    sums = of_trial.group_by(lower.c.trial).subquery()

    def total(paid: ColumnElement[Any], alone: ColumnElement[Any], of_lower: ColumnElement[Any]) -> ColumnElement[Any]:
        unshared = alone + func.coalesce(of_lower, 0)
        return func.sum(case((unshared > paid, unshared), else_=paid))

    steps = total(trials.steps_paid, trials.steps_if_alone, sums.c.steps)
    seconds = total(trials.cost_paid_seconds, trials.cost_if_alone_seconds, sums.c.seconds)
    joined = schema.trials.outerjoin(sums, sums.c.trial == trials.number)
    found = connection.execute(select(steps, seconds).select_from(joined).where(trials.sweep == sweep)).one()
    # PostgreSQL sums whole numbers as decimals.
    return {"steps_unshared": int(found[0] or 0), "seconds_unshared": float(found[1] or 0.0)}


def _has_rungs(sweep: SweepRow) -> bool:
    return sweep.rungs.num != 1


def _costs_of_lower_rungs(connection: Connection, sweep: str, *, trial: int | None = None) -> dict[str, Any]:
    """Return steps and seconds of the stages that trials made and that only their lower rungs used.

    A trunk is not among them: the next rung continues it, so its steps are those of the next rung too.
    """
    query = _stages_of_lower_rungs(sweep, trial=trial, only_made=True).subquery()
    steps, seconds = connection.execute(select(func.sum(query.c.steps), func.sum(query.c.seconds))).one()
    return {"steps_of_lower_rungs": steps or 0, "seconds_of_lower_rungs": seconds or 0.0}


def _stages_of_lower_rungs(
    sweep: str, *, trial: int | None = None, only_made: bool = False
) -> Select[Any, Any, Any, Any]:
    """Return the query of trial, key, steps and seconds of the stages that only a trial's lower rungs used."""
    stages, trials = schema.stages, schema.trials.c
    higher = stages.alias()
    is_used = (higher.c.sweep == sweep, higher.c.trial == stages.c.trial, higher.c.key == stages.c.key)
    used = select(higher.c.key).where(*is_used, higher.c.rung == trials.rung).correlate(stages, schema.trials).exists()
    wanted = [stages.c.sweep == sweep, stages.c.is_trunk.is_(False)]
    wanted += [stages.c.reused.is_(False)] * only_made + ([] if trial is None else [trials.number == trial])
    return (
        select(stages.c.trial, stages.c.key, stages.c.steps, stages.c.seconds)
        .join(schema.trials, (trials.sweep == stages.c.sweep) & (trials.number == stages.c.trial))
        .where(*wanted, stages.c.rung < trials.rung, ~used)
        .distinct()
    )


def _steps_to_end(connection: Connection, sweep: SweepRow, *, if_alone: int) -> int:
    """Return the steps of all measured trials at their last rung, where growing phases have their full length."""
    rungs, trials, stages = sweep.rungs, schema.trials.c, schema.stages.c
    if rungs.num == 1:
        return if_alone
    of_highest = (stages.sweep == trials.sweep, stages.trial == trials.number, stages.rung == trials.rung)
    counted = (trials.sweep == sweep.name, trials.rung < rungs.last, stages.phase.in_(rungs.grow))
    query = (
        select(trials.rung, func.sum(stages.steps + stages.steps_before))
        .where(*of_highest, *counted, stages.is_trunk.is_(False), *([] if rungs.further else [stages.further == ""]))
        .group_by(trials.rung)
    )
    longer = ((rung, steps) for rung, steps in connection.execute(query))
    return if_alone + sum(round(steps * (1 / rungs.share(rung) - 1)) for rung, steps in longer)


def _count_stages(connection: Connection, sweep: str) -> tuple[int, int]:
    stages = schema.stages.c
    # A stage can be in the lineage of several rungs of one trial: count it once.
    query = select(stages.reused, stages.trial, stages.key).where(stages.sweep == sweep).distinct().subquery()
    counts = connection.execute(select(query.c.reused, func.count()).group_by(query.c.reused))
    by_reused = {bool(row[0]): row[1] for row in counts}
    return by_reused.get(False, 0), by_reused.get(True, 0)


def _count_combined(connection: Connection, sweep: str) -> int:
    """Return the number of merges and averages: the stages of such phases that are no input of another one."""
    stages, trials = schema.stages.c, schema.trials.c
    is_of_trial = (trials.sweep == stages.sweep) & (trials.number == stages.trial)
    is_merge = (stages.phase == "intermediate") & trials.config["intermediate", "merge", "method"].as_string().is_not(
        None
    )
    is_average = (stages.phase == "target") & trials.config["target", "average", "select"].as_string().is_not(None)
    query = (
        select(func.count(func.distinct(stages.key)))
        .join_from(schema.stages, schema.trials, is_of_trial)
        .where(stages.sweep == sweep, stages.is_trunk.is_(False), stages.further == "", is_merge | is_average)
    )
    return connection.execute(query).scalar_one()


def _removed(connection: Connection, sweep: str) -> dict[str, int]:
    """Return the number and the bytes of the stages that were removed while the sweep ran; one can go several times."""
    payloads = [event.payload for event in read_events_of(connection, sweep, kinds=("removed",))]
    stages = [keys for payload in payloads if isinstance(keys := payload.get("stages"), list)]
    sizes = [num_bytes for payload in payloads if isinstance(num_bytes := payload.get("num_bytes"), int)]
    return {"num_removed": sum(map(len, stages)), "removed_bytes": sum(sizes)}


def _seconds_left(states: dict[State, int], planned: int, mean_seconds: float | None) -> float | None:
    running = states.get("running", 0)
    if not running or mean_seconds is None:
        return None
    done = sum(states.get(state, 0) for state in ("finished", "pruned", "failed"))
    return max(0, planned - done) * mean_seconds / running

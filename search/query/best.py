"""Queries of the best configurations of a sweep."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, RowMapping, func, select

from search.errors import FilterError
from search.query.filters import compile_filter, score_column
from search.query.query_results import BestOfFamily, BestTrial, tasks_of
from search.record import STATES, Record, State, SweepRow, schema
from search.record.goals import goal_column, metric_column
from search.record.row_reader import count_set_aside, read_sweep
from spaces.objectives import BENCHMARKS, unbeaten, upwards
from trainables.results import TrialResult

_MOST_ASKED = 10_000
"""Trials that one statement names: databases limit its values (SQLite to 32,766, PostgreSQL to 65,535)."""


def best(
    record: Record,
    *,
    sweep: str,
    top: int = 10,
    metric: str | None = None,
    where: str | Sequence[str] | None = None,
    states: Sequence[State] = ("finished",),
) -> tuple[BestTrial, ...]:
    """Return a sweep's best trials, the best first; of equal trials the earlier one, and excluded trials last.

    Args:
        record: Record with the sweep.
        sweep: Name of the sweep.
        top: The most trials to return.
        metric: `average`, `english`, `worst`, or a language code, or an objective of the sweep; None: its first one.
        where: One or several `--where` expressions that the trials must match.
        states: States of the trials to rank. The score of a trial is that of its highest measured rung.

    Raises:
        UnknownSweepError: There is no such sweep.
        FilterError: The metric or an expression is wrong.
    """
    with record.engine.begin() as connection:
        row = read_sweep(connection, sweep)
        score = _score(row, metric)
        query = select(schema.trials, score.label("metric_value")).where(*_counting(row, score, where, states))
        query = query.order_by(score.desc(), schema.trials.c.number)
        set_aside = schema.trials.c.set_aside
        # Two queries: the first one reads its rows in the order of the index, and only as many as needed.
        found = [*connection.execute(query.where(set_aside.is_(None)).limit(top)).mappings()]
        if len(found) < top and count_set_aside(connection, sweep):
            found += connection.execute(query.where(set_aside.is_not(None)).limit(top - len(found))).mappings()
        return _answers(connection, found, metric=metric or row.objective)


def scores(
    record: Record, *, sweep: str, metric: str | None = None, where: str | Sequence[str] | None = None
) -> dict[int, float]:
    """Return number -> metric of a sweep's finished trials, the best first, without excluded trials.

    Args:
        record: Record with the sweep.
        sweep: Name of the sweep.
        metric: As in `best`.
        where: As in `best`.

    Raises:
        UnknownSweepError: There is no such sweep.
        FilterError: The metric or an expression is wrong.
    """
    with record.engine.begin() as connection:
        row, trials = read_sweep(connection, sweep), schema.trials.c
        score = _score(row, metric)
        counting = (*_counting(row, score, where, ("finished",)), trials.set_aside.is_(None))
        rows = connection.execute(select(trials.number, score).where(*counting).order_by(score.desc(), trials.number))
        return {row[0]: row[1] for row in rows}


def best_of_families(
    record: Record,
    *,
    sweep: str,
    top: int = 1,
    metric: str | None = None,
    where: str | Sequence[str] | None = None,
    states: Sequence[State] = ("finished",),
) -> tuple[BestOfFamily, ...]:
    """Return the best trials of each family, the best family first, without excluded trials.

    Args:
        record: Record with the sweep.
        sweep: Name of the sweep.
        top: The most trials of each family.
        metric: As in `best`.
        where: As in `best`.
        states: As in `best`.

    Raises:
        UnknownSweepError: There is no such sweep.
        FilterError: The metric or an expression is wrong.
    """
    with record.engine.begin() as connection:
        row = read_sweep(connection, sweep)
        score = _score(row, metric)
        trials = schema.trials.c
        ranks = func.row_number().over(partition_by=trials.family, order_by=(score.desc(), trials.number))
        num = func.count().over(partition_by=trials.family).label("num_in_family")
        mean = func.avg(score).over(partition_by=trials.family).label("mean_in_family")
        ranked = select(schema.trials, score.label("metric_value"), ranks.label("place"), num, mean)
        inner = ranked.where(*_counting(row, score, where, states), trials.set_aside.is_(None)).subquery()
        outer = select(inner).where(inner.c.place <= top)
        first = func.max(inner.c.metric_value).over(partition_by=inner.c.family)
        found = connection.execute(outer.order_by(first.desc(), inner.c.family, inner.c.place)).mappings().all()
        answers = _answers(connection, found, metric=metric or row.objective)
    extra = ("num_in_family", "mean_in_family")
    return tuple(
        BestOfFamily(**dict(answer), **{name: row[name] for name in extra})
        for answer, row in zip(answers, found, strict=True)
    )


def best_at_rung(
    record: Record,
    *,
    sweep: str,
    rung: int,
    top: int = 10,
    metric: str | None = None,
    where: str | Sequence[str] | None = None,
) -> tuple[BestTrial, ...]:
    """Return the best trials by their scores at a rung, including pruned trials, without excluded ones.

    Args:
        record: Record with the sweep.
        sweep: Name of the sweep.
        rung: Number of the rung, from 0.
        top: The most trials to return.
        metric: As in `best`.
        where: As in `best`.

    Raises:
        UnknownSweepError: There is no such sweep.
        FilterError: The metric or an expression is wrong.
    """
    with record.engine.begin() as connection:
        row = read_sweep(connection, sweep)
        score = _score(row, metric, rung=rung)
        query = select(schema.trials, score.label("metric_value")).where(*_counting(row, score, where, STATES))
        query = query.where(schema.trials.c.set_aside.is_(None)).order_by(score.desc(), schema.trials.c.number)
        found = connection.execute(query.limit(top)).mappings().all()
        return _answers(connection, found, metric=metric or row.objective, rung=rung)


def pareto(
    record: Record, *, sweep: str, metric: str | None = None, where: str | Sequence[str] | None = None
) -> tuple[BestTrial, ...]:
    """Return the Pareto front of a sweep's finished trials, the best score first, without excluded trials.

    A trial is on the front if no other trial beats it. One trial beats another if it is at least as good in all
    objectives and better in one. A sweep with one objective has `seconds` as its second one.

    Args:
        record: Record with the sweep.
        sweep: Name of the sweep.
        metric: As in `best`; if it is given, it and `seconds` replace the sweep's objectives.
        where: As in `best`; trials that do not match are not compared.

    Raises:
        UnknownSweepError: There is no such sweep.
        FilterError: The metric or an expression is wrong.
    """
    with record.engine.begin() as connection:
        row = read_sweep(connection, sweep)
        score, trials = _score(row, metric), schema.trials.c
        others = pareto_goals(row, metric=metric)[1:]
        counting = (*_counting(row, score, where, ("finished",)), trials.set_aside.is_(None))
        values = (score, *map(goal_column, others))
        points = connection.execute(select(trials.number, *values).where(*counting)).all()
        known = [point for point in points if None not in point]
        goals = (row.objective, *others)
        front = {known[index][0] for index in unbeaten([upwards(point[1:], goals=goals) for point in known])}
        query = select(schema.trials, score.label("metric_value")).where(*counting, trials.number.in_(front))
        found = connection.execute(query.order_by(score.desc(), trials.number)).mappings().all()
        return _answers(connection, found, metric=metric or row.objective)


def pareto_goals(sweep: SweepRow, *, metric: str | None = None) -> tuple[str, ...]:
    """Return the objectives that `pareto` compares: those of the sweep, or one score and `seconds`."""
    if metric is not None or len(sweep.goals) == 1:
        return (metric or sweep.objective, "seconds")
    return sweep.goals


def _score(sweep: SweepRow, metric: str | None, *, rung: int | None = None) -> ColumnElement[float]:
    if rung is None and metric in {None, sweep.objective}:
        return schema.trials.c.score
    name = metric or sweep.objective
    if name not in BENCHMARKS:
        return score_column(name, rung=rung)
    if name not in sweep.goals:
        rule = f"only a sweep with the objective {name} has it at each rung, and {sweep.name!r} has {sweep.objective}"
        raise FilterError(f"cannot rank by {name!r} here: {rule}; rank by the highest rung, or by another metric")
    return metric_column(name, rung=rung)


def _counting(
    sweep: SweepRow, score: ColumnElement[float], where: str | Sequence[str] | None, states: Sequence[State]
) -> list[ColumnElement[bool]]:
    trials = schema.trials.c
    conditions = [trials.sweep == sweep.name, trials.state.in_(states), score.is_not(None)]
    expressions = [where] if isinstance(where, str) else where or ()
    return [*conditions, *map(compile_filter, expressions)]


def _answers(
    connection: Connection, rows: Sequence[RowMapping], *, metric: str, rung: int | None = None
) -> tuple[BestTrial, ...]:
    if not rows:
        return ()
    rungs = {row["number"]: row["rung"] if rung is None else rung for row in rows}
    measured = _measured(connection, rows[0]["sweep"], rungs=rungs)
    return tuple(_answer(row, measured[row["number"]], metric=metric) for row in rows)


def _answer(row: RowMapping, measured: RowMapping, *, metric: str) -> BestTrial:
    result = measured["result"]
    copied = ("sweep", "state", "family", "config", "seed", "assignment", "set_aside")
    costs = ("cost_paid_seconds", "cost_if_alone_seconds", "steps_paid", "steps_if_alone")
    return BestTrial(
        **{name: row[name] for name in copied + costs},
        trial=row["number"],
        rung=measured["rung"],
        score=row["metric_value"],
        metric=metric,
        tasks=tasks_of(row["config"], result=TrialResult.model_validate(result)),
        languages=result["languages"],
        task_scores=result["task_scores"],
        # The result has the lineage; the rows of `stages` also have stages of earlier attempts.
        # Trunks are left out: a trial that finds the whole phase does not use the trunk, and garbage collection may
        # delete it.
        stages=tuple(stage["key"] for stage in result["stages"] if not stage.get("is_trunk")),
        num_items=measured["num_items"],
        evaluations=result.get("evaluations", {}),
    )


def _measured(connection: Connection, sweep: str, *, rungs: dict[int, int]) -> dict[int, RowMapping]:
    table, at_rung = schema.measurements, dict[int, list[int]]()
    for number, rung in rungs.items():
        at_rung.setdefault(rung, []).append(number)
    found: dict[int, RowMapping] = {}
    for rung, numbers in at_rung.items():
        for start in range(0, len(numbers), _MOST_ASKED):
            asked = table.c.trial.in_(numbers[start : start + _MOST_ASKED])
            query = select(table).where(table.c.sweep == sweep, table.c.rung == rung, asked)
            found |= {row["trial"]: row for row in connection.execute(query).mappings()}
    return found

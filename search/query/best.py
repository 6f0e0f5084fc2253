"""The best configurations of a sweep."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, RowMapping, func, select

from search.query.answers import BestOfFamily, BestTrial, tasks_of
from search.query.filters import compile_filter, score_column
from search.record import STATES, Record, State, SweepRow, schema
from search.record.goals import goal_column
from search.record.reading import count_set_aside, read_sweep
from spaces.objectives import unbeaten, upwards
from trainables.results import TrialResult


def best(
    record: Record,
    *,
    sweep: str,
    top: int = 10,
    metric: str | None = None,
    where: str | Sequence[str] | None = None,
    states: Sequence[State] = ("finished",),
) -> tuple[BestTrial, ...]:
    """Return a sweep's best trials, the best first; among equals the one proposed first. Those set aside come last.

    Args:
        record: Where the sweep is.
        sweep: Its name.
        top: How many at most.
        metric: `average`, `english`, `worst`, or a language code; None takes the sweep's objective.
        where: `--where` expressions that the trials must meet, one or several.
        states: States that count; a trial counts with its highest measured rung.

    Raises:
        UnknownSweepError: There is no such sweep.
        FilterError: The metric or the expression is not understood.
    """
    with record.engine.begin() as connection:
        row = read_sweep(connection, sweep)
        score = _score(row, metric)
        query = select(schema.trials, score.label("metric_value")).where(*_counting(row, score, where, states))
        query = query.order_by(score.desc(), schema.trials.c.number)
        set_aside = schema.trials.c.set_aside
        # Two queries, for the first reads its rows in the index's order, and no more of them than are asked for.
        found = [*connection.execute(query.where(set_aside.is_(None)).limit(top)).mappings()]
        if len(found) < top and count_set_aside(connection, sweep):
            found += connection.execute(query.where(set_aside.is_not(None)).limit(top - len(found))).mappings()
        return _answers(connection, found, metric=metric or row.objective)


def best_of_families(
    record: Record,
    *,
    sweep: str,
    top: int = 1,
    metric: str | None = None,
    where: str | Sequence[str] | None = None,
    states: Sequence[State] = ("finished",),
) -> tuple[BestOfFamily, ...]:
    """Return each family's best trials, the best family first. Arguments and errors are those of `best`.

    Args:
        record: Where the sweep is.
        sweep: Its name.
        top: How many of each family at most.
        metric: As for `best`.
        where: As for `best`.
        states: As for `best`.
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
    """Return the best of the trials that were measured at a rung, pruned ones too, by what they scored there.

    Arguments and errors are those of `best`; trials set aside are left out.

    Args:
        record: Where the sweep is.
        sweep: Its name.
        rung: Which one, from 0.
        top: How many at most.
        metric: As for `best`.
        where: As for `best`.
    """
    with record.engine.begin() as connection:
        row = read_sweep(connection, sweep)
        score = score_column(metric or row.objective, rung=rung)
        query = select(schema.trials, score.label("metric_value")).where(*_counting(row, score, where, STATES))
        query = query.where(schema.trials.c.set_aside.is_(None)).order_by(score.desc(), schema.trials.c.number)
        found = connection.execute(query.limit(top)).mappings().all()
        return _answers(connection, found, metric=metric or row.objective, rung=rung)


def pareto(
    record: Record, *, sweep: str, metric: str | None = None, where: str | Sequence[str] | None = None
) -> tuple[BestTrial, ...]:
    """Return the finished trials that no other one beats in all objectives of the sweep, the best score first.

    A sweep of one objective has `seconds` as its second. One trial beats another when it is at least as good in all,
    and better in one. Arguments and errors are those of `best`; trials set aside are left out.

    Args:
        record: Where the sweep is.
        sweep: Its name.
        metric: As for `best`; given, it stands in place of the sweep's objectives, and `seconds` is the second.
        where: As for `best`; trials that do not meet it beat none.
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
        front = {known[place][0] for place in unbeaten([upwards(point[1:], goals=goals) for point in known])}
        query = select(schema.trials, score.label("metric_value")).where(*counting, trials.number.in_(front))
        found = connection.execute(query.order_by(score.desc(), trials.number)).mappings().all()
        return _answers(connection, found, metric=metric or row.objective)


def pareto_goals(sweep: SweepRow, *, metric: str | None = None) -> tuple[str, ...]:
    """Return what `pareto` compares in: the sweep's objectives, or one score and `seconds`."""
    if metric is not None or len(sweep.goals) == 1:
        return (metric or sweep.objective, "seconds")
    return sweep.goals


def _score(sweep: SweepRow, metric: str | None) -> ColumnElement[float]:
    return schema.trials.c.score if metric in {None, sweep.objective} else score_column(metric or "")


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
        # The result has the lineage; the rows of `stages` also keep what earlier attempts paid for.
        # A trunk is a means: who finds the phase complete has not seen it, and it goes when nobody extends it.
        stages=tuple(stage["key"] for stage in result["stages"] if not stage.get("is_trunk")),
        num_items=measured["num_items"],
        evaluations=result.get("evaluations", {}),
    )


def _measured(connection: Connection, sweep: str, *, rungs: dict[int, int]) -> dict[int, RowMapping]:
    table = schema.measurements
    rows = connection.execute(select(table).where(table.c.sweep == sweep, table.c.trial.in_(rungs))).mappings()
    return {row["trial"]: row for row in rows if row["rung"] == rungs[row["trial"]]}

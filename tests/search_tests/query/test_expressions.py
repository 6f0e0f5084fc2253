"""Expressions mean the same where Python evaluates them for a trial and where SQLite does: `when`, and `--where`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, select

from search.query.filters import compile_filter
from search.record import schema
from spaces.space.expression_values import parse_condition

COLUMNS = {
    "number": range(8),
    "state": ("finished", "pruned"),
    "family": ("text", "none", "TEXT", "it is"),
    "score": (0.5, -0.25, 1.0, 0.1 + 0.2),
    "seed": (0, 7, 2**62, 2**63 - 1),
    "steps_paid": (0, 10, 1000),
    "cost_paid_seconds": (0.0, 0.3, 1e9),
}
FIELDS = {
    "config.target.steps": (0, 10, 1000),
    "config.target.learning_rate": (1e-5, 0.5),
    "config.target.pooling": ("mean", "first"),
    "config.target.freeze_embeddings": (True, False),
    "config.intermediate.mixture.nlvr@shuffled": (1.0, 0.5),
}
VALUES = {**COLUMNS, **FIELDS}
ROWS = [
    {**{name: values[number % len(values)] for name, values in VALUES.items()}, "number": number} for number in range(8)
]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://")
    schema.METADATA.create_all(engine, tables=[schema.trials])
    given_by_none = {"sweep": "demo", "assignment": {}, "sampler": {}, "seen": {}, "attempts": 1, "proposed_at": 0.0}
    with engine.begin() as connection:
        for row in ROWS:
            columns = {name: row[name] for name in COLUMNS}
            values = {**given_by_none, "cost_if_alone_seconds": 0.0, **columns, "config": configuration(row)}
            connection.execute(schema.trials.insert().values(values))
    yield engine
    engine.dispose()


def configuration(row: dict[str, object]) -> dict[str, object]:
    names = ("steps", "learning_rate", "pooling", "freeze_embeddings")
    weight = row["config.intermediate.mixture.nlvr@shuffled"]
    return {
        "target": {name: row[f"config.target.{name}"] for name in names},
        "intermediate": {"mixture": {"nlvr@shuffled": weight}},
    }


def written(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value).lower()


def values_like(known: object) -> st.SearchStrategy[object]:
    """Draw a value of the kind that a field has."""
    if isinstance(known, str):
        return st.text("abct 'mean\"", max_size=4).map(lambda text: text.replace("'", ""))
    if isinstance(known, bool):
        return st.booleans()
    return st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def comparisons(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(sorted(VALUES)))
    value = st.sampled_from(sorted(VALUES[name])) | values_like(VALUES[name][0])
    if draw(st.booleans()):
        values = draw(st.lists(value, min_size=1, max_size=4))
        return f"{name} {draw(st.sampled_from(['in', 'not in', 'NOT IN']))} ({', '.join(map(written, values))})"
    is_number = not isinstance(VALUES[name][0], (str, bool))
    sign = draw(st.sampled_from(["=", "==", "!="] + ["<", "<=", ">", ">="] * is_number))
    space = draw(st.sampled_from(["", " "]))
    return f"{name}{space}{sign}{space}{written(draw(value))}"


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    joined = st.tuples(inner, st.sampled_from(["and", "or", "AND"]), inner).map(" ".join)
    return inner.map("not {}".format) | inner.map("({})".format) | joined


@given(expression=st.recursive(comparisons(), larger, max_leaves=8))
@settings(max_examples=300, deadline=None)
def test_both_back_ends_agree(engine: Engine, expression: str) -> None:
    condition = parse_condition(expression)
    expected = [row["number"] for row in ROWS if condition.holds(row.get)]
    with engine.connect() as connection:
        query = select(schema.trials.c.number).where(compile_filter(expression)).order_by(schema.trials.c.number)
        assert list(connection.execute(query).scalars()) == expected

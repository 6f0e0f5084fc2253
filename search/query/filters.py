"""`--where` of the command line, compiled to SQL with bound values. The grammar: `spaces/expressions.py`.

    family = 'text' and (average >= 0.5 or sw > 0.4) and not config.target.batch_size in (8, 16)
    task in ('hellaswag', 'anli')

A field is a column of trials, a metric, the score of a language, a field of the configuration, or `task`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any  # SQLAlchemy's expressions are generic over the value's type

from sqlalchemy import ColumnElement, and_, not_, or_

from search.errors import FilterError
from search.record import schema
from search.record.goals import metric_column
from spaces.expressions import ExpressionError, Field, Language, Literal, Node, Operation, Value, kind_of, parse
from trainables.config.evaluation import XNLI_LANGUAGES
from trainables.errors import near_matches

LANGUAGE = Language(field_noun="column", has_arithmetic=False, max_tokens=2000, max_integer=2**63 - 1)
"""The language of `--where`."""
_EXAMPLE = "family = 'text' and average > 0.5"
_ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {"==": operator.eq, "!=": operator.ne, **_ORDER}
_TEXTS = ("state", "family")
_COSTS = ("cost_paid_seconds", "cost_if_alone_seconds", "steps_paid", "steps_if_alone")
_PLAIN = ("number", "state", "family", "rung", "score", "seed", "attempts", *_COSTS)
_METRICS = ("average", "english", "worst")
_TASK = "task"
"""The column of a trial's intermediate tasks, of which it can have several."""
_TASK_NAME = re.compile(r"[\w.@+-]+")


def describe_columns() -> str:
    """Return the columns that `--where` can compare, as one line for messages and help."""
    return (
        f"{', '.join((*_PLAIN, *_METRICS))}, task, a language code ({' '.join(XNLI_LANGUAGES)}), "
        "config.<field> such as config.target.learning_rate"
    )


def score_column(metric: str, *, rung: int | None = None) -> ColumnElement[float]:
    """Return the SQL value of a metric, or of a language's accuracy, at a rung of a trial.

    Args:
        metric: `average`, `english`, `worst`, or a language code.
        rung: The rung, from 0; None takes the trial's highest.

    Raises:
        FilterError: There is no such metric.
    """
    if metric not in _METRICS and metric not in XNLI_LANGUAGES:
        known = (*_METRICS, *XNLI_LANGUAGES)
        msg = f"unknown metric {metric!r}{near_matches(metric, known)}; give one of {', '.join(known)}"
        raise FilterError(msg)
    name, language = (metric, "") if metric in _METRICS else ("accuracy", metric)
    return metric_column(name, language=language, rung=rung)


def compile_filter(expression: str) -> ColumnElement[bool]:
    """Return the SQL condition of a `--where` expression.

    Raises:
        FilterError: It is malformed, or names a column that does not exist; the message lists the columns.
    """
    try:
        expression.encode()
        return _compiled(parse(expression, language=LANGUAGE)[0])
    except UnicodeEncodeError:
        message = f"--where {expression!r} is not UTF-8; write it in UTF-8"
    except ExpressionError as error:
        message = f"--where {error}; write it like {_EXAMPLE!r}"
    except FilterError as error:
        message = str(error)
    columns = f"columns: {describe_columns()}"
    raise FilterError(message if columns in message else f"{message}; {columns}")


def _compiled(test: Node) -> ColumnElement[bool]:
    match test:
        case Operation("or", tests):
            return or_(*map(_compiled, tests))
        case Operation("and", tests):
            return and_(*map(_compiled, tests))
        case Operation("not", (inner,)):
            return not_(_compiled(inner))
        case Operation(sign, (Field(name), *literals)):
            values = [literal.value for literal in literals if isinstance(literal, Literal)]
            return _compares_task(sign, values) if name == _TASK else _compares(name, sign, values)
        case _:
            raise AssertionError(test)  # a language without arithmetic has no other


def _compares(name: str, sign: str, values: Sequence[Value]) -> ColumnElement[bool]:
    columns = [_column(name, like=value) for value in values]  # checks the kind of each value
    if sign == "in":
        # Not `IN`: SQLAlchemy would bind every value as the first one is, and an integer as a float loses digits.
        return or_(*(column == value for column, value in zip(columns, values, strict=True)))
    if isinstance(values[0], bool) and sign not in {"==", "!="}:
        message = f"--where compares {name!r} with true or false by {sign}, which is for numbers and text"
        raise FilterError(f"{message}; write {name} = true")
    return _COMPARE[sign](columns[0], values[0])


def _compares_task(sign: str, names: Sequence[Value]) -> ColumnElement[bool]:
    if sign not in {"==", "!=", "in"}:
        message = f"--where compares {_TASK!r} by {sign}, but a trial has a task or has it not"
        raise FilterError(f"{message}; write task = 'hellaswag'")
    has_task = _has_any_task(names)
    return not_(has_task) if sign == "!=" else has_task


def _has_any_task(names: Sequence[Value]) -> ColumnElement[bool]:
    for name in names:
        if not isinstance(name, str) or not _TASK_NAME.fullmatch(name):
            message = f"--where compares {_TASK!r} with {name!r}, which is not the name of a task"
            raise FilterError(f"{message}; `xstilts tasks` lists them")
    config = schema.trials.c.config
    return or_(*(config[("intermediate", "mixture", str(name))].as_string().is_not(None) for name in names))


def _column(name: str, *, like: Value) -> ColumnElement[Any]:
    if name in _PLAIN:
        _check_type(name, wanted="text" if name in _TEXTS else "a number", like=like)
        return schema.trials.c[name]
    if name in _METRICS or name in XNLI_LANGUAGES:
        _check_type(name, wanted="a number", like=like)
        return score_column(name)
    if name.startswith("config."):
        return _config_column(name, like=like)
    known = (*_PLAIN, *_METRICS, _TASK)
    msg = f"--where has no column {name!r}{near_matches(name, known)}; columns: {describe_columns()}"
    raise FilterError(msg)


def _check_type(name: str, *, wanted: str, like: Value) -> None:
    if kind_of(like) != wanted:
        example = f"{name} = 'text'" if wanted == "text" else f"{name} >= 0.5"
        msg = (
            f"--where compares {name!r} with {like!r}, {kind_of(like)}, but it holds {wanted}; write it like {example}"
        )
        raise FilterError(msg)


def _config_column(name: str, *, like: Value) -> ColumnElement[Any]:
    from spaces.space.fields import field_kind  # loads the whole configuration, which other questions do not need
    from trainables.errors import ConfigError

    path = name.removeprefix("config.")
    try:
        kind = field_kind(_without_task(path), origin="--where")
    except ConfigError as error:
        raise FilterError(str(error)) from None
    if kind == "model":
        msg = f"--where: {name!r} has fields of its own; compare one of them, like {name}.learning_rate"
        raise FilterError(msg)
    value = schema.trials.c.config[tuple(path.split("."))]
    match like:
        case bool():
            return value.as_boolean()
        case int() | float():
            return value.as_float()
        case str():
            return value.as_string()


def _without_task(path: str) -> str:
    """Return `intermediate.mixture` of `intermediate.mixture.hellaswag`: tasks are keys, not fields."""
    phase, found, _ = path.partition(".mixture.")
    return f"{phase}.mixture" if found else path

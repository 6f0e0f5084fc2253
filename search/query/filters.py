"""`--where`: a small expression over documented columns, compiled to SQL with bound values. Nothing is evaluated.

    family = 'text' and (average >= 0.5 or sw > 0.4) and not config.target.batch_size in (8, 16)

Grammar, `or` binding loosest:

    expression = term {"or" term} ;  term = factor {"and" factor} ;  factor = ["not"] ( "(" expression ")" | test )
    test       = column operator value | column ["not"] "in" "(" value {"," value} ")"
               | "task" ("=" | "==" | "!=") value | "task" ["not"] "in" "(" value {"," value} ")"
    operator   = "=" "==" "!=" "<" "<=" ">" ">=" ;  value = number | 'text' | "text" | true | false
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any  # SQLAlchemy's expressions are generic over the value's type

from sqlalchemy import ColumnElement, and_, not_, or_

from search.errors import FilterError
from search.record import schema
from search.record.goals import metric_column
from trainables.config.evaluation import XNLI_LANGUAGES
from trainables.errors import near_matches

_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<text>'[^']*'|\"[^\"]*\")"
    r"|(?P<sign><=|>=|!=|==|=|<|>|\(|\)|,)|(?P<word>[A-Za-z_][\w.@]*))"
)
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_PLAIN = (
    "number",
    "state",
    "family",
    "rung",
    "score",
    "seed",
    "attempts",
    "cost_paid_seconds",
    "cost_if_alone_seconds",
    "steps_paid",
    "steps_if_alone",
)
_METRICS = ("average", "english", "worst")
_TEXTS = ("state", "family")
_TASK = "task"
"""Is whichever intermediate task a trial trains on: a trial may have several."""
_TASK_NAME = re.compile(r"[\w.@+-]+")
_MAX_TOKENS, _MAX_DEPTH = 2000, 40
"""Of an expression: beyond what somebody writes, and within what SQLite and Python's stack take."""
_MAX_INTEGER = 2**63 - 1
Value = str | float | int | bool


def describe_columns() -> str:
    """Return the columns that `--where` knows, as one line for messages and help."""
    return (
        f"{', '.join((*_PLAIN, *_METRICS))}, task, a language code ({' '.join(XNLI_LANGUAGES)}), "
        "config.<field> such as config.target.learning_rate"
    )


def score_column(metric: str, *, rung: int | None = None) -> ColumnElement[float]:
    """Return the SQL value of a metric, or of a language's accuracy, at a rung of a trial.

    Args:
        metric: `average`, `english`, `worst`, or a language code.
        rung: Which one; None takes the trial's highest.

    Raises:
        FilterError: It is none of these.
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
        FilterError: It is malformed, or names a column that is not offered; says which columns there are.
    """
    try:
        return _Parser(expression).parse()
    except FilterError as error:
        said, columns = str(error), f"columns: {describe_columns()}"
        raise FilterError(said if columns in said else f"{said}; {columns}") from None


class _Parser:
    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.tokens = _tokens(expression)
        self.position = 0
        self.depth = 0

    def parse(self) -> ColumnElement[bool]:
        condition = self._alternatives()
        if self._kind() != "end":
            raise self._refuse("`and`, `or`, or the end")
        return condition

    def _alternatives(self) -> ColumnElement[bool]:
        parts = [self._conjunction()]
        while self._take_word("or"):
            parts.append(self._conjunction())
        return or_(*parts)

    def _conjunction(self) -> ColumnElement[bool]:
        parts = [self._factor()]
        while self._take_word("and"):
            parts.append(self._factor())
        return and_(*parts)

    def _factor(self) -> ColumnElement[bool]:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            msg = f"--where nests `not` and brackets more than {_MAX_DEPTH} deep; write it flatter"
            raise FilterError(msg)
        condition = self._negation()
        self.depth -= 1
        return condition

    def _negation(self) -> ColumnElement[bool]:
        if self._take_word("not"):
            return not_(self._factor())
        if self._take_sign("("):
            inside = self._alternatives()
            self._expect_sign(")")
            return inside
        return self._test()

    def _test(self) -> ColumnElement[bool]:
        if self._kind() != "word":
            raise self._refuse("a column")
        name = self._next()
        negated = self._take_word("not")
        if self._take_word("in"):
            inside = self._list(name)
            return not_(inside) if negated else inside
        sign = self._next() if self._kind() == "sign" else ""
        if negated or sign not in _COMPARE:
            self.position -= bool(sign)
            raise self._refuse("one of = != < <= > >= in")
        value = self._value()
        if name == _TASK:
            return self._has_task(sign, value)
        return _COMPARE[sign](_column(name, like=value), value)

    def _has_task(self, sign: str, value: Value) -> ColumnElement[bool]:
        if sign not in {"=", "==", "!="}:
            msg = (
                f"--where compares {_TASK!r} by {sign}, and a trial has a task or not; write it like task = 'hellaswag'"
            )
            raise FilterError(msg)
        found = _has_any_task([value])
        return not_(found) if sign == "!=" else found

    def _list(self, name: str) -> ColumnElement[bool]:
        self._expect_sign("(")
        values = [self._value()]
        while self._take_sign(","):
            values.append(self._value())
        self._expect_sign(")")
        if name == _TASK:
            return _has_any_task(values)
        columns = [_column(name, like=value) for value in values]  # each value's type is checked
        return columns[-1].in_(values)

    def _value(self) -> Value:
        kind, text = self.tokens[self.position]
        if kind == "word" and text.lower() in {"true", "false"}:
            self.position += 1
            return text.lower() == "true"
        if kind not in {"number", "text"}:
            raise self._refuse("a number, 'text', true or false")
        self.position += 1
        if kind == "text":
            return text[1:-1]
        if not re.fullmatch(r"-?\d+", text):
            return float(text)
        if len(text) > 20 or abs(int(text)) > _MAX_INTEGER:  # noqa: PLR2004  digits of the largest, and a sign
            msg = f"--where holds the number {text[:30]}, which no column can hold; the largest is {_MAX_INTEGER}"
            raise FilterError(msg)
        return int(text)

    def _kind(self) -> str:
        return self.tokens[self.position][0]

    def _next(self) -> str:
        self.position += 1
        return self.tokens[self.position - 1][1]

    def _take_word(self, word: str) -> bool:
        kind, text = self.tokens[self.position]
        taken = kind == "word" and text.lower() == word
        self.position += taken
        return taken

    def _take_sign(self, sign: str) -> bool:
        taken = self.tokens[self.position] == ("sign", sign)
        self.position += taken
        return taken

    def _expect_sign(self, sign: str) -> None:
        if not self._take_sign(sign):
            raise self._refuse(f"`{sign}`")

    def _refuse(self, wanted: str) -> FilterError:
        found = self.tokens[self.position][1] or "the end"
        return FilterError(
            f"--where {self.expression!r} cannot be read at {found!r}: {wanted} should stand there; "
            "write it like \"family = 'text' and average > 0.5\""
        )


def _tokens(expression: str) -> list[tuple[str, str]]:
    if not expression.isascii():
        _check_text(expression)
    found: list[tuple[str, str]] = []
    position, text = 0, expression.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            msg = (
                f"--where {expression!r} holds {text[position]!r}, which means nothing here; "
                "write it like \"family = 'text' and average > 0.5\""
            )
            raise FilterError(msg)
        found.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
        if len(found) > _MAX_TOKENS:
            msg = f"--where holds more than {_MAX_TOKENS} words and signs; write a shorter one, or use `xstilts sql`"
            raise FilterError(msg)
    return [*found, ("end", "")]


def _check_text(expression: str) -> None:
    try:
        expression.encode()
    except UnicodeEncodeError:
        msg = f"--where {expression!r} is not UTF-8; write it in UTF-8"
        raise FilterError(msg) from None


def _has_any_task(names: Sequence[Value]) -> ColumnElement[bool]:
    for name in names:
        if not isinstance(name, str) or not _TASK_NAME.fullmatch(name):
            msg = f"--where compares {_TASK!r} with {name!r}, which is no task's name; `xstilts tasks` lists them"
            raise FilterError(msg)
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
    msg = f"--where knows no column {name!r}{near_matches(name, known)}; columns: {describe_columns()}"
    raise FilterError(msg)


def _check_type(name: str, *, wanted: str, like: Value) -> None:
    given = "text" if isinstance(like, str) else "true or false" if isinstance(like, bool) else "a number"
    if given != wanted:
        example = f"{name} = 'text'" if wanted == "text" else f"{name} >= 0.5"
        msg = f"--where compares {name!r} with {like!r}, {given}, and it holds {wanted}; write it like {example}"
        raise FilterError(msg)


def _config_column(name: str, *, like: Value) -> ColumnElement[Any]:
    from spaces.fields import field_kind  # loads the whole configuration, which other questions do not need
    from trainables.errors import ConfigError

    path = name.removeprefix("config.")
    try:
        kind = field_kind(_without_task(path), origin="--where")
    except ConfigError as error:
        raise FilterError(str(error)) from None
    if kind == "model":
        msg = f"--where: {name!r} holds further fields; compare one of them, like {name}.learning_rate"
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

"""Conditions over the fields of a trial, as `constraints` and `when` in a spec. Nothing is evaluated as code.

    intermediate.steps * intermediate.batch_size <= 40000
    target.learning_rate < 1e-3 or family == 'text'

Grammar, `or` binding loosest; as that of `best --where`, with fields on both sides and arithmetic:

    condition = all {"or" all} ;  all = one {"and" one} ;  one = ["not"] (comparison | "(" condition ")")
    comparison = sum sign sum | sum ["not"] "in" "(" value {"," value} ")" ;  sign = "=" "==" "!=" "<" "<=" ">" ">="
    sum = product {("+" | "-") product} ;  product = atom {("*" | "/") atom}
    atom = value | field | "(" sum ")" | "-" atom
    value = number | 'text' | "text" | true | false
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<text>'[^']*'|\"[^\"]*\")"
    r"|(?P<sign><=|>=|!=|==|=|<|>|\(|\)|,|\+|-|\*|/)|(?P<word>[A-Za-z_][\w.@]*))"
)
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_COMBINE: Mapping[str, Callable[[float, float], float]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_MAX_TOKENS, _MAX_DEPTH = 500, 40
"""Of an expression: beyond what somebody writes, and within what Python's stack takes."""

Value = str | float | bool
Look = Callable[[str], JsonValue]
"""Gives the value of a field, None where a trial has none."""


class ExpressionError(ValueError):
    """An expression cannot be read, or compares what cannot be compared."""


class AbsentFieldError(ValueError):
    """A trial has no such field."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was read."""

    text: str
    """As it was written."""
    fields: tuple[str, ...]
    """Fields that it names, each once, in order."""
    root: _Node

    def holds(self, look: Look) -> bool | None:
        """Return whether it holds for a trial, or None where the trial lacks one of its fields.

        Args:
            look: Gives the value of a field.

        Raises:
            ExpressionError: Text is compared with a number, or a number divided by 0.
        """
        if any(look(field) is None for field in self.fields):
            return None
        return bool(_value(self.root, look=look))


@dataclass(frozen=True, slots=True)
class _Node:
    """A value, a field, or a sign with what it stands between."""

    sign: str
    parts: tuple[_Node, ...] = ()
    value: Value = ""
    is_condition: bool = False


def parse_condition(text: str) -> Condition:
    """Return the condition that a text stands for.

    Raises:
        ExpressionError: It is malformed.
    """
    parser = _Parser(text)
    root = parser.parse()
    return Condition(text, tuple(dict.fromkeys(parser.fields)), root)


def _value(node: _Node, *, look: Look) -> Value:
    match node.sign:
        case "value":
            return node.value
        case "field":
            return _plain(look(str(node.value)), field=str(node.value))
        case "or":
            return any(_value(part, look=look) for part in node.parts)
        case "and":
            return all(_value(part, look=look) for part in node.parts)
        case "not":
            return not _value(node.parts[0], look=look)
        case sign:
            return _applied(sign, *(_value(part, look=look) for part in node.parts))


def _plain(value: JsonValue, *, field: str) -> Value:
    if isinstance(value, (str, int, float)):
        return value
    msg = f"{field!r} holds {value!r}, which is no single value; name one of its parts"
    raise ExpressionError(msg)


def _applied(sign: str, first: Value, *others: Value) -> Value:
    if sign == "in":
        return any(_equals(first, other) for other in others)
    if sign in {"==", "!="}:
        return _equals(first, others[0]) == (sign == "==")
    numbers = [_number(value, sign=sign) for value in (first, *others)]
    if sign in _COMPARE:
        return _COMPARE[sign](*numbers)
    if sign == "/" and numbers[1] == 0:
        msg = f"{numbers[0]:g} is divided by 0"
        raise ExpressionError(msg)
    result = numbers[0] / numbers[1] if sign == "/" else _COMBINE[sign](*numbers)
    if not math.isfinite(result):
        msg = f"{numbers[0]:g} {sign} {numbers[1]:g} is too large a number"
        raise ExpressionError(msg)
    return result


def _equals(first: Value, second: Value) -> bool:
    if isinstance(first, str) != isinstance(second, str) or isinstance(first, bool) != isinstance(second, bool):
        msg = f"{first!r} is compared with {second!r}, which is of another kind"
        raise ExpressionError(msg)
    return first == second


def _number(value: Value, *, sign: str) -> float:
    if isinstance(value, (str, bool)):
        msg = f"{value!r} stands beside `{sign}`, which is for numbers"
        raise ExpressionError(msg)
    return value


class _Parser:
    def __init__(self, text: str) -> None:
        self.text, self.tokens = text, _tokens(text)
        self.position = self.depth = 0
        self.fields: list[str] = []

    def parse(self) -> _Node:
        node = self._condition()
        if self._kind() != "end":
            raise self._refuse("`and`, `or`, or the end")
        if not node.is_condition:
            raise self._refuse("a comparison like `<= 100`")
        return node

    def _condition(self) -> _Node:
        return self._joined("or", self._all)

    def _all(self) -> _Node:
        return self._joined("and", self._one)

    def _joined(self, word: str, part: Callable[[], _Node]) -> _Node:
        parts = [part()]
        while self._kind() == "word" and self._text().lower() == word:
            self._demand(parts[-1], is_condition=True)
            self.position += 1
            parts.append(part())
            self._demand(parts[-1], is_condition=True)
        return parts[0] if len(parts) == 1 else _Node(word, tuple(parts), is_condition=True)

    def _one(self) -> _Node:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            msg = f"{self.text[:40]!r}... nests more than {_MAX_DEPTH} deep; write it flatter"
            raise ExpressionError(msg)
        node = self._negation() if self._takes_word("not") else self._comparison()
        self.depth -= 1
        return node

    def _negation(self) -> _Node:
        inner = self._one()
        self._demand(inner, is_condition=True)
        return _Node("not", (inner,), is_condition=True)

    def _comparison(self) -> _Node:
        left = self._sum()
        negated = self._takes_word("not")
        if self._takes_word("in"):
            self._demand(left, is_condition=False)
            inside = _Node("in", (left, *self._list()), is_condition=True)
            return _Node("not", (inside,), is_condition=True) if negated else inside
        if negated:
            raise self._refuse("`in`")
        sign = self._text() if self._kind() == "sign" else ""
        if sign not in {"=", "==", "!=", *_COMPARE}:
            return left
        self._demand(left, is_condition=False)
        self.position += 1
        right = self._sum()
        self._demand(right, is_condition=False)
        return _Node("==" if sign == "=" else sign, (left, right), is_condition=True)

    def _list(self) -> list[_Node]:
        self._expect("(")
        values = [self._literal()]
        while self._takes(","):
            values.append(self._literal())
        self._expect(")")
        return values

    def _literal(self) -> _Node:
        negative = self._takes("-")
        kind, text = self.tokens[self.position]
        if kind == "number":
            self.position += 1
            return _Node("value", value=(-1 if negative else 1) * _parsed(text))
        if kind == "text" and not negative:
            self.position += 1
            return _Node("value", value=text[1:-1])
        if kind == "word" and text.lower() in {"true", "false"} and not negative:
            self.position += 1
            return _Node("value", value=text.lower() == "true")
        raise self._refuse("a number, 'text', true or false")

    def _sum(self) -> _Node:
        return self._combined(("+", "-"), self._product)

    def _product(self) -> _Node:
        return self._combined(("*", "/"), self._atom)

    def _combined(self, signs: tuple[str, str], part: Callable[[], _Node]) -> _Node:
        node = part()
        while self._kind() == "sign" and self._text() in signs:
            self._demand(node, is_condition=False)
            sign = self._text()
            self.position += 1
            right = part()
            self._demand(right, is_condition=False)
            node = _Node(sign, (node, right))
        return node

    def _atom(self) -> _Node:
        if self._takes("("):
            inner = self._bracket()
            self._expect(")")
            return inner
        kind, text = self.tokens[self.position]
        if kind == "sign" and text == "-" and self.tokens[self.position + 1][0] != "number":
            self.position += 1
            return _Node("-", (_Node("value", value=0), self._atom()))
        if kind == "word" and text.lower() not in {"true", "false", "and", "or", "not", "in"}:
            self.position += 1
            self.fields.append(text)
            return _Node("field", value=text)
        return self._literal()

    def _bracket(self) -> _Node:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            msg = f"{self.text[:40]!r}... nests more than {_MAX_DEPTH} deep; write it flatter"
            raise ExpressionError(msg)
        node = self._condition()
        self.depth -= 1
        return node

    def _demand(self, node: _Node, *, is_condition: bool) -> None:
        if node.is_condition != is_condition:
            raise self._refuse("a comparison on both sides" if is_condition else "a number or a field, no comparison,")

    def _kind(self) -> str:
        return self.tokens[self.position][0]

    def _text(self) -> str:
        return self.tokens[self.position][1]

    def _takes_word(self, word: str) -> bool:
        taken = self._kind() == "word" and self._text().lower() == word
        self.position += taken
        return taken

    def _takes(self, sign: str) -> bool:
        taken = self.tokens[self.position] == ("sign", sign)
        self.position += taken
        return taken

    def _expect(self, sign: str) -> None:
        if not self._takes(sign):
            raise self._refuse(f"`{sign}`")

    def _refuse(self, wanted: str) -> ExpressionError:
        found = self._text() or "the end"
        return ExpressionError(f"{self.text!r} cannot be read at {found!r}: {wanted} should stand there")


def _parsed(text: str) -> float:
    if text.isdecimal() and len(text) < 20:  # noqa: PLR2004  digits of the largest
        return int(text)
    number = float(text)
    if not math.isfinite(number):
        msg = f"{text[:30]!r} is too large a number"
        raise ExpressionError(msg)
    return number


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position, text = 0, text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            msg = f"{text!r} holds {text[position:].lstrip()[:1]!r}, which means nothing here"
            raise ExpressionError(msg)
        found.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
        if len(found) > _MAX_TOKENS:
            msg = f"{text[:40]!r}... holds more than {_MAX_TOKENS} words and signs; write several conditions"
            raise ExpressionError(msg)
    return [*found, ("end", "")]

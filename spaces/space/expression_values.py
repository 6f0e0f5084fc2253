"""Conditions over the fields of a trial: `constraints` and `when` of a spec. The grammar: `spaces/expressions.py`."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from spaces.expressions import ExpressionError, Field, Language, Literal, Node, Operation, Value, kind_of, parse

LANGUAGE = Language(field_noun="field", has_arithmetic=True, max_tokens=500)
"""The language of conditions."""
_ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
_ON_NUMBERS: Mapping[str, Callable[[float, float], float]] = {**_ORDER, **_ARITHMETIC}

Look = Callable[[str], JsonValue]
"""Returns the value of a field, None where the trial has none."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A parsed condition."""

    text: str
    """The text of the condition in the spec."""
    fields: tuple[str, ...]
    """The fields that it names, each once, in order."""
    root: Operation

    def holds(self, look: Look) -> bool | None:
        """Return whether the condition holds for a trial, or None where the trial lacks one of its fields.

        Args:
            look: Returns the value of a field.

        Raises:
            ExpressionError: Values of different kinds are compared, a number is divided by 0, or one is too large.
        """
        if any(look(field) is None for field in self.fields):
            return None
        return bool(_value(self.root, look))


def parse_condition(text: str) -> Condition:
    """Return the condition that a text describes.

    Raises:
        ExpressionError: It is malformed.
    """
    root, fields = parse(text, language=LANGUAGE)
    return Condition(text, fields, root)


def _value(node: Node, look: Look) -> Value:
    match node:
        case Literal(value):
            return value
        case Field(name, position):
            return _plain(look(name), name=name, position=position)
        case Operation("or", parts):
            return any(_value(part, look) for part in parts)
        case Operation("and", parts):
            return all(_value(part, look) for part in parts)
        case Operation("not", (part,)):
            return not _value(part, look)
        case Operation(sign, parts, position):
            return _applied(sign, [_value(part, look) for part in parts], position=position)


def _plain(value: JsonValue, *, name: str, position: int) -> Value:
    if isinstance(value, (str, int, float)):
        return value
    rule = "which is not a single value; name one of its parts"
    raise ExpressionError(f"{name!r} (character {position}) is {value!r}, {rule}")


def _applied(sign: str, values: list[Value], *, position: int) -> Value:
    place = f"`{sign}` (character {position})"
    first, *others = values
    if sign in {"in", "==", "!="}:
        return any(_are_equal(first, other, place=place) for other in others) == (sign != "!=")
    left, right = (_number(value, place=place) for value in values)
    if sign == "/" and right == 0:
        raise ExpressionError(f"{place} divides {left:g} by 0")
    try:
        result = _ON_NUMBERS[sign](left, right)
        if math.isfinite(result):
            return result
    except OverflowError:
        pass
    raise ExpressionError(f"the result of {place} for {left:g} and {right:g} is too large")


def _are_equal(left: Value, right: Value, *, place: str) -> bool:
    if kind_of(left) == kind_of(right):
        return left == right
    pair = f"{left!r} ({kind_of(left)}) is compared with {right!r} ({kind_of(right)})"
    raise ExpressionError(f"{pair} by {place}; compare values of one kind")


def _number(value: Value, *, place: str) -> float:
    if isinstance(value, (str, bool)):
        raise ExpressionError(f"{value!r} ({kind_of(value)}) is used with {place}, which needs numbers")
    return value

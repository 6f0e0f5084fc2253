"""Conditions of a space: constraints that each trial meets, and parameters that are active only `when` one holds."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from spaces.space.expression_values import Condition, ExpressionError, parse_condition
from spaces.space.tree import Branch, Parameter, Space
from spaces.space.trial_draft import drafted
from trainables.errors import ConfigError

EXAMPLE = "intermediate.steps * intermediate.batch_size <= 40000"


def read_condition(value: JsonValue, *, origin: str) -> Condition:
    """Return the condition at a place in a spec.

    Raises:
        ConfigError: It is malformed.
    """
    if not isinstance(value, str):
        raise ConfigError(origin, f"{value!r} is not a text; write a comparison like {EXAMPLE!r}")
    try:
        return parse_condition(value)
    except ExpressionError as error:
        raise ConfigError(origin, f"{error}; write a comparison like {EXAMPLE!r}") from None


def is_active(parameter: Parameter, *, root: Branch, assignment: Mapping[str, JsonValue]) -> bool:
    """Return whether a parameter is active, given the values assigned before it.

    It is not active if the trial lacks a field of its condition.

    Raises:
        ConfigError: Its condition compares values that cannot be compared.
    """
    if parameter.when is None:
        return True
    try:
        return parameter.when.holds(drafted(root, assignment).look) is True
    except ExpressionError as error:
        raise ConfigError(f"{parameter.origin}.when", f"{parameter.when.text!r}: {error}; change it") from None


def violated(space: Space, assignment: Mapping[str, JsonValue]) -> Condition | None:
    """Return the first constraint that an assignment violates, or None.

    A constraint does not apply to an assignment that lacks one of its fields.

    Raises:
        ConfigError: A constraint compares values that cannot be compared.
    """
    if not space.constraints:
        return None
    look = drafted(space.root, assignment).look
    for place, constraint in enumerate(space.constraints):
        try:
            holds = constraint.holds(look)
        except ExpressionError as error:
            raise ConfigError(f"constraints.{place}", f"{constraint.text!r}: {error}; change it") from None
        if holds is False:
            return constraint
    return None

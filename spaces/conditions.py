"""Conditions of a space: constraints that each trial meets, and parameters that are active only `when` one holds."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from spaces.drafting import drafted
from spaces.expressions import Condition, ExpressionError, parse_condition
from spaces.tree import Branch, Parameter, Space
from trainables.errors import ConfigError

EXAMPLE = "intermediate.steps * intermediate.batch_size <= 40000"


def read_condition(value: JsonValue, *, origin: str) -> Condition:
    """Return the condition that stands at a place of a spec.

    Raises:
        ConfigError: It is malformed.
    """
    if not isinstance(value, str):
        raise ConfigError(origin, f"{value!r} is no text; write a comparison like {EXAMPLE!r}")
    try:
        return parse_condition(value)
    except ExpressionError as error:
        raise ConfigError(origin, f"{error}; write a comparison like {EXAMPLE!r}") from None


def is_active(parameter: Parameter, *, root: Branch, assignment: Mapping[str, JsonValue]) -> bool:
    """Return whether a parameter has a value, by what was assigned before it; not where a field is not there.

    Raises:
        ConfigError: Its condition compares what cannot be compared.
    """
    if parameter.when is None:
        return True
    try:
        return parameter.when.holds(drafted(root, assignment).look) is True
    except ExpressionError as error:
        raise ConfigError(f"{parameter.origin}.when", f"{parameter.when.text!r}: {error}; change it") from None


def violated(space: Space, assignment: Mapping[str, JsonValue]) -> Condition | None:
    """Return the first constraint that an assignment does not meet; one about a field that it lacks does not apply.

    Raises:
        ConfigError: A constraint compares what cannot be compared.
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

"""Walks a space. Samplers, draws, enumeration, `contains` and binding all use this walk, so they always agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pydantic import JsonValue

from spaces.space.conditions import is_active, violated
from spaces.space.parameters import FloatParameter, IntParameter, SimplexParameter
from spaces.space.tree import Assignment, Branch, ChoiceParameter, Parameter, Space
from trainables.errors import ConfigError


def walk(space: Space, ask: Callable[[Parameter], JsonValue]) -> Assignment:
    """Return the assignment with the values that `ask` returns, for each active parameter, parents first.

    Args:
        space: The space.
        ask: Returns the value of a parameter; for a choice, the label of an arm.

    Raises:
        ConfigError: The parameter does not allow the value; `field` is the parameter's path.
    """
    assignment: Assignment = {}
    _visit(space.root, root=space.root, ask=ask, assignment=assignment)
    return assignment


def contains(space: Space, assignment: Mapping[str, JsonValue]) -> bool:
    """Return whether an assignment is in the space: it has exactly the active parameters and meets the constraints."""
    try:
        is_walk = walk(space, answers(assignment)).keys() == assignment.keys()
        return is_walk and violated(space, assignment) is None
    except ConfigError:
        return False


def answers(assignment: Mapping[str, JsonValue]) -> Callable[[Parameter], JsonValue]:
    """Return an `ask` that looks up each parameter in an assignment; it raises ConfigError if one is missing."""

    def ask(parameter: Parameter) -> JsonValue:
        if parameter.path not in assignment:
            raise ConfigError(parameter.path, "the assignment has no value for this active parameter; add one")
        return assignment[parameter.path]

    return ask


def _visit(branch: Branch, *, root: Branch, ask: Callable[[Parameter], JsonValue], assignment: Assignment) -> None:
    for parameter in branch.parameters:
        if not is_active(parameter, root=root, assignment=assignment):
            continue
        value = ask(parameter)
        if not parameter.admits(value):
            raise ConfigError(parameter.path, f"{value!r} is not {describe(parameter)}; use a value of the space")
        assignment[parameter.path] = value
        if isinstance(parameter, ChoiceParameter) and (arm := parameter.arm(value)):
            _visit(arm.branch, root=root, ask=ask, assignment=assignment)


def describe(parameter: Parameter) -> str:
    """Return the values that a parameter allows, in words."""
    match parameter:
        case ChoiceParameter():
            return "one of " + listed([repr(arm.label) for arm in parameter.arms])
        case SimplexParameter():
            return f"a weight above 0 for each of {', '.join(parameter.items)}, summing to 1"
        case IntParameter():
            return f"a whole number from {parameter.low} to {parameter.high}"
        case FloatParameter():
            return f"a number from {number(parameter.low)} to {number(parameter.high)}"


_MOST_LISTED = 20
"""Largest number of values of a choice that a message lists."""


def listed(texts: Sequence[str]) -> str:
    """Return texts joined by commas; if there are many, the first ones and the number of the others."""
    more = f" and {len(texts) - _MOST_LISTED:,} more" if len(texts) > _MOST_LISTED else ""
    return ", ".join(texts[:_MOST_LISTED]) + more


def number(value: float) -> str:
    """Return the shortest text that is exactly this number."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)

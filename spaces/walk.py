"""The one walker. Samplers, drawing, enumeration, `contains` and binding all go through it, so they cannot disagree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pydantic import JsonValue

from spaces.conditions import is_active, violated
from spaces.parameters import FloatParameter, IntParameter, SimplexParameter
from spaces.tree import Assignment, Branch, ChoiceParameter, Parameter, Space
from trainables.errors import ConfigError


def walk(space: Space, ask: Callable[[Parameter], JsonValue]) -> Assignment:
    """Return the assignment that `ask` answers its way to; only active parameters are asked for, parents first.

    Args:
        space: The space.
        ask: Gives the value of a parameter; for a choice, the label of an arm.

    Raises:
        ConfigError: An answer is outside its parameter; `field` is the parameter's path.
    """
    assignment: Assignment = {}
    _visit(space.root, root=space.root, ask=ask, assignment=assignment)
    return assignment


def contains(space: Space, assignment: Mapping[str, JsonValue]) -> bool:
    """Return whether a walk of the space can give this assignment, and it meets the constraints.

    No parameter is missing then, and none inactive.
    """
    try:
        is_walk = walk(space, answers(assignment)).keys() == assignment.keys()
        return is_walk and violated(space, assignment) is None
    except ConfigError:
        return False


def answers(assignment: Mapping[str, JsonValue]) -> Callable[[Parameter], JsonValue]:
    """Return an `ask` that looks each parameter up; it raises ConfigError when one is missing."""

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
    """Return what a parameter admits, in words."""
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
"""Values of a choice that a message lists."""


def listed(texts: Sequence[str]) -> str:
    """Return texts with commas between them; of very many the first ones, and how many more there are."""
    more = f" and {len(texts) - _MOST_LISTED:,} more" if len(texts) > _MOST_LISTED else ""
    return ", ".join(texts[:_MOST_LISTED]) + more


def number(value: float) -> str:
    """Return a number in its shortest form that is no other number."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)

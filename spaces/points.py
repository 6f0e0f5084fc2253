"""Checks the configurations that a spec gives: each is a point of its space, but for seeds that it leaves out."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from spaces.parameters import IntParameter
from spaces.tree import Parameter, Space
from spaces.walk import walk
from trainables.errors import ConfigError, near_matches


def is_drawn(parameter: Parameter) -> bool:
    """Return whether a given point may leave a parameter out: a seed, which is drawn anew each time."""
    return isinstance(parameter, IntParameter) and parameter.field.endswith(".seed")


def check_point(name: str, assignment: Mapping[str, JsonValue], *, space: Space, origin: str) -> None:
    """Return when a given point is one of a space.

    Args:
        name: What the point is called.
        assignment: Parameter -> value.
        space: The space.
        origin: Its place in the spec.

    Raises:
        ConfigError: It lacks a parameter that is no seed, has one that is none, or a value that is not allowed.
    """

    def ask(parameter: Parameter) -> JsonValue:
        if parameter.path in assignment:
            return assignment[parameter.path]
        if isinstance(parameter, IntParameter) and is_drawn(parameter):
            return parameter.default
        message = f"point {name!r} gives no value to {parameter.path!r}, which is no seed; add it"
        raise ConfigError(origin, message)

    try:
        known = walk(space, ask)
    except ConfigError as error:
        if error.field == origin:
            raise
        raise ConfigError(f"{origin}.{error.field}", str(error).removeprefix(f"{error.field}: ")) from None
    extra = sorted(assignment.keys() - known.keys())
    if extra:
        near = near_matches(extra[0], known)
        raise ConfigError(origin, f"point {name!r} has {extra[0]!r}, no parameter of its own{near}; leave it out")

"""Checks the configurations that a spec gives: each is a point of the space, except for seeds that it leaves out."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from spaces.space.parameters import IntParameter
from spaces.space.tree import Parameter, Space
from spaces.space.walk import walk
from trainables.errors import ConfigError, near_matches


def is_drawn(parameter: Parameter) -> bool:
    """Return whether a given point can leave a parameter out: a seed, which is drawn for each trial."""
    return isinstance(parameter, IntParameter) and parameter.field.endswith(".seed")


def check_point(name: str, assignment: Mapping[str, JsonValue], *, space: Space, origin: str) -> None:
    """Check that a given point is in a space.

    Args:
        name: Name of the point.
        assignment: Parameter -> value.
        space: The space.
        origin: Its place in the spec.

    Raises:
        ConfigError: The point lacks a parameter that is not a seed, has an unknown parameter, or a wrong value.
    """

    def ask(parameter: Parameter) -> JsonValue:
        if parameter.path in assignment:
            return assignment[parameter.path]
        if isinstance(parameter, IntParameter) and is_drawn(parameter):
            return parameter.default
        rule = "only seeds can be left out"
        raise ConfigError(origin, f"point {name!r} has no value for {parameter.path!r}; {rule}; add a value")

    try:
        known = walk(space, ask)
    except ConfigError as error:
        if error.field == origin:
            raise
        raise ConfigError(f"{origin}.{error.field}", str(error).removeprefix(f"{error.field}: ")) from None
    extra = sorted(assignment.keys() - known.keys())
    if extra:
        near = near_matches(extra[0], known)
        raise ConfigError(origin, f"point {name!r} has {extra[0]!r}, which is not a parameter of it{near}; remove it")

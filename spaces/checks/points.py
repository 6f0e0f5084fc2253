"""Checks the configurations that a spec gives: each is a point of the space, except for seeds that it leaves out."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from spaces.space.parameters import IntParameter
from spaces.space.tree import ChoiceParameter, Parameter, Space
from spaces.space.walk import walk
from trainables.errors import ConfigError, near_matches

_SEEDS = 2**31
"""Seeds of phases are below this number."""


def is_drawn(parameter: Parameter) -> bool:
    """Return whether a given point can leave a parameter out: a seed, which each trial gets anew."""
    return isinstance(parameter, IntParameter | ChoiceParameter) and parameter.field.endswith(".seed")


def fresh_seed(parameter: Parameter, *, seed: int, turn: int) -> JsonValue:
    """Return a trial's value of a seed that its point leaves out.

    Args:
        parameter: A parameter for which `is_drawn` holds.
        seed: A large random number of the trial. It decides where every seed is allowed.
        turn: How often the point was proposed before. It goes through a list or a short range of seeds in order, so
            that none is repeated before all were used.
    """
    if isinstance(parameter, ChoiceParameter):
        return parameter.arms[turn % len(parameter.arms)].label
    assert isinstance(parameter, IntParameter)  # noqa: S101  (`is_drawn` holds)
    size = parameter.high - parameter.low + 1
    return parameter.low + (seed if size == _SEEDS else turn) % size


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
        if is_drawn(parameter):
            return fresh_seed(parameter, seed=0, turn=0)
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

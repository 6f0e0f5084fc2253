"""Returns points of a space without a sampler: the defaults, random draws, or all points."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

from pydantic import JsonValue

from spaces.space.conditions import violated
from spaces.space.parameters import FloatParameter, IntParameter, SimplexParameter
from spaces.space.tree import FAMILY_PATH, Assignment, Branch, ChoiceParameter, Label, Parameter, Space, every_parameter
from spaces.space.walk import walk
from trainables.errors import ConfigError

MAX_DRAWS = 10_000
"""Random draws after which a space is refused because no trial meets its constraints; half a second."""

MAX_COUNTED = 20_000
"""Largest number of points of a space with conditions that are counted one by one."""


def default_value(parameter: Parameter) -> JsonValue:
    """Return a parameter's default in the form that assignments have."""
    if isinstance(parameter, SimplexParameter):
        return parameter.weights(parameter.default)
    return parameter.default


def default_assignment(space: Space, *, family: Label = None) -> Assignment:
    """Return the assignment with every parameter at its default, in the named family or the default one."""

    def ask(parameter: Parameter) -> JsonValue:
        return family if family is not None and parameter.path == FAMILY_PATH else default_value(parameter)

    return walk(space, ask)


def first_assignments(space: Space) -> list[Assignment]:
    """Return a sweep's first trials: each family once, at its defaults; one trial in a space without families."""
    for parameter in space.root.parameters:
        if isinstance(parameter, ChoiceParameter) and parameter.path == FAMILY_PATH:
            return [default_assignment(space, family=arm.label) for arm in parameter.arms]
    return [default_assignment(space)]


def draw(space: Space, *, generator: random.Random) -> Assignment:
    """Return a random assignment: every arm equally likely, numbers uniform (or log-uniform), weights Dirichlet(1).

    A draw that violates a constraint is rejected and drawn again, which keeps the relative probabilities of the others.

    Raises:
        ConfigError: None of many draws meets the constraints.
    """
    for _ in range(MAX_DRAWS):
        assignment = walk(space, lambda parameter: draw_value(parameter, generator=generator))
        if violated(space, assignment) is None:
            return assignment
    raise unsatisfied(space)


def unsatisfied(space: Space) -> ConfigError:
    """Return the error for a space in which no trial was found that meets the constraints."""
    texts = " and ".join(repr(constraint.text) for constraint in space.constraints)
    rule = f"none of {MAX_DRAWS:,} random trials meets"
    return ConfigError("constraints", f"{rule} {texts}; loosen them, or narrow the ranges instead")


def draw_value(parameter: Parameter, *, generator: random.Random) -> JsonValue:
    """Return a random value of one parameter, with the distributions of `draw`."""
    match parameter:
        case ChoiceParameter():
            return generator.choice(parameter.arms).label
        case SimplexParameter():
            # Normalised exponentials are Dirichlet(1); the floor keeps a weight from rounding to 0.
            return parameter.weights(tuple(max(generator.expovariate(1), 1e-9) for _ in parameter.items))
        case IntParameter():
            if not parameter.log:
                return generator.randint(parameter.low, parameter.high)
            drawn = math.exp(generator.uniform(math.log(parameter.low - 0.5), math.log(parameter.high + 0.5)))
            return min(max(round(drawn), parameter.low), parameter.high)
        case FloatParameter():
            if not parameter.log:
                return generator.uniform(parameter.low, parameter.high)
            drawn = math.exp(generator.uniform(math.log(parameter.low), math.log(parameter.high)))
            return min(max(drawn, parameter.low), parameter.high)


def near_value(parameter: Parameter, value: JsonValue, *, generator: random.Random) -> JsonValue:
    """Return another value of a parameter: a near value of a range, or any value of another parameter."""
    match parameter:
        case ChoiceParameter():
            others = [arm.label for arm in parameter.arms if arm is not parameter.arm(value)]
            return generator.choice(others) if others else value
        case SimplexParameter():
            return draw_value(parameter, generator=generator)
        case IntParameter() | FloatParameter():
            low, high, centre = (math.log(x) if parameter.log else float(x) for x in _ends(parameter, value))
            moved = min(max(centre + generator.gauss(0.0, _NEAR * (high - low)), low), high)
            drawn = math.exp(moved) if parameter.log else moved
            inside = min(max(drawn, parameter.low), parameter.high)
            return round(inside) if isinstance(parameter, IntParameter) else inside


_NEAR = 0.1
"""Standard deviation of a move, in units of the range."""


def _ends(parameter: IntParameter | FloatParameter, value: JsonValue) -> tuple[float, float, float]:
    return (parameter.low, parameter.high, float(str(value)))


def size(space: Space) -> int | None:
    """Return how many assignments a space has, or None when a parameter is continuous.

    In a space with conditions, points are counted one by one. Above MAX_COUNTED points the result is an upper bound.
    """
    most = _branch_size(space.root)
    if most is None or most > MAX_COUNTED or not has_conditions(space):
        return most
    return sum(1 for _ in enumerate_assignments(space))


def has_conditions(space: Space) -> bool:
    """Return whether a space has constraints, or parameters that are active only under a condition."""
    return bool(space.constraints) or any(parameter.when for parameter in every_parameter(space.root))


def _branch_size(branch: Branch) -> int | None:
    product = 1
    for parameter in branch.parameters:
        factor = _parameter_size(parameter)
        if factor is None:
            return None
        product *= factor
    return product


def _parameter_size(parameter: Parameter) -> int | None:
    match parameter:
        case IntParameter():
            return parameter.high - parameter.low + 1
        case ChoiceParameter():
            sizes = [_branch_size(arm.branch) for arm in parameter.arms]
            return None if None in sizes else sum(size or 0 for size in sizes)
        case _:
            return None


def enumerate_assignments(space: Space) -> Iterator[Assignment]:
    """Yield every assignment of a finite space that meets its constraints, the last parameter changing fastest.

    Raises:
        ConfigError: A parameter is continuous.
    """
    turns: list[int] = []
    while True:
        taken: list[tuple[int, int]] = []
        assignment = walk(space, _take_turns(turns, taken=taken))
        if violated(space, assignment) is None:
            yield assignment
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        if not taken:
            return
        turns = [index for index, _ in taken]
        turns[-1] += 1


def _take_turns(turns: list[int], *, taken: list[tuple[int, int]]) -> Callable[[Parameter], JsonValue]:
    def ask(parameter: Parameter) -> JsonValue:
        index = turns[len(taken)] if len(taken) < len(turns) else 0
        value, num_values = _finite_value(parameter, index=index)
        taken.append((index, num_values))
        return value

    return ask


def _finite_value(parameter: Parameter, *, index: int) -> tuple[JsonValue, int]:
    """Return a parameter's value at a place, and its number of values."""
    match parameter:
        case ChoiceParameter():
            return parameter.arms[index].label, len(parameter.arms)
        case IntParameter():
            return parameter.low + index, parameter.high - parameter.low + 1
        case _:
            raise ConfigError(parameter.origin, "is continuous, so its space cannot be listed; use `choice` to list it")

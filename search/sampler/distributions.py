"""Converts between the parameters of a space and Optuna's: `suggest` asks for a new trial, `describe` gives a past one.

A simplex of K tasks becomes K numbers u in (0, 1); its weights are -log(u), normalised, which is Dirichlet(1) for
uniform u. The scale of -log(u) cannot be computed from the weights, so a proposal's attributes store the numbers u.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import JsonValue

from spaces.space.parameters import FloatParameter, IntParameter, SimplexParameter
from spaces.space.tree import Assignment, ChoiceParameter, Parameter, Space
from spaces.space.walk import answers, walk

_EDGE = 1e-6
"""Distance of u from 0 and 1; a weight is then above 7e-8 for two tasks, and never 0."""

Coordinates = dict[str, JsonValue]
"""Optuna's name of a simplex's number -> u."""


@dataclass(slots=True, kw_only=True)
class Described:
    """Parameters and distributions of a trial, as Optuna has them."""

    params: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    distributions: dict[str, BaseDistribution] = field(default_factory=dict[str, BaseDistribution])


@dataclass(slots=True, kw_only=True)
class Suggested:
    """A trial that Optuna suggested, with the numbers u that its weights were computed from."""

    assignment: Assignment
    coordinates: Coordinates


def suggest(space: Space, *, trial: optuna.Trial) -> Suggested:
    """Return the assignment that Optuna suggests for a trial: one value for each active parameter of the space."""
    coordinates: Coordinates = {}

    def ask(parameter: Parameter) -> JsonValue:
        match parameter:
            case SimplexParameter():
                drawn = {name: trial.suggest_float(name, _EDGE, 1 - _EDGE) for name in _names(parameter)}
                coordinates.update(drawn)
                return parameter.weights(tuple(-math.log(u) for u in drawn.values()))
            case FloatParameter():
                return trial.suggest_float(parameter.path, parameter.low, parameter.high, log=parameter.log)
            case IntParameter():
                return trial.suggest_int(parameter.path, parameter.low, parameter.high, log=parameter.log)
            case ChoiceParameter():
                return trial.suggest_categorical(parameter.path, [arm.label for arm in parameter.arms])

    return Suggested(assignment=walk(space, ask), coordinates=coordinates)


def describe(space: Space, assignment: Assignment, *, coordinates: Mapping[str, JsonValue]) -> Described:
    """Return an assignment as Optuna's parameters and distributions.

    Args:
        space: The space.
        assignment: A point of it.
        coordinates: The numbers u of its weights; where they are missing, they are estimated from the weights.

    Raises:
        ConfigError: The assignment is not in the space.
    """
    described = Described()
    look_up = answers(assignment)

    def ask(parameter: Parameter) -> JsonValue:
        value = look_up(parameter)
        described.distributions.update(_distributions(parameter))
        described.params.update(_params(parameter, value=value, coordinates=coordinates))
        return value

    walk(space, ask)
    return described


def coordinates_of(space: Space, assignment: Assignment) -> Coordinates:
    """Return numbers u that give the weights of an assignment which Optuna did not suggest."""
    described = describe(space, assignment, coordinates={})
    return {name: value for name, value in described.params.items() if name not in assignment}


def _names(parameter: SimplexParameter) -> list[str]:
    return [f"{parameter.path}/{item}" for item in parameter.items]


def _distributions(parameter: Parameter) -> dict[str, BaseDistribution]:
    match parameter:
        case SimplexParameter():
            return {name: FloatDistribution(_EDGE, 1 - _EDGE) for name in _names(parameter)}
        case FloatParameter():
            return {parameter.path: FloatDistribution(parameter.low, parameter.high, log=parameter.log)}
        case IntParameter():
            return {parameter.path: IntDistribution(parameter.low, parameter.high, log=parameter.log)}
        case ChoiceParameter():
            return {parameter.path: CategoricalDistribution([arm.label for arm in parameter.arms])}


def _params(parameter: Parameter, *, value: JsonValue, coordinates: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    if not isinstance(parameter, SimplexParameter) or not isinstance(value, dict):
        return {parameter.path: value}
    names = _names(parameter)
    if all(name in coordinates for name in names):
        return {name: coordinates[name] for name in names}
    # The masses of Dirichlet(1) have mean 1 each, so their sum is near K: a typical u behind these weights.
    masses = [float(str(value[item])) * len(names) for item in parameter.items]
    return {name: min(max(math.exp(-mass), _EDGE), 1 - _EDGE) for name, mass in zip(names, masses, strict=True)}

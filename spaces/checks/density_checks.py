"""Checks the prior densities of a spec against its space."""

from __future__ import annotations

from collections.abc import Mapping

from spaces.priors import DensityConfig
from spaces.space.densities import ordered_labels
from spaces.space.parameters import IntParameter, SimplexParameter
from spaces.space.tree import ChoiceParameter, Parameter, Space, every_parameter
from spaces.space.walk import describe, listed
from trainables.errors import ConfigError, near_matches


def check_densities(densities: Mapping[str, DensityConfig], *, space: Space) -> None:
    """Check that each density is one over a number that the space searches, and that its centre is a value of it.

    Args:
        densities: Path of a parameter -> its density.
        space: The space.

    Raises:
        ConfigError: A parameter is unknown or not a number, or a centre is outside of its values.
    """
    parameters = {parameter.path: parameter for parameter in every_parameter(space.root)}
    for path, density in densities.items():
        origin = f"priors.densities.{path}"
        if path not in parameters:
            raise ConfigError(origin, _unknown(path, parameters=parameters))
        parameter = parameters[path]
        if (refusal := _refusal(parameter)) is not None:
            raise ConfigError(origin, refusal)
        _check_centre(density.centre, parameter=parameter, origin=f"{origin}.centre")


def _unknown(path: str, *, parameters: Mapping[str, Parameter]) -> str:
    written = [parameter.path for parameter in parameters.values() if path in {parameter.origin, parameter.field}]
    near = f"; did you mean {' or '.join(map(repr, written))}?" if written else near_matches(path, parameters)
    numbers = [name for name, parameter in parameters.items() if _refusal(parameter) is None]
    step = f"those over numbers are {listed(numbers)}" if numbers else "it searches no number: remove priors.densities"
    return f"no parameter of the space has the path {path!r}{near}; {step}"


def _refusal(parameter: Parameter) -> str | None:
    """Return why a parameter can have no density, and what to do; None if it can have one."""
    if isinstance(parameter, SimplexParameter):
        rule = "its value is a mixture of weights, and a density is over one number"
        return f"{rule}; remove it, or list mixtures as a choice and use priors.arms"
    if isinstance(parameter, ChoiceParameter) and not ordered_labels(parameter):
        labels = listed([repr(arm.label) for arm in parameter.arms])
        rule = f"a density is over numbers, and its values are {labels}"
        return f"{rule}; give numbers to its arms in priors.arms.{parameter.path}"
    return None


def _check_centre(centre: float, *, parameter: Parameter, origin: str) -> None:
    if isinstance(parameter, ChoiceParameter):
        is_value = any(centre == label for label in ordered_labels(parameter))
    elif isinstance(parameter, IntParameter):
        is_value = centre == int(centre) and parameter.admits(int(centre))
    else:
        is_value = parameter.admits(centre)
    if not is_value:
        rule = f"{parameter.path} is {describe(parameter)}"
        raise ConfigError(
            origin, f"{centre:g} is not a value of the space: {rule}; use one of these, or widen {parameter.origin}"
        )

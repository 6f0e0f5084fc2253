"""Checks that controls of equal compute train for as many steps as the phases that they are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spaces.space.binder import BoundTrial, origin_of
from spaces.space.parameters import FloatParameter, IntParameter
from spaces.space.tree import FAMILY_PATH, ChoiceParameter, Space, every_parameter
from trainables.checks.controls import equal_compute_tasks
from trainables.errors import ConfigError


def check_equal_compute(trials: Iterable[BoundTrial], *, space: Space) -> None:
    """Check that another family's phase can have the number of steps of each control of equal compute.

    Args:
        trials: Trials of the space, with each arm of each choice in at least one.
        space: The space. If another family's steps are a range, every number in the range can be compared.

    Raises:
        ConfigError: No other family can have that number of steps; `field` is the place of the steps in the spec.
    """
    controls: list[tuple[int, str]] = []
    compared: set[int] = set()
    for trial in trials:
        phase = trial.config.intermediate
        if phase is None or phase.steps is None:
            continue
        if equal_compute_tasks(trial.config):
            controls.append((phase.steps, origin_of("intermediate.steps", origins=trial.origins)))
        else:
            compared.add(phase.steps)
    ranges = list(_ranges_of_steps(space))
    for steps, origin in controls:
        if compared and steps not in compared and not any(low <= steps <= high for low, high in ranges):
            known = ", ".join(map(str, sorted(compared)))
            rule = f"the phases that this control of equal compute is compared with have {known} steps"
            raise ConfigError(origin, f"{steps} steps do not fit: {rule}; use the same number")


def _ranges_of_steps(space: Space) -> Iterator[tuple[float, float]]:
    (families,) = (parameter for parameter in space.root.parameters if parameter.path == FAMILY_PATH)
    assert isinstance(families, ChoiceParameter)  # noqa: S101  (our own space)
    for arm in families.arms:
        for parameter in every_parameter(arm.branch) if arm.label != "control" else ():
            if isinstance(parameter, IntParameter | FloatParameter) and parameter.field == "intermediate.steps":
                yield parameter.low, parameter.high

"""Whether controls of equal compute train for as long as what they are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spaces.binding import BoundTrial, origin_of
from spaces.parameters import FloatParameter, IntParameter
from spaces.tree import FAMILY_PATH, ChoiceParameter, Space, every_parameter
from trainables.checks.controls import equal_compute_tasks
from trainables.errors import ConfigError


def check_equal_compute(trials: Iterable[BoundTrial], *, space: Space) -> None:
    """Return when each control of equal compute takes a number of steps that another family's phase can take.

    Args:
        trials: Trials of the space, among them each arm of each choice.
        space: The space; where another family's steps are a range, any number in it can be compared.

    Raises:
        ConfigError: No other family trains for so long; `field` is the place of the steps in the spec.
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
            raise ConfigError(origin, f"{steps} steps of equal compute, but compared phases take {known}; use theirs")


def _ranges_of_steps(space: Space) -> Iterator[tuple[float, float]]:
    (families,) = (one for one in space.root.parameters if one.path == FAMILY_PATH)
    assert isinstance(families, ChoiceParameter)  # noqa: S101  (our own space)
    for arm in families.arms:
        for parameter in every_parameter(arm.branch) if arm.label != "control" else ():
            if isinstance(parameter, IntParameter | FloatParameter) and parameter.field == "intermediate.steps":
                yield parameter.low, parameter.high

"""Whether a trial uses controls as what they are. Pure: reads names and specifications only."""

from __future__ import annotations

from trainables.config import TrialConfig
from trainables.errors import ConfigError
from trainables.plan.provenance import evaluations_of, phases_of
from trainables.tasks.controls import is_control_name
from trainables.tasks.registry import task


def check_controls(config: TrialConfig) -> None:
    """Return when controls stand in the intermediate phase only, and equal compute is the target's own task.

    Raises:
        ConfigError: One is misused; `field` is the field of the trial.
        UnknownTaskError: A task is not known.
    """
    for phase, work in phases_of(config).items():
        for name in work.mixture if phase != "intermediate" else ():
            _refuse(name, field=f"{phase}.mixture")
    for place, work in evaluations_of(config).items():
        _refuse(work.task, field=f"{place}.task")
    _check_equal_compute(config)


def equal_compute_tasks(config: TrialConfig) -> tuple[str, ...]:
    """Return the names of the intermediate phase's tasks that are controls of equal compute."""
    controls = {name: task(name).control for name in config.intermediate.mixture} if config.intermediate else {}
    return tuple(name for name, control in controls.items() if control and control.kind == "equal_compute")


def _refuse(name: str, *, field: str) -> None:
    if is_control_name(name):
        raise ConfigError(field, f"{name!r} is a control, which stands in for an intermediate task; put it there")


def _check_equal_compute(config: TrialConfig) -> None:
    work = config.intermediate
    targets = ", ".join(config.target.mixture)
    for name in equal_compute_tasks(config):
        base = name.partition("@")[0]
        if base not in config.target.mixture:
            message = f"{name!r} is more of {base!r}, and the target trains on {targets}; write {targets}@equal_compute"
            raise ConfigError("intermediate.mixture", message)
        if work is not None and work.steps is None:
            message = f"{work.epochs:g} epochs of the target's own task; give `steps`, those of the compared phase"
            raise ConfigError("intermediate.epochs", message)

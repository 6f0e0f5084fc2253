"""Checks that a trial uses controls only where they control something. Pure: reads only names and specifications."""

from __future__ import annotations

from trainables.config import TrialConfig
from trainables.config.further import TEXTS_ALONE
from trainables.errors import ConfigError
from trainables.plan.provenance import evaluations_of, phases_of
from trainables.tasks.controls import is_control_name
from trainables.tasks.registry import task


def check_controls(config: TrialConfig) -> None:
    """Check that controls are only in the intermediate phase, and that `equal_compute` is of the target's task.

    A further target can train on the texts of a task with images, as `with_tower` writes it.

    Raises:
        ConfigError: A control is in a wrong place; `field` is the field of the trial.
        UnknownTaskError: A task is not known.
    """
    for phase, work in phases_of(config).items():
        for name in work.mixture if phase != "intermediate" else ():
            if not _is_asked_without_images(name, phase=phase):
                _check_is_no_control(name, field=f"{phase}.mixture")
    for place, work in evaluations_of(config).items():
        _check_is_no_control(work.task, field=f"{place}.task")
    _check_equal_compute(config)


def equal_compute_tasks(config: TrialConfig) -> tuple[str, ...]:
    """Return the names of the intermediate phase's tasks that are `equal_compute` controls."""
    controls = {name: task(name).control for name in config.intermediate.mixture} if config.intermediate else {}
    return tuple(name for name, control in controls.items() if control and control.kind == "equal_compute")


def _is_asked_without_images(name: str, *, phase: str) -> bool:
    """Return whether a further target trains on the texts of a task with images, because its trial has no tower."""
    return phase.startswith("further.") and name.endswith(TEXTS_ALONE) and task(name.partition("@")[0]).has_images


def _check_is_no_control(name: str, *, field: str) -> None:
    if is_control_name(name):
        raise ConfigError(field, f"{name!r} is a control; a control is an intermediate task; use it in `intermediate`")


def _check_equal_compute(config: TrialConfig) -> None:
    work = config.intermediate
    targets = ", ".join(config.target.mixture)
    for name in equal_compute_tasks(config):
        base = name.partition("@")[0]
        if base not in config.target.mixture:
            rule = f"{name!r} trains on {base!r}, but equal_compute must be of the target's task, {targets}"
            raise ConfigError("intermediate.mixture", f"{rule}; write {targets}@equal_compute")
        if work is not None and work.steps is None:
            rule = f"is {work.epochs:g}, but equal_compute compares numbers of steps"
            raise ConfigError("intermediate.epochs", f"{rule}; give `steps`, as many as in the compared phase")

"""Computes learning-rate schedules as pure functions of the step."""

from __future__ import annotations

from trainables.config import ScheduleConfig


def warmup_length(schedule: ScheduleConfig, *, num_steps: int) -> int:
    """Return the number of warm-up steps."""
    if schedule.warmup_steps is not None:
        return min(schedule.warmup_steps, num_steps)
    return round(schedule.warmup_fraction * num_steps)


def learning_rate_factor(schedule: ScheduleConfig, *, step: int, num_steps: int) -> float:
    """Return the factor (0..1) of the peak learning rate for one optimiser step.

    Warm-up rises linearly and reaches 1 at its last step. `linear` then falls to 0 just after the last step (as
    transformers' get_linear_schedule_with_warmup); `warmup_stable_decay` stays at 1 and falls in its last part
    (Haegele et al. 2024, arXiv 2405.18392).

    Args:
        schedule: Kind and lengths.
        step: Step about to be taken, counted from 0.
        num_steps: Steps of the whole phase.
    """
    warmup = warmup_length(schedule, num_steps=num_steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if schedule.kind == "constant":
        return 1.0
    return min(1.0, (num_steps - step) / max(1, _decay_length(schedule, warmup=warmup, num_steps=num_steps)))


def has_trunk(schedule: ScheduleConfig) -> bool:
    """Return whether the stable part of a shorter phase is also the start of a longer phase.

    This is so if the rate stays at its peak and warm-up is given in steps: a fraction would change with the total.
    """
    return schedule.kind != "linear" and (schedule.warmup_steps is not None or not schedule.warmup_fraction)


def trunk_end(schedule: ScheduleConfig, *, num_steps: int) -> int:
    """Return the number of steps before a phase's rate starts to fall; longer phases start with the same steps.

    Args:
        schedule: One that has a trunk.
        num_steps: Steps of the whole phase.
    """
    warmup = warmup_length(schedule, num_steps=num_steps)
    return (
        num_steps
        if schedule.kind == "constant"
        else num_steps - _decay_length(schedule, warmup=warmup, num_steps=num_steps)
    )


def stop_step(share: float, *, num_steps: int) -> int:
    """Return the number of steps before a checkpoint of an average.

    Args:
        share: Its place as a share (0..1) of the steps.
        num_steps: Steps of the whole phase.
    """
    return round(share * num_steps)


def _decay_length(schedule: ScheduleConfig, *, warmup: int, num_steps: int) -> int:
    if schedule.kind == "warmup_stable_decay":
        return min(num_steps - warmup, max(1, round(schedule.decay_fraction * num_steps)))
    return num_steps - warmup

"""Learning-rate schedules as pure functions of the step."""

from __future__ import annotations

from trainables.config import ScheduleConfig


def warmup_length(schedule: ScheduleConfig, *, num_steps: int) -> int:
    """Return the number of steps that warm up."""
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
    decay = num_steps - warmup
    if schedule.kind == "warmup_stable_decay":
        decay = min(decay, max(1, round(schedule.decay_fraction * num_steps)))
    return min(1.0, (num_steps - step) / max(1, decay))

"""Checks the rungs of a sweep against the trials of its space."""

from __future__ import annotations

from spaces.space.binder import BoundTrial, bind_with_origins, origin_of
from spaces.space.enumeration import first_assignments
from spaces.space.tree import Space
from trainables.config import PhaseConfig, RungsConfig
from trainables.errors import ConfigError
from trainables.plan.schedule import warmup_length


def check_rungs(rungs: RungsConfig, *, space: Space) -> None:
    """Check that every rung differs from the one below in some family, and that no warm-up is longer than a rung.

    Args:
        rungs: The sweep's rungs.
        space: Its space; each family is checked with its defaults.

    Raises:
        ConfigError: A rung has no effect, or cannot be continued by the next.
    """
    if rungs.num == 1:
        return
    trials = [bind_with_origins(space, assignment) for assignment in first_assignments(space)]
    for phase in rungs.grow:
        having = [trial for trial in trials if getattr(trial.config, phase) is not None]
        if not having:
            rule = f"no trial has a phase {phase!r}, so all rungs would be equal"
            raise ConfigError("rungs.grow", f"{phase!r} has no effect: {rule}; name a phase that the trials have")
        for trial in having:
            _check_growing(trial, phase=phase, rungs=rungs)


def _check_growing(trial: BoundTrial, *, phase: str, rungs: RungsConfig) -> None:
    work: PhaseConfig = getattr(trial.config, phase)
    shortest: PhaseConfig = getattr(rungs.at(0, config=trial.config), phase)
    if work.steps is None or shortest.steps is None:
        return
    field = origin_of(f"{phase}.steps", origins=trial.origins)
    if work.steps < rungs.eta**rungs.last:
        least = f"a phase that grows over {rungs.num} rungs of eta {rungs.eta} needs at least {rungs.eta**rungs.last}"
        raise ConfigError(field, f"{work.steps} steps are too few: {least}; raise it, or use fewer rungs")
    warmup = work.schedule.warmup_steps or 0
    if warmup_length(work.schedule, num_steps=shortest.steps) < warmup:
        field = origin_of(f"{phase}.schedule.warmup_steps", origins=trial.origins)
        rule = f"rung 0 has {shortest.steps} of {work.steps} steps, and the warm-up must fit into the lowest rung"
        raise ConfigError(field, f"{warmup} is too long: {rule}; set it to {shortest.steps // 2} or less")

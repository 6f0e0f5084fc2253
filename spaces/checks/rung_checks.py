"""Checks the rungs of a sweep against the trials of its space."""

from __future__ import annotations

from collections.abc import Iterator

from spaces.space.binder import BoundTrial, bind_with_origins, origin_of
from spaces.space.enumeration import first_assignments
from spaces.space.tree import Space
from trainables.config import PhaseConfig, RungsConfig
from trainables.config.combining import AverageConfig
from trainables.errors import ConfigError
from trainables.plan.schedule import stop_step, warmup_length

_Growing = tuple[str, PhaseConfig, PhaseConfig]
"""Field of a phase that grows, the phase at its full length, and the phase at the lowest rung."""


def check_rungs(rungs: RungsConfig, *, space: Space) -> None:
    """Check that every rung differs from the one below in some family, and that a trial's own phases fit the lowest.

    Specs on record pass this check, so it stays as it is; `check_rungs_of_all_phases` checks new sweeps.

    Args:
        rungs: The sweep's rungs.
        space: Its space; each family is checked with its defaults.

    Raises:
        ConfigError: A rung has no effect, a phase has too few steps for it, or the next rung cannot continue it.
    """
    if rungs.num == 1:
        return
    trials = [bind_with_origins(space, assignment) for assignment in first_assignments(space)]
    for phase in rungs.grow:
        if all(getattr(trial.config, phase) is None for trial in trials):
            rule = f"no trial has a phase {phase!r}, so all rungs would be equal"
            raise ConfigError("rungs.grow", f"{phase!r} has no effect: {rule}; name a phase that the trials have")
    for trial in trials:
        for growing in _own_phases(trial, rungs=rungs):
            _check_growing(growing, trial=trial, rungs=rungs)


def check_rungs_of_all_phases(rungs: RungsConfig, *, space: Space) -> None:
    """Check that all phases of a new sweep fit the lowest rung: also parts of merges, averages, and further targets.

    Args:
        rungs: The sweep's rungs.
        space: Its space; each family is checked with its defaults.

    Raises:
        ConfigError: A phase does not fit.
    """
    if rungs.num == 1:
        return
    for assignment in first_assignments(space):
        trial = bind_with_origins(space, assignment)
        for growing in _growing_phases(trial, rungs=rungs):
            _check_growing(growing, trial=trial, rungs=rungs)
            _check_average(growing, trial=trial)


def _own_phases(trial: BoundTrial, *, rungs: RungsConfig) -> Iterator[_Growing]:
    lowest = rungs.at(0, config=trial.config)
    for phase in rungs.grow:
        if (work := getattr(trial.config, phase)) is not None:
            yield phase, work, getattr(lowest, phase)


def _growing_phases(trial: BoundTrial, *, rungs: RungsConfig) -> Iterator[_Growing]:
    """Yield the phases of a trial that grow: its own, the parts of a merge, and those of further targets."""
    for own in _own_phases(trial, rungs=rungs):
        yield from _with_parts(*own)
    if "target" not in rungs.grow:
        return
    lowest = rungs.at(0, config=trial.config)
    for name, shorter in lowest.further.items():
        for work, shortest in zip(trial.config.further[name].target, shorter.target, strict=True):
            yield f"further.{name}.target", work, shortest


def _with_parts(phase: str, work: PhaseConfig, shortest: PhaseConfig) -> Iterator[_Growing]:
    if work.merge is None:
        yield phase, work, shortest
        return
    for name in work.mixture:
        field = f"{phase}.merge.parts.{name}" if "steps" in work.merge.parts.get(name, {}) else phase
        yield field, work.part(name), shortest.part(name)


def _check_growing(growing: _Growing, *, trial: BoundTrial, rungs: RungsConfig) -> None:
    field, work, shortest = growing
    if work.steps is None or shortest.steps is None:
        return
    if work.steps < rungs.eta**rungs.last:
        place = origin_of(f"{field}.steps", origins=trial.origins)
        least = f"a phase that grows over {rungs.num} rungs of eta {rungs.eta} needs at least {rungs.eta**rungs.last}"
        raise ConfigError(place, f"{work.steps} steps are too few: {least}; raise it, or use fewer rungs")
    warmup = work.schedule.warmup_steps or 0
    if warmup_length(work.schedule, num_steps=shortest.steps) < warmup:
        place = origin_of(f"{field}.schedule.warmup_steps", origins=trial.origins)
        rule = f"rung 0 has {shortest.steps} of {work.steps} steps, and the warm-up must fit into the lowest rung"
        raise ConfigError(place, f"{warmup} is too long: {rule}; set it to {shortest.steps // 2} or less")


def _check_average(growing: _Growing, *, trial: BoundTrial) -> None:
    field, work, shortest = growing
    if shortest.average is None or shortest.steps is None:
        return
    if _has_distinct_checkpoints(shortest.average, num_steps=shortest.steps):
        return
    place = origin_of(f"{field}.average.last", origins=trial.origins)
    problem = f"{shortest.average.last} checkpoints are too many for the lowest rung"
    rule = f"rung 0 has {shortest.steps} of {work.steps} steps"
    raise ConfigError(place, f"{problem}: {rule}; lower it, train more steps, or use fewer rungs")


def _has_distinct_checkpoints(average: AverageConfig, *, num_steps: int) -> bool:
    """Return whether the checkpoints of an average are at different steps, inside of the phase."""
    stops = [0, *(stop_step(share, num_steps=num_steps) for share in average.shares_before_end), num_steps]
    return len(set(stops)) == len(stops)

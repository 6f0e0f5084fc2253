"""Checks that a bound trial's tasks fit its phases, its family and its evaluation."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from spaces.space.binder import BoundTrial, origin_of
from trainables.checks.auxiliary_checks import check_beside
from trainables.checks.combinations import check_combinations
from trainables.checks.controls import check_controls
from trainables.config import EvaluationConfig, PhaseConfig
from trainables.errors import ConfigError, InputError, near_matches
from trainables.plan.provenance import evaluations_of, phases_of
from trainables.tasks import registry
from trainables.tasks.spec import TaskSpec


def check_trial(trial: BoundTrial, *, family: JsonValue = None) -> None:
    """Check that a bound trial's tasks exist and fit their phases, family and languages.

    Args:
        trial: The trial and the places in the spec that its fields come from.
        family: The family of the trial. The tasks are not compared with None or `control`.

    Raises:
        ConfigError: A task is unknown or does not fit; `field` is the path in the spec.
    """
    for name, phase in phases_of(trial.config).items():
        _check_phase(phase, name=name, origins=trial.origins)
    _check_controls(trial)
    _check_family(trial, family=family)
    for place, evaluation in evaluations_of(trial.config).items():
        _check_evaluation(evaluation, place=place, origins=trial.origins)


def _check_phase(phase: PhaseConfig, *, name: str, origins: Mapping[str, str]) -> None:
    _check_teacher(phase, name=name, origins=origins)
    origin = origin_of(f"{name}.mixture", origins=origins)
    with_images = [task for task in phase.mixture if _task(task, origin=origin).has_images]
    if with_images and phase.vision is None:
        raise ConfigError(origin, f"{with_images[0]!r} has images but the phase has no vision tower; set `vision`")
    if phase.vision is not None and not with_images:
        raise ConfigError(
            origin_of(f"{name}.vision", origins=origins),
            f"a vision tower is set, but no task of {', '.join(phase.mixture)} has images; remove it",
        )


def _check_teacher(phase: PhaseConfig, *, name: str, origins: Mapping[str, str]) -> None:
    origin = origin_of(f"{name}.mixture", origins=origins)
    learning = [task for task in phase.mixture if _task(task, origin=origin).kind == "distillation"]
    if learning and phase.teacher is None:
        raise ConfigError(
            origin, f"{learning[0]!r} learns the vectors of a teacher, but the phase has none; set `teacher`"
        )
    if phase.teacher is not None and not learning:
        raise ConfigError(
            origin_of(f"{name}.teacher", origins=origins),
            f"a teacher is set, but no task of {', '.join(phase.mixture)} is of kind distillation; remove it",
        )


def _check_controls(trial: BoundTrial) -> None:
    try:
        check_controls(trial.config)
        check_beside(trial.config)
        check_combinations(trial.config)
    except ConfigError as error:
        message = str(error).removeprefix(f"{error.field}: ")
        raise ConfigError(origin_of(error.field, origins=trial.origins), message) from None


def _check_family(trial: BoundTrial, *, family: JsonValue) -> None:
    phase = trial.config.intermediate
    if phase is None or family in (None, "control"):
        return
    found = registry.family_of(phase.mixture) if phase.merge is None else "merged"
    if found != family:
        raise ConfigError(
            origin_of("intermediate.mixture", origins=trial.origins),
            f"{', '.join(phase.mixture)} is of family {found!r}, not {family!r}; move it there, or change the tasks",
        )


def _check_evaluation(evaluation: EvaluationConfig, *, place: str, origins: Mapping[str, str]) -> None:
    spec = _task(evaluation.task, origin=origin_of(f"{place}.task", origins=origins))
    for language in evaluation.languages:
        if language not in spec.languages:
            near = near_matches(language, spec.languages)
            raise ConfigError(
                origin_of(f"{place}.languages", origins=origins),
                f"task {spec.name!r} has no language {language!r}{near}; it has {' '.join(spec.languages)}",
            )


def _task(name: str, *, origin: str) -> TaskSpec:
    try:
        return registry.task(name)
    except InputError as error:
        raise ConfigError(origin, str(error)) from None

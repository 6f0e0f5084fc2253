"""Checks a space before anything starts, by binding it where mistakes show.

Bound are: each family at its defaults, each arm of each choice, both ends of each range, and a few random draws for
mistakes that need two values at once. A slip that survives is refused when its trial is bound, by the same rules.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from spaces.binding import BoundTrial, bind_with_origins
from spaces.drawing import default_value, draw, first_assignments
from spaces.parameters import FloatParameter, IntParameter
from spaces.tree import FAMILY_PATH, Assignment, Branch, ChoiceParameter, Label, Parameter, Setting, Space
from spaces.walk import walk
from trainables.config import PhaseConfig
from trainables.errors import ConfigError, UnknownTaskError, near_matches
from trainables.tasks import registry
from trainables.tasks.spec import TaskSpec

NUM_RANDOM_PROBES = 24
"""Random draws that a check binds; about 2 ms in all."""


def check_space(space: Space) -> None:
    """Return when no mistake is found in a space.

    Args:
        space: The space of a sweep spec.

    Raises:
        ConfigError: A field is set twice, a range leaves its field's limits, a task is unknown or does not fit its
            family, a language is missing; `field` is the path in the spec.
    """
    _refuse_double_settings(space.root)
    for assignment in _probes(space):
        check_trial(bind_with_origins(space, assignment), family=assignment.get(FAMILY_PATH))


def _probes(space: Space) -> Iterator[Assignment]:
    yield from first_assignments(space)
    yield from _branch_probes(space, space.root, {})
    generator = random.Random(0)  # noqa: S311  the same probes every time
    for _ in range(NUM_RANDOM_PROBES):
        yield draw(space, generator=generator)


def _branch_probes(space: Space, branch: Branch, answers: Mapping[str, JsonValue]) -> Iterator[Assignment]:
    for parameter in branch.parameters:
        for value in _probe_values(parameter):
            chosen = {**answers, parameter.path: value}
            yield _defaults_but(space, chosen)
            if isinstance(parameter, ChoiceParameter) and (arm := parameter.arm(value)):
                yield from _branch_probes(space, arm.branch, chosen)


def _probe_values(parameter: Parameter) -> list[JsonValue]:
    match parameter:
        case ChoiceParameter():
            return [arm.label for arm in parameter.arms]
        case IntParameter() | FloatParameter():
            return [parameter.low, parameter.high]
        case _:
            return []


def _defaults_but(space: Space, answers: Mapping[str, JsonValue]) -> Assignment:
    def ask(parameter: Parameter) -> JsonValue:
        return answers[parameter.path] if parameter.path in answers else default_value(parameter)

    return walk(space, ask)


def _refuse_double_settings(root: Branch) -> None:
    fixed = {s.field: s.origin for s in root.settings if s.value != {} and not s.field.startswith("intermediate")}
    for field, origin in _claims(Branch(parameters=root.parameters), {}).items():
        other = _overlapping(field, fixed)
        # A `search:` of fixed values is part of the root's settings and cannot overlap itself.
        if other is not None and other != origin:
            raise ConfigError(origin, f"{field!r} is also set at {other}; keep one of the two")
    _refuse_repeats(root.settings)


def _refuse_repeats(settings: tuple[Setting, ...]) -> None:
    seen: dict[str, str] = {}
    for setting in settings:
        if setting.value == {}:
            continue
        other = _overlapping(setting.field, seen)
        if other is not None:
            raise ConfigError(setting.origin, f"{setting.field!r} is also set at {other}; keep one of the two")
        seen[setting.field] = setting.origin


def _claims(branch: Branch, above: Mapping[str, str]) -> dict[str, str]:
    """Return field -> origin of what a branch decides, having refused what is decided twice."""
    claims: dict[str, str] = {}
    for field, origin in _own_claims(branch):
        _refuse_overlap(field, origin, {**above, **claims})
        claims[field] = origin
    for parameter in branch.parameters:
        if isinstance(parameter, ChoiceParameter):
            arms = [_claims(arm.branch, {**above, **claims}) for arm in parameter.arms]
            claims.update({field: origin for arm in arms for field, origin in arm.items()})
    return claims


def _own_claims(branch: Branch) -> Iterator[tuple[str, str]]:
    for setting in branch.settings:
        if setting.value not in ({}, None):
            yield setting.field, setting.origin
    for parameter in branch.parameters:
        if not isinstance(parameter, ChoiceParameter):
            yield parameter.field, parameter.origin


def _refuse_overlap(field: str, origin: str, claimed: Mapping[str, str]) -> None:
    other = _overlapping(field, claimed)
    if other is not None:
        raise ConfigError(origin, f"{field!r} is also set at {other}; keep one of the two")


def _overlapping(field: str, claimed: Mapping[str, str]) -> str | None:
    for other, origin in claimed.items():
        if field == other or field.startswith(f"{other}.") or other.startswith(f"{field}."):
            return origin
    return None


def check_trial(trial: BoundTrial, *, family: JsonValue | Label = None) -> None:
    """Return when a bound trial's tasks exist and fit their phases, family and languages.

    Args:
        trial: The trial and the places in the spec that its fields come from.
        family: The family that it should be of; None or `control` are not compared with the tasks.

    Raises:
        ConfigError: A task is unknown or does not fit; `field` is the path in the spec.
    """
    config = trial.config
    phases = {"pretraining": config.pretraining, "intermediate": config.intermediate, "target": config.target}
    for name, phase in phases.items():
        if phase is not None:
            _check_phase(phase, name=name, origins=trial.origins)
    _check_family(trial, family)
    _check_evaluation(trial)


def _check_phase(phase: PhaseConfig, *, name: str, origins: Mapping[str, str]) -> None:
    origin = _origin(origins, f"{name}.mixture")
    with_images = [task for task in phase.mixture if _task(task, origin).has_images]
    if with_images and phase.vision is None:
        raise ConfigError(origin, f"{with_images[0]!r} has images but the phase has no vision tower; set `vision`")
    if phase.vision is not None and not with_images:
        raise ConfigError(
            _origin(origins, f"{name}.vision"),
            f"a vision tower is set, but no task of {', '.join(phase.mixture)} has images; remove it",
        )


def _check_family(trial: BoundTrial, family: JsonValue | Label) -> None:
    phase = trial.config.intermediate
    if phase is None or family in (None, "control"):
        return
    found = registry.family_of(phase.mixture)
    if found != family:
        raise ConfigError(
            _origin(trial.origins, "intermediate.mixture"),
            f"{', '.join(phase.mixture)} is of family {found!r}, not {family!r}; move it there or change the tasks",
        )


def _check_evaluation(trial: BoundTrial) -> None:
    evaluation = trial.config.evaluation
    spec = _task(evaluation.task, _origin(trial.origins, "evaluation.task"))
    for language in evaluation.languages:
        if language not in spec.languages:
            near = near_matches(language, spec.languages)
            raise ConfigError(
                _origin(trial.origins, "evaluation.languages"),
                f"task {spec.name!r} has no language {language!r}{near}; it has {' '.join(spec.languages)}",
            )


def _task(name: str, origin: str) -> TaskSpec:
    try:
        return registry.task(name)
    except UnknownTaskError as error:
        raise ConfigError(origin, str(error)) from None


def _origin(origins: Mapping[str, str], field: str) -> str:
    parts = field.split(".")
    for length in range(len(parts), 0, -1):
        origin = origins.get(".".join(parts[:length]))
        if origin is not None:
            return ".".join([origin, *parts[length:]])
    return f"trial.{field}"

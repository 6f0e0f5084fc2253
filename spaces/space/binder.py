"""Binds an assignment: returns the TrialConfig that it describes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue, ValidationError

from spaces.space.tree import Assignment, Parameter, Space
from spaces.space.trial_draft import Draft
from spaces.space.walk import answers, walk
from trainables.config import TrialConfig
from trainables.config.validation import config_error
from trainables.errors import ConfigError


def origin_of(field: str, *, origins: Mapping[str, str]) -> str:
    """Return the place in the spec that set a field or its nearest parent.

    Args:
        field: Dotted path in the TrialConfig.
        origins: Field -> its place in the spec, for each field that was set.
    """
    parts = field.split(".")
    for length in range(len(parts), 0, -1):
        origin = origins.get(".".join(parts[:length]))
        if origin is not None:
            return ".".join([origin, *parts[length:]])
    return f"trial.{field}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundTrial:
    """A trial's configuration, and where in the spec its fields were set."""

    config: TrialConfig
    origins: Mapping[str, str]


def bind(space: Space, assignment: Assignment) -> TrialConfig:
    """Return the trial of an assignment: the spec's fixed settings, overridden by the assigned values.

    Args:
        space: The space that the assignment belongs to.
        assignment: Path of each active parameter -> value.

    Raises:
        ConfigError: The assignment is not in the space, or the trial breaks a rule of TrialConfig; `field` is the
            path in the sweep spec.
    """
    return bind_with_origins(space, assignment).config


def bind_with_origins(space: Space, assignment: Assignment) -> BoundTrial:
    """Return the trial of an assignment together with the places in the spec that its fields come from.

    Raises:
        ConfigError: As `bind`.
    """
    draft = Draft()
    draft.put_all(space.root.settings)
    look_up = answers(assignment)

    def ask(parameter: Parameter) -> JsonValue:
        value = look_up(parameter)
        draft.put_parameter(parameter, value=value)
        return value

    extra = assignment.keys() - walk(space, ask).keys()
    if extra:
        raise ConfigError(min(extra), "is not an active parameter of this assignment; remove it")
    config = _validated(draft)
    return BoundTrial(config=_with_target_seed(config) if space.shares_target_seed else config, origins=draft.origins)


def _with_target_seed(config: TrialConfig) -> TrialConfig:
    """Return a trial whose further targets have the main target's seed, unless they have one of their own."""
    seed = config.target.seed
    further = {
        name: target.model_copy(
            update={
                "target": tuple(work if work.seed else work.model_copy(update={"seed": seed}) for work in target.target)
            }
        )
        for name, target in config.further.items()
    }
    return config.model_copy(update={"further": further})


def _validated(draft: Draft) -> TrialConfig:
    draft.fill_target()
    try:
        return TrialConfig.model_validate(draft.values)
    except ValidationError as error:
        raise config_error(error, locate=lambda path: origin_of(path, origins=draft.origins)) from None

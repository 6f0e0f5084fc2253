"""From an assignment to the TrialConfig that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue, ValidationError

from spaces.parameters import FloatParameter, IntParameter, SimplexParameter
from spaces.tree import Assignment, ChoiceParameter, Parameter, Setting, Space
from spaces.walk import answers, walk
from trainables.config import TrialConfig
from trainables.config.validation import config_error
from trainables.errors import ConfigError

_DEFAULT_TARGET = TrialConfig().target


@dataclass(slots=True, kw_only=True)
class _Draft:
    """A TrialConfig in the making, and where in the spec each of its fields was set."""

    values: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    origins: dict[str, str] = field(default_factory=dict[str, str])

    def put(self, setting: Setting) -> None:
        """Set a field; an empty mapping only makes sure that the phase is there."""
        *parents, name = setting.field.split(".")
        inner = self.values
        for parent in parents:
            found = inner.get(parent)
            if not isinstance(found, dict):
                found = inner[parent] = dict[str, JsonValue]()
            inner = found
        if not (setting.value == {} and isinstance(inner.get(name), dict)):
            inner[name] = setting.value if not isinstance(setting.value, dict) else dict(setting.value)
        self.origins[setting.field] = setting.origin


def origin_of(field: str, *, origins: Mapping[str, str]) -> str:
    """Return the place in the spec that set a field or its nearest parent.

    Args:
        field: Dotted path in the TrialConfig.
        origins: Field -> place, of what was set.
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
    """Return the trial that an assignment stands for: the spec's fixed settings with the assigned values over them.

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
    draft = _Draft()
    _put_all(draft, settings=space.root.settings)
    look_up = answers(assignment)

    def ask(parameter: Parameter) -> JsonValue:
        value = look_up(parameter)
        _put_parameter(draft, parameter=parameter, value=value)
        return value

    extra = assignment.keys() - walk(space, ask).keys()
    if extra:
        raise ConfigError(min(extra), "is no active parameter of this assignment; leave it out")
    return BoundTrial(config=_validated(draft), origins=draft.origins)


def _put_all(draft: _Draft, *, settings: tuple[Setting, ...]) -> None:
    for setting in settings:
        draft.put(setting)


def _put_parameter(draft: _Draft, *, parameter: Parameter, value: JsonValue) -> None:
    match parameter:
        case ChoiceParameter():
            arm = parameter.arm(value)
            _put_all(draft, settings=arm.branch.settings if arm else ())
        case FloatParameter() | IntParameter() | SimplexParameter():
            draft.put(Setting(field=parameter.field, origin=parameter.origin, value=value))


def _validated(draft: _Draft) -> TrialConfig:
    _fill_target(draft.values)
    try:
        return TrialConfig.model_validate(draft.values)
    except ValidationError as error:
        raise config_error(error, locate=lambda path: origin_of(path, origins=draft.origins)) from None


def _fill_target(values: dict[str, JsonValue]) -> None:
    """Give a partly described target phase the default mixture and length, so that `steps` alone replaces `epochs`."""
    target = values.get("target")
    if isinstance(target, dict):
        target.setdefault("mixture", dict(_DEFAULT_TARGET.mixture))
        if "steps" not in target and "epochs" not in target:
            target["epochs"] = _DEFAULT_TARGET.epochs

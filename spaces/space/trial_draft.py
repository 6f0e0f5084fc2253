"""The fields of a trial before they are checked: the spec's fixed settings, overridden by assigned values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel, JsonValue
from pydantic_core import PydanticUndefined

from spaces.space.fields import model_of
from spaces.space.parameters import FloatParameter, IntParameter, SimplexParameter
from spaces.space.tree import FAMILY_PATH, Branch, ChoiceParameter, Parameter, Setting
from trainables.config import TrialConfig

_DEFAULT_TARGET = TrialConfig().target


@dataclass(slots=True, kw_only=True)
class Draft:
    """An unchecked TrialConfig, and the place in the spec that set each of its fields."""

    values: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    origins: dict[str, str] = field(default_factory=dict[str, str])
    labels: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    """Field of a choice, or `family` -> the arm that was chosen."""

    def put(self, setting: Setting) -> None:
        """Set a field; an empty mapping only adds the phase if it is missing."""
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

    def put_all(self, settings: tuple[Setting, ...]) -> None:
        """Set several fields."""
        for setting in settings:
            self.put(setting)

    def put_parameter(self, parameter: Parameter, *, value: JsonValue) -> None:
        """Set the field that a parameter's value binds; for a choice, all settings of the arm."""
        match parameter:
            case ChoiceParameter():
                self.labels[FAMILY_PATH if parameter.path == FAMILY_PATH else parameter.field] = value
                arm = parameter.arm(value)
                self.put_all(arm.branch.settings if arm else ())
            case FloatParameter() | IntParameter() | SimplexParameter():
                self.put(Setting(field=parameter.field, origin=parameter.origin, value=value))

    def fill_target(self) -> None:
        """Add the default mixture and length to a target phase without them; `steps` replaces `epochs`."""
        target = self.values.get("target")
        if isinstance(target, dict):
            target.setdefault("mixture", dict(_DEFAULT_TARGET.mixture))
            if "steps" not in target and "epochs" not in target:
                target["epochs"] = _DEFAULT_TARGET.epochs

    def look(self, name: str) -> JsonValue:
        """Return the value of a field, its default where nothing sets it, or None where the trial has no such part.

        A choice among named arms has the name of its arm.
        """
        found = self.labels.get(name) if name == FAMILY_PATH else _found(self.values, parts=name.split("."))
        return self.labels[name] if isinstance(found, dict) and name in self.labels else found


def drafted(root: Branch, assignment: Mapping[str, JsonValue]) -> Draft:
    """Return the fields that a whole or partial assignment sets; parameters without a value are skipped."""
    draft = Draft()
    draft.put_all(root.settings)
    _put_assigned(draft, branch=root, assignment=assignment)
    draft.fill_target()
    return draft


def _put_assigned(draft: Draft, *, branch: Branch, assignment: Mapping[str, JsonValue]) -> None:
    for parameter in branch.parameters:
        if parameter.path in assignment:
            value = assignment[parameter.path]
            draft.put_parameter(parameter, value=value)
            if isinstance(parameter, ChoiceParameter) and (arm := parameter.arm(value)):
                _put_assigned(draft, branch=arm.branch, assignment=assignment)


def _found(values: Mapping[str, JsonValue], *, parts: list[str]) -> JsonValue:
    inner: JsonValue = dict(values)
    for depth, name in enumerate(parts):
        if not isinstance(inner, dict):
            return None
        if name not in inner:
            return _default(".".join(parts[:depth]), parts=parts[depth:])
        inner = inner[name]
    return inner


def _default(field: str, *, parts: list[str]) -> JsonValue:
    """Return the default of a field inside a part of the trial that has other fields set."""
    model = model_of(field)
    if model is None or parts[0] not in model.model_fields:
        return None
    found: object = model.model_fields[parts[0]].get_default(call_default_factory=True, validated_data={})
    for name in parts[1:]:
        found = getattr(found, name, None) if isinstance(found, BaseModel) else None
    if found is PydanticUndefined:
        return None
    return found if isinstance(found, (str, int, float, bool)) else None

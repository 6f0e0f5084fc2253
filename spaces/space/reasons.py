"""Explains why a trial is not in a space: its value in a field, and the values that its family allows there. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from spaces.space.conditions import is_active
from spaces.space.fields import field_kind
from spaces.space.parameters import FloatParameter, IntParameter, SimplexParameter
from spaces.space.tree import FAMILY_PATH, Assignment, Branch, ChoiceParameter, Space
from spaces.space.walk import describe, listed, number
from trainables.errors import ConfigError

_MAX_SHOWN = 200
"""Largest number of characters of a value that a message shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """Why a trial is not in a space."""

    field: str
    """Dotted path of a field of the TrialConfig that differs."""
    value: JsonValue
    """The trial's value there."""
    rule: str
    """The values that the space allows there, in words."""

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.field} is {shown(self.value)}, and the space has {self.rule}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """The trial of a space, in one family, that is nearest to another trial."""

    space: Space
    family: JsonValue
    """Label of the family; None in a space without families."""
    assignment: Assignment
    """Assignment of the nearest trial."""
    bound: Mapping[str, JsonValue]
    """Configuration of the nearest trial."""


def misfit(wanted: Mapping[str, JsonValue], *, nearest: Nearest) -> Misfit | None:
    """Return why a trial is not in a space, or None if its configuration is equal to the nearest trial's.

    The reason is a field with a value that its family never has, or else a combination of values.

    Args:
        wanted: The trial's configuration.
        nearest: The nearest trial of the space.
    """
    fields = list(_differing(dict(wanted), dict(nearest.bound), path=""))
    misfits = [_misfit_of(field, value=_at(wanted, field), nearest=nearest) for field in fields]
    never = [reason for reason, is_possible in misfits if not is_possible]
    return next(iter(never or [reason for reason, _ in misfits]), None)


def _misfit_of(field: str, *, value: JsonValue, nearest: Nearest) -> tuple[Misfit, bool]:
    """Return the misfit of a field, and whether the trial's family can have this value with other values elsewhere."""
    sources = list(_sources(nearest.space.root, field=field, family=nearest.family))
    active = [source for source in sources if not isinstance(source, _Searched) or source.is_active(nearest)]
    is_possible = any(source.admits(value) for source in active)
    if active and not is_possible:
        return Misfit(field=field, value=value, rule=_listed(active)), False
    rule = shown(_at(nearest.bound, field))
    if active:
        rule += _beside(field, nearest=nearest)
    elif sources:
        rule += f", searched only where {_conditions(sources)}"
    return Misfit(field=field, value=value, rule=rule), is_possible


def _listed(sources: list[_Source]) -> str:
    fixed = list(dict.fromkeys(source.text for source in sources if isinstance(source, _Fixed)))
    searched = list(dict.fromkeys(source.text for source in sources if isinstance(source, _Searched)))
    return " or ".join([f"one of {listed(fixed)}"] * bool(fixed) + searched)


def _conditions(sources: list[_Source]) -> str:
    searched = [source.parameter for source in sources if isinstance(source, _Searched)]
    return " or ".join(repr(parameter.when.text) for parameter in searched if parameter.when)


def _beside(field: str, *, nearest: Nearest) -> str:
    """Return the nearest trial's arms that decide a field, as a phrase: with these arms the field has another value."""
    arms = [
        f"{parameter.field} {shown(nearest.assignment[parameter.path])}"
        for parameter in _choices(nearest.space.root, nearest.assignment)
        if parameter.path != FAMILY_PATH and list(_sources(Branch(parameters=(parameter,)), field=field, family=None))
    ]
    return f" with {', '.join(arms)}" if arms else ""


def _choices(branch: Branch, assignment: Assignment) -> Iterator[ChoiceParameter]:
    for parameter in branch.parameters:
        if isinstance(parameter, ChoiceParameter) and parameter.path in assignment:
            yield parameter
            if arm := parameter.arm(assignment[parameter.path]):
                yield from _choices(arm.branch, assignment)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fixed:
    """A value that an arm gives a field."""

    value: JsonValue

    @property
    def text(self) -> str:
        return repr(self.value) if isinstance(self.value, str) else shown(self.value)

    def admits(self, value: JsonValue) -> bool:
        return same(self.value, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Searched:
    """A range, or weights, in which a field is searched."""

    parameter: FloatParameter | IntParameter | SimplexParameter

    @property
    def text(self) -> str:
        return describe(self.parameter)

    def admits(self, value: JsonValue) -> bool:
        return self.parameter.admits(value)

    def is_active(self, nearest: Nearest) -> bool:
        return is_active(self.parameter, root=nearest.space.root, assignment=nearest.assignment)


_Source = _Fixed | _Searched


def _sources(branch: Branch, *, field: str, family: JsonValue) -> Iterator[_Source]:
    """Yield each setting and parameter below a branch that sets a field, in one family."""
    for parameter in branch.parameters:
        if not isinstance(parameter, ChoiceParameter):
            if parameter.field == field:
                yield _Searched(parameter=parameter)
            continue
        for arm in parameter.arms:
            if parameter.path != FAMILY_PATH:
                yield from _set_by(arm.branch, field=field)
            elif arm.label != family:
                continue
            yield from _sources(arm.branch, field=field, family=family)


def _set_by(branch: Branch, *, field: str) -> Iterator[_Fixed]:
    for setting in branch.settings:
        if setting.value == {}:
            continue
        if setting.field == field:
            yield _Fixed(value=setting.value)
        elif isinstance(setting.value, dict) and field.startswith(f"{setting.field}."):
            inner = _at(setting.value, field.removeprefix(f"{setting.field}."))
            yield from [_Fixed(value=inner)] * (inner is not None)


def _differing(left: JsonValue, right: JsonValue, *, path: str) -> Iterator[str]:
    """Yield the fields in which two configurations differ; weights of tasks are one field."""
    if isinstance(left, dict) and isinstance(right, dict) and left and right and not _holds_weights(path):
        for name in sorted(left.keys() | right.keys()):
            yield from _differing(left.get(name), right.get(name), path=f"{path}.{name}" if path else name)
    elif not same(left, right):
        yield path


def _holds_weights(field: str) -> bool:
    try:
        return field_kind(field, origin=field) == "mapping"
    except ConfigError:  # below the named parts of a field
        return False


def _at(values: Mapping[str, JsonValue], field: str) -> JsonValue:
    inner: JsonValue = dict(values)
    for name in field.split("."):
        inner = inner.get(name) if isinstance(inner, dict) else None
    return inner


def same(left: JsonValue, right: JsonValue) -> bool:
    """Return whether two values mean the same in a trial: 1 is equal to 1.0, and True is not equal to 1."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def shown(value: JsonValue) -> str:
    """Return a value as a message shows it: tasks with weights as `a 0.5 + b 0.5`, a number with all its digits."""
    match value:
        case None:
            return "none"
        case float():
            return number(value)
        case dict() if value and all(isinstance(weight, float) for weight in value.values()):
            return " + ".join(name if weight == 1 else f"{name} {shown(weight)}" for name, weight in value.items())
        case dict() | list():
            text = json.dumps(value, ensure_ascii=False)
            return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
        case _:
            return str(value)

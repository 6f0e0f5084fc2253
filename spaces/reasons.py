"""Why a trial is not of a space, in words: what it has in a field, and what its own family has there. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from spaces.conditions import is_active
from spaces.fields import field_kind
from spaces.parameters import FloatParameter, IntParameter, SimplexParameter
from spaces.tree import FAMILY_PATH, Assignment, Branch, ChoiceParameter, Space
from spaces.walk import describe, listed, number
from trainables.errors import ConfigError

_LONGEST = 200
"""Characters of a value that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """Why a trial is not of a space."""

    field: str
    """Dotted path of a field of the TrialConfig that differs."""
    value: JsonValue
    """What the trial has there."""
    rule: str
    """What the space has there, in words."""

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.field} is {shown(self.value)}, and the space has {self.rule}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearest:
    """The trial of a space, in one family, that comes nearest to another trial."""

    space: Space
    family: JsonValue
    """Label of the family; None in a space without families."""
    assignment: Assignment
    """The nearest trial's."""
    bound: Mapping[str, JsonValue]
    """What it binds to."""


def misfit(wanted: Mapping[str, JsonValue], *, nearest: Nearest) -> Misfit | None:
    """Return why a trial is not of a space: a field whose value its family never has, else one of a wrong pair.

    None where the two do not differ.

    Args:
        wanted: The trial's configuration.
        nearest: The trial of the space that comes nearest.
    """
    fields = list(_differing(dict(wanted), dict(nearest.bound), path=""))
    told = [_told(field, value=_at(wanted, field), nearest=nearest) for field in fields]
    never = [one for one, is_possible in told if not is_possible]
    return next(iter(never or [one for one, _ in told]), None)


def _told(field: str, *, value: JsonValue, nearest: Nearest) -> tuple[Misfit, bool]:
    """Return what is said of a field, and whether the trial's family may have its value there beside others."""
    sources = list(_sources(nearest.space.root, field=field, family=nearest.family))
    active = [one for one in sources if not isinstance(one, _Searched) or one.is_active(nearest)]
    is_possible = any(one.admits(value) for one in active)
    if active and not is_possible:
        return Misfit(field=field, value=value, rule=_listed(active)), False
    rule = shown(_at(nearest.bound, field))
    if active:
        rule += _beside(field, nearest=nearest)
    elif sources:
        rule += f", searched only where {_conditions(sources)}"
    return Misfit(field=field, value=value, rule=rule), is_possible


def _listed(sources: list[_Source]) -> str:
    fixed = list(dict.fromkeys(one.text for one in sources if isinstance(one, _Fixed)))
    searched = list(dict.fromkeys(one.text for one in sources if isinstance(one, _Searched)))
    return " or ".join([f"one of {listed(fixed)}"] * bool(fixed) + searched)


def _conditions(sources: list[_Source]) -> str:
    return " or ".join(
        repr(one.parameter.when.text) for one in sources if isinstance(one, _Searched) and one.parameter.when
    )


def _beside(field: str, *, nearest: Nearest) -> str:
    """Return which arms the nearest trial has that decide a field: its value comes with others than the trial's."""
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
    """A range or weights that a field is searched in."""

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
    """Yield all that decides a field below a branch, in one family."""
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
    """Return whether two values are the same to a trial: 1 is 1.0, and True is not 1."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def shown(value: JsonValue) -> str:
    """Return a value as messages have it: tasks with weights as `a 0.5 + b 0.5`, a number so that it is told apart."""
    match value:
        case None:
            return "none"
        case float():
            return number(value)
        case dict() if value and all(isinstance(weight, float) for weight in value.values()):
            return " + ".join(name if weight == 1 else f"{name} {shown(weight)}" for name, weight in value.items())
        case dict() | list():
            text = json.dumps(value, ensure_ascii=False)
            return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
        case _:
            return str(value)

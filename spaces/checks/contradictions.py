"""Refuses a space in which two places decide the same field: one of them would have no effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from spaces.space.tree import Branch, ChoiceParameter
from trainables.errors import ConfigError


def refuse_contradictions(root: Branch) -> None:
    """Check that no trial has a field that is decided twice.

    A family can override a field of `trial.intermediate`: the field still has its effect on the other families.

    Raises:
        ConfigError: A field, or a part of it, is decided twice; `field` is the second place in the spec.
    """
    fixed: dict[str, str] = {}
    for setting in root.settings:
        if setting.value != {}:
            _refuse_overlap(setting.field, origin=setting.origin, claimed=fixed)
            fixed[setting.field] = setting.origin
    shared = {field: origin for field, origin in fixed.items() if not field.startswith("intermediate")}
    _claims(Branch(parameters=root.parameters), above=shared)


def _claims(branch: Branch, *, above: Mapping[str, str]) -> dict[str, str]:
    """Return field -> origin for each field that a branch decides. Several arms of one choice can decide a field."""
    claims: dict[str, str] = {}
    for field, origin in _own_claims(branch):
        _refuse_overlap(field, origin=origin, claimed={**above, **claims})
        claims[field] = origin
    for parameter in branch.parameters:
        if isinstance(parameter, ChoiceParameter):
            arms = [_claims(arm.branch, above={**above, **claims}) for arm in parameter.arms]
            claims.update({field: origin for arm in arms for field, origin in arm.items()})
    return claims


def _own_claims(branch: Branch) -> Iterator[tuple[str, str]]:
    for setting in branch.settings:
        if setting.value not in ({}, None):
            yield setting.field, setting.origin
    for parameter in branch.parameters:
        if not isinstance(parameter, ChoiceParameter):
            yield parameter.field, parameter.origin


def _refuse_overlap(field: str, *, origin: str, claimed: Mapping[str, str]) -> None:
    for other, place in claimed.items():
        if field == other or field.startswith(f"{other}.") or other.startswith(f"{field}."):
            raise ConfigError(origin, f"{field!r} is also set at {place}; keep one of the two")

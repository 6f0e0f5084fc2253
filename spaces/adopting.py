"""Whether a trial of one space is also a trial of another, and which assignment it has there. Pure.

A trial belongs to a space when some assignment of the space binds to its configuration, as far as that decides its
results: how training is spread over ranks does not. The assignment is found from the configuration: numbers are read
off it; of a choice the arm is taken that leaves the fewest fields different, one choice after the other, parents first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from spaces.binding import bind
from spaces.conditions import violated
from spaces.drafting import drafted
from spaces.drawing import default_value
from spaces.parameters import FloatParameter, IntParameter, SimplexParameter
from spaces.tree import FAMILY_PATH, Arm, Assignment, ChoiceParameter, Label, Parameter, Space
from spaces.walk import describe, walk
from trainables.checkpoints import with_absolute_folders
from trainables.config import TrialConfig
from trainables.errors import ConfigError

_ROUNDS = 2
"""Choices are settled again after the others are: what one arm binds may depend on another's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """Why a trial is not of a space."""

    field: str
    """Dotted path of the first field of the TrialConfig that differs."""
    value: JsonValue
    """What the trial has there."""
    rule: str
    """What the space has there, in words."""

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.field} is {_shown(self.value)}, and the space has {self.rule}"


def adopt(space: Space, config: TrialConfig, *, known: Mapping[str, JsonValue]) -> Assignment | Misfit:
    """Return the assignment of a space that binds to a trial's configuration, or why there is none.

    Args:
        space: The space.
        config: The trial's configuration.
        known: The trial's assignment in the space that it was proposed from: tried first.
    """
    search = _Search(space, config=config, known=known)
    return search.run()


class _Search:
    def __init__(self, space: Space, *, config: TrialConfig, known: Mapping[str, JsonValue]) -> None:
        self._space, self._known = space, known
        self._wanted = _flat(_essence(config))
        self._labels: dict[str, Label] = {}

    def run(self) -> Assignment | Misfit:
        """Return the assignment, or why there is none: told for the family that comes nearest."""
        nearest: tuple[int, Assignment, list[str]] | None = None
        for family in self._families():
            self._labels = {} if family is None else {FAMILY_PATH: family.label}
            found, differing = self._settled()
            if not differing:
                return self._unless_violated(found)
            if nearest is None or len(differing) < nearest[0]:
                nearest = (len(differing), found, differing)
        assert nearest is not None  # noqa: S101  (a space has a family, or none at all)
        return self._misfit(*nearest[1:])

    def _unless_violated(self, found: Assignment) -> Assignment | Misfit:
        constraint = violated(self._space, found)
        if constraint is None:
            return found
        field = constraint.fields[0]
        value = drafted(self._space.root, found).look(field)
        return Misfit(field=field, value=value, rule=f"the constraint {constraint.text!r}")

    def _families(self) -> list[Arm] | list[None]:
        """Return the arms of the choice among families, the trial's own first."""
        choice = next((one for one in self._space.root.parameters if one.path == FAMILY_PATH), None)
        if not isinstance(choice, ChoiceParameter):
            return [None]
        return sorted(choice.arms, key=lambda arm: arm.label != self._known.get(FAMILY_PATH))

    def _settled(self) -> tuple[Assignment, list[str]]:
        found = self._assignment()
        differing = self._differing(found)
        for _ in range(_ROUNDS):
            if not differing:
                break
            for path in [path for path in found if path != FAMILY_PATH]:
                self._settle(path)
            found = self._assignment()
            differing = self._differing(found)
        return found, differing

    def _assignment(self) -> Assignment:
        return walk(self._space, self._ask)

    def _ask(self, parameter: Parameter) -> JsonValue:
        if isinstance(parameter, ChoiceParameter):
            label = self._labels.get(parameter.path, self._known.get(parameter.path, parameter.default))
            return label if parameter.admits(label) else parameter.default
        for value in (self._read(parameter), self._known.get(parameter.path)):
            if value is not None and parameter.admits(value):
                return value
        return default_value(parameter)

    def _read(self, parameter: FloatParameter | IntParameter | SimplexParameter) -> JsonValue:
        """Return what the trial has in the field that a parameter binds."""
        prefix = f"{parameter.field}."
        inner = {name.removeprefix(prefix): value for name, value in self._wanted.items() if name.startswith(prefix)}
        value = inner or self._wanted.get(parameter.field)
        if isinstance(parameter, FloatParameter) and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        return value

    def _settle(self, path: str) -> None:
        """Give a choice the arm that leaves the fewest fields different."""
        parameter = self._active(path)
        if not isinstance(parameter, ChoiceParameter):
            return
        before = self._labels.get(path, self._known.get(path, parameter.default))
        labels = sorted((arm.label for arm in parameter.arms), key=lambda label: label != before)
        numbers: list[tuple[int, int]] = []
        for position, label in enumerate(labels):
            self._labels[path] = label
            numbers.append((len(self._differing(self._assignment())), position))
        self._labels[path] = labels[min(numbers)[1]]

    def _active(self, path: str) -> Parameter | None:
        found: list[Parameter] = []

        def ask(parameter: Parameter) -> JsonValue:
            if parameter.path == path:
                found.append(parameter)
            return self._ask(parameter)

        walk(self._space, ask)
        return found[0] if found else None

    def _differing(self, assignment: Assignment) -> list[str]:
        """Return the fields in which what an assignment binds to differs from the trial, in order."""
        try:
            bound = _flat(_essence(with_absolute_folders(bind(self._space, assignment))))
        except ConfigError:
            return sorted(self._wanted)
        return sorted(
            name for name in bound.keys() | self._wanted.keys() if not _same(bound.get(name), self._wanted.get(name))
        )

    def _misfit(self, found: Assignment, differing: list[str]) -> Misfit:
        if (family := self._lost_family()) is not None:
            return family
        field = differing[0]
        rule = self._rule(field) or self._bound_value(found, field)
        return Misfit(field=field, value=self._wanted.get(field), rule=rule)

    def _rule(self, field: str) -> str | None:
        """Return what the parameter that binds a field admits, in words."""
        rules: list[str] = []

        def ask(parameter: Parameter) -> JsonValue:
            if field == parameter.field or field.startswith(f"{parameter.field}."):
                rules.append(describe(parameter))
            return self._ask(parameter)

        walk(self._space, ask)
        return rules[-1] if rules and not self._is_family(field) else None

    def _lost_family(self) -> Misfit | None:
        families = next((one for one in self._space.root.parameters if one.path == FAMILY_PATH), None)
        label = self._known.get(FAMILY_PATH)
        if families is None or label is None or families.admits(label):
            return None
        return Misfit(field=FAMILY_PATH, value=label, rule=describe(families))

    @staticmethod
    def _is_family(field: str) -> bool:
        return field == "intermediate"

    def _bound_value(self, found: Assignment, field: str) -> str:
        try:
            bound = _flat(_essence(with_absolute_folders(bind(self._space, found))))
        except ConfigError as error:
            return f"no such trial ({error})"
        return _shown(bound.get(field))


def _essence(config: TrialConfig) -> dict[str, JsonValue]:
    """Return what decides a trial's results."""
    return config.model_copy(update={"engine": config.engine.deciding()}).model_dump(mode="json")


def _flat(value: JsonValue, path: str = "") -> dict[str, JsonValue]:
    """Return dotted path -> value, of everything that is no non-empty mapping."""
    if not isinstance(value, dict) or not value:
        return {path: value}
    inner = (_flat(one, f"{path}.{name}" if path else name) for name, one in value.items())
    return {name: one for part in inner for name, one in part.items()}


def _same(left: JsonValue, right: JsonValue) -> bool:
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _shown(value: JsonValue) -> str:
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)

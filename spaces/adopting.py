"""Whether a trial of one space is also a trial of another, and which assignment it has there. Pure.

A trial belongs to a space when some assignment of the space binds to its configuration, as far as that decides its
results: how training is spread over ranks does not. The assignment is found from the configuration: numbers are read
off it; of a choice the arm is taken that leaves the fewest fields different, one choice after the other, parents first.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from spaces.binding import bind
from spaces.conditions import violated
from spaces.drafting import drafted
from spaces.drawing import default_value
from spaces.parameters import FloatParameter, IntParameter, SimplexParameter
from spaces.reasons import Misfit, Nearest, misfit, same
from spaces.tree import FAMILY_PATH, Arm, Assignment, ChoiceParameter, Label, Parameter, Space
from spaces.walk import describe, walk
from trainables.config import TrialConfig
from trainables.errors import ConfigError
from trainables.plan.starting_weights import with_absolute_folders

_ROUNDS = 2
"""Choices are settled again after the others are: what one arm binds may depend on another's."""


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
        self._essence = _essence(config)
        self._wanted = _flat(self._essence)
        self._labels: dict[str, Label] = {}

    def run(self) -> Assignment | Misfit:
        """Return the assignment, or why there is none: told for the trial's own family, else for the nearest."""
        tried: list[tuple[Arm | None, Assignment, int]] = []
        for family in self._families():
            self._labels = {} if family is None else {FAMILY_PATH: family.label}
            found, differing = self._settled()
            if not differing:
                return self._unless_violated(found)
            tried.append((family, found, len(differing)))
        if (lost := self._lost_family()) is not None:
            return lost
        own = [one for one in tried if one[0] is not None and one[0].label == self._known.get(FAMILY_PATH)]
        family, found, _ = own[0] if own else min(tried, key=lambda one: one[2])
        return self._misfit(found, family=None if family is None else family.label)

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
        if isinstance(parameter, IntParameter) and isinstance(value, float) and value.is_integer():
            return int(value)
        return value

    def _settle(self, path: str) -> None:
        """Give a choice the arm that leaves the fewest fields different."""
        parameter = self._active(path)
        if not isinstance(parameter, ChoiceParameter):
            return
        if self._settle_plainly(parameter):
            return
        before = self._labels.get(path, self._known.get(path, parameter.default))
        labels = sorted((arm.label for arm in parameter.arms), key=lambda label: label != before)
        numbers: list[tuple[int, int]] = []
        for position, label in enumerate(labels):
            self._labels[path] = label
            numbers.append((len(self._differing(self._assignment())), position))
        self._labels[path] = labels[min(numbers)[1]]

    def _settle_plainly(self, parameter: ChoiceParameter) -> bool:
        """Return whether a choice among values alone was settled: there may be thousands, and one look decides."""
        if not all(_is_plain(arm, field=parameter.field) for arm in parameter.arms):
            return False
        wanted = self._wanted.get(parameter.field)
        arm = parameter.arm(wanted)
        if arm is not None:
            self._labels[parameter.path] = arm.label
        return arm is not None or not isinstance(wanted, str)  # a relative folder is bound as an absolute one

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
            bound = _flat(self._bound(assignment))
        except ConfigError:
            return sorted(self._wanted)
        return sorted(
            name for name in bound.keys() | self._wanted.keys() if not same(bound.get(name), self._wanted.get(name))
        )

    def _misfit(self, found: Assignment, *, family: Label) -> Misfit:
        try:
            bound, rule = self._bound(found), ""
        except ConfigError as error:  # what nearly fits may be no trial at all: it is told as far as it goes
            bound, rule = _over(self._essence, drafted(self._space.root, found).values), f"no such trial ({error})"
        nearest = Nearest(space=self._space, family=family, assignment=found, bound=bound)
        first = next(iter(self._wanted))
        return misfit(self._essence, nearest=nearest) or Misfit(field=first, value=self._wanted[first], rule=rule)

    def _bound(self, assignment: Assignment) -> dict[str, JsonValue]:
        return _essence(with_absolute_folders(bind(self._space, assignment)))

    def _lost_family(self) -> Misfit | None:
        families = next((one for one in self._space.root.parameters if one.path == FAMILY_PATH), None)
        label = self._known.get(FAMILY_PATH)
        if families is None or label is None or families.admits(label):
            return None
        return Misfit(field=FAMILY_PATH, value=label, rule=describe(families))


def _is_plain(arm: Arm, *, field: str) -> bool:
    settings = [(setting.field, setting.value) for setting in arm.branch.settings]
    return not arm.branch.parameters and settings == [(field, arm.label)]


def _essence(config: TrialConfig) -> dict[str, JsonValue]:
    """Return what decides a trial's results."""
    return config.model_copy(update={"engine": config.engine.deciding()}).model_dump(mode="json")


def _over(values: Mapping[str, JsonValue], above: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return nested mappings with others above them."""
    merged = dict(values)
    for name, value in above.items():
        below = merged.get(name)
        merged[name] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _flat(value: JsonValue, path: str = "") -> dict[str, JsonValue]:
    """Return dotted path -> value, of everything that is no non-empty mapping."""
    if not isinstance(value, dict) or not value:
        return {path: value}
    inner = (_flat(one, f"{path}.{name}" if path else name) for name, one in value.items())
    return {name: one for part in inner for name, one in part.items()}

"""Finds out whether a trial of one space is also a trial of another space, and its assignment there. Pure.

A trial belongs to a space if some assignment of the space binds to a configuration that is equal in every field that
decides results; the distribution of training over ranks does not decide them. The assignment is found from the
configuration: numbers are read from its fields; for a choice, the arm with the fewest different fields is taken, one
choice after the other, parents first.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from spaces.space.binder import bind
from spaces.space.conditions import violated
from spaces.space.enumeration import default_value
from spaces.space.parameters import FloatParameter, IntParameter, SimplexParameter
from spaces.space.reasons import Misfit, Nearest, misfit, same
from spaces.space.tree import FAMILY_PATH, Arm, Assignment, ChoiceParameter, Label, Parameter, Space
from spaces.space.trial_draft import drafted
from spaces.space.walk import describe, walk
from trainables.config import TrialConfig
from trainables.errors import ConfigError
from trainables.plan.starting_weights import with_absolute_folders

_ROUNDS = 2
"""Number of passes over the choices: the fields that one arm binds can depend on the arm of another choice."""


def adopt(space: Space, config: TrialConfig, *, known: Mapping[str, JsonValue]) -> Assignment | Misfit:
    """Return the assignment of a space that binds to a trial's configuration, or why there is none.

    Args:
        space: The space.
        config: The trial's configuration.
        known: The trial's assignment in the space that it was proposed from; it is tried first.
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
        """Return the assignment, or why there is none in the trial's own family, or else in the nearest family."""
        tried: list[tuple[Arm | None, Assignment, int]] = []
        for family in self._families():
            self._labels = {} if family is None else {FAMILY_PATH: family.label}
            found, differing = self._settled()
            if not differing:
                return self._unless_violated(found)
            tried.append((family, found, len(differing)))
        if (missing := self._missing_family()) is not None:
            return missing
        own = [attempt for attempt in tried if attempt[0] and attempt[0].label == self._known.get(FAMILY_PATH)]
        family, found, _ = own[0] if own else min(tried, key=lambda attempt: attempt[2])
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
        """Return the trial's value in the field that a parameter binds."""
        prefix = f"{parameter.field}."
        inner = {name.removeprefix(prefix): value for name, value in self._wanted.items() if name.startswith(prefix)}
        value = inner or self._wanted.get(parameter.field)
        if isinstance(parameter, FloatParameter) and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if isinstance(parameter, IntParameter) and isinstance(value, float) and value.is_integer():
            return int(value)
        return value

    def _settle(self, path: str) -> None:
        """Set a choice to the arm with the fewest different fields."""
        parameter = self._active(path)
        if not isinstance(parameter, ChoiceParameter):
            return
        if self._settle_plain_choice(parameter):
            return
        current = self._labels.get(path, self._known.get(path, parameter.default))
        labels = sorted((arm.label for arm in parameter.arms), key=lambda label: label != current)
        numbers: list[tuple[int, int]] = []
        for position, label in enumerate(labels):
            self._labels[path] = label
            numbers.append((len(self._differing(self._assignment())), position))
        self._labels[path] = labels[min(numbers)[1]]

    def _settle_plain_choice(self, parameter: ChoiceParameter) -> bool:
        """Settle a choice of plain values (there can be thousands) by one look-up, and return whether this worked."""
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
        """Return the fields in which the configuration of an assignment differs from the trial's, sorted."""
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
        except ConfigError as error:  # the configuration of the nearest assignment can be invalid
            bound, rule = _over(self._essence, drafted(self._space.root, found).values), f"no such trial ({error})"
        nearest = Nearest(space=self._space, family=family, assignment=found, bound=bound)
        first = next(iter(self._wanted))
        return misfit(self._essence, nearest=nearest) or Misfit(field=first, value=self._wanted[first], rule=rule)

    def _bound(self, assignment: Assignment) -> dict[str, JsonValue]:
        return _essence(with_absolute_folders(bind(self._space, assignment)))

    def _missing_family(self) -> Misfit | None:
        families = next((one for one in self._space.root.parameters if one.path == FAMILY_PATH), None)
        label = self._known.get(FAMILY_PATH)
        if families is None or label is None or families.admits(label):
            return None
        return Misfit(field=FAMILY_PATH, value=label, rule=describe(families))


def _is_plain(arm: Arm, *, field: str) -> bool:
    settings = [(setting.field, setting.value) for setting in arm.branch.settings]
    return not arm.branch.parameters and settings == [(field, arm.label)]


def _essence(config: TrialConfig) -> dict[str, JsonValue]:
    """Return the fields of a configuration that decide a trial's results."""
    fields = config.model_copy(update={"engine": config.engine.deciding()}).model_dump(mode="json")
    for target in (fields, *fields["further"].values()):
        del target["evaluation"]["tokens_per_micro_batch"]  # how many texts are scored in one pass
    return fields


def _over(values: Mapping[str, JsonValue], above: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return nested mappings, with the values of other nested mappings in place of equal keys."""
    merged = dict(values)
    for name, value in above.items():
        below = merged.get(name)
        merged[name] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _flat(value: JsonValue, path: str = "") -> dict[str, JsonValue]:
    """Return dotted path -> value, for every value that is not a mapping with keys."""
    if not isinstance(value, dict) or not value:
        return {path: value}
    inner = (_flat(one, f"{path}.{name}" if path else name) for name, one in value.items())
    return {name: one for part in inner for name, one in part.items()}

"""The tree of a space: a branch holds settings and parameters; an arm of a choice is a branch again, at any depth.

Everything here is immutable, so any sampler in any thread can walk the same space.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as field_of
from typing import TypeAlias

from pydantic import JsonValue

from spaces.space.expression_values import Condition
from spaces.space.parameters import FloatParameter, IntParameter, SimplexParameter

Assignment: TypeAlias = dict[str, JsonValue]
"""Path of each active parameter -> its value, plain JSON: one point of a space."""

Label: TypeAlias = str | int | float | bool | None
"""Name of an arm. For a choice among plain values it is the value itself."""

FAMILY_PATH = "family"
"""Path of the choice among families in every space that a sweep spec makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A fixed value for a field of the TrialConfig, and its place in the sweep spec."""

    field: str
    origin: str
    value: JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """Settings and parameters that are active together. Later settings override earlier ones."""

    settings: tuple[Setting, ...] = ()
    parameters: tuple[Parameter, ...] = ()

    def __add__(self, other: Branch) -> Branch:
        return Branch(settings=self.settings + other.settings, parameters=self.parameters + other.parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One arm of a choice, with the settings and parameters that are active only in it."""

    label: Label
    branch: Branch = field_of(default_factory=Branch)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceParameter:
    """Exactly one of several arms. The arms' branches hold the settings and parameters that it binds."""

    path: str
    field: str
    origin: str
    arms: tuple[Arm, ...]
    default: Label
    when: Condition | None = None
    """As in FloatParameter."""
    _by_label: dict[tuple[type, Label], Arm] = field_of(init=False, repr=False, compare=False)
    """(Type of a label, label) -> arm, for a fast look-up among many arms."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_label", {(type(arm.label), arm.label): arm for arm in reversed(self.arms)})

    def arm(self, label: JsonValue) -> Arm | None:
        """Return the arm of this label, or None. True is not 1, and 1 is not 1.0."""
        return None if isinstance(label, (dict, list)) else self._by_label.get((type(label), label))

    def admits(self, value: JsonValue) -> bool:
        """Return whether an arm has this label."""
        return self.arm(value) is not None


Parameter: TypeAlias = FloatParameter | IntParameter | SimplexParameter | ChoiceParameter
"""Any parameter of a space."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """A set of trials: every walk through `root` is one of them."""

    root: Branch
    constraints: tuple[Condition, ...] = ()
    """Conditions that every trial meets if it has their fields."""
    shares_target_seed: bool = False
    """Whether further targets with seed 0 have the seed of the main target, because they are part of the objective."""


def every_parameter(branch: Branch) -> Iterator[Parameter]:
    """Yield all parameters below a branch, active together or not; a choice comes before the parameters of its arms."""
    for parameter in branch.parameters:
        yield parameter
        if isinstance(parameter, ChoiceParameter):
            for arm in parameter.arms:
                yield from every_parameter(arm.branch)


def every_setting(branch: Branch) -> Iterator[Setting]:
    """Yield the settings of a branch and of every branch below it."""
    yield from branch.settings
    for parameter in branch.parameters:
        if isinstance(parameter, ChoiceParameter):
            for arm in parameter.arms:
                yield from every_setting(arm.branch)

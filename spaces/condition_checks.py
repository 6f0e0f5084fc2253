"""Checks the conditions of a space before anything starts: what they name and refer to, and whether they can hold.

Whether one can hold is found by drawing: what no random trial meets, a sampler would not find either.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from pydantic import JsonValue

from spaces.conditions import EXAMPLE, violated
from spaces.drafting import drafted
from spaces.drawing import MAX_DRAWS, draw, first_assignments
from spaces.expressions import Condition
from spaces.fields import field_kind
from spaces.parameters import IntParameter
from spaces.tree import (
    FAMILY_PATH,
    Assignment,
    Branch,
    ChoiceParameter,
    Parameter,
    Space,
    every_parameter,
    every_setting,
)
from trainables.errors import ConfigError, near_matches

NUM_DRAWS = 2000
"""Random trials in one of which each conditional parameter is to be active, and each constraint to apply."""


def check_conditions(space: Space) -> None:
    """Return when the conditions of a space name fields that are there, and can hold.

    Raises:
        ConfigError: One names no field, or one that is decided later; no trial meets one, or the defaults do not.
    """
    for place, constraint in enumerate(space.constraints):
        _check_fields(constraint, origin=f"constraints.{place}")
    _check_references(space.root, earlier=frozenset({FAMILY_PATH}), space=space)
    _check_defaults(space)
    trials = _Draws(space)
    for place, constraint in enumerate(space.constraints):
        _check_applies(constraint, origin=f"constraints.{place}", trials=trials)
    for parameter in every_parameter(space.root):
        if parameter.when is not None and not any(parameter.path in trial for trial in trials.all()):
            rule = f"{parameter.when.text!r} holds in none of {NUM_DRAWS:,} random trials, so it is never searched"
            raise ConfigError(f"{parameter.origin}.when", f"{rule}; change the condition, or remove the parameter")


def active_draws(space: Space) -> Iterator[tuple[Parameter, Assignment]]:
    """Yield each parameter with a condition, and a random trial in which it is active."""
    conditional = [parameter for parameter in every_parameter(space.root) if parameter.when is not None]
    trials = _Draws(space)
    for parameter in conditional:
        found = next((trial for trial in trials.all() if parameter.path in trial), None)
        if found is not None:
            yield parameter, found


class _Draws:
    """Random trials of a space, the same every time, each drawn when it is first asked for."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self._generator = random.Random(0)  # noqa: S311  the same trials every time
        self._drawn = first_assignments(space)

    def all(self) -> Iterator[Assignment]:
        """Yield the defaults, then random trials."""
        for place in range(NUM_DRAWS):
            if place == len(self._drawn):
                self._drawn.append(draw(self.space, generator=self._generator))
            yield self._drawn[place]


def _check_fields(condition: Condition, *, origin: str) -> None:
    if not condition.fields:
        raise ConfigError(origin, f"{condition.text!r} names no field of a trial; write a comparison like {EXAMPLE!r}")
    for field in condition.fields:
        if field == FAMILY_PATH:
            continue
        phase, found, _ = field.partition(".mixture.")
        if near := near_matches(field, [FAMILY_PATH]):
            raise ConfigError(origin, f"{condition.text!r} names {field!r}, which no trial has{near}")
        try:
            kind = field_kind(f"{phase}.mixture" if found else field, origin=origin)
        except ConfigError as error:
            said = str(error).removeprefix(f"{origin}: ")
            raise ConfigError(origin, f"{condition.text!r} names {field!r}: {said}") from None
        if kind == "model":
            message = f"{condition.text!r} names {field!r}, which holds further fields; compare one of them"
            raise ConfigError(origin, f"{message}, like {field}.batch_size")


def _check_references(branch: Branch, *, earlier: frozenset[str], space: Space) -> frozenset[str]:
    """Return the fields that are decided when a branch has been walked; refuse conditions on any others."""
    for parameter in branch.parameters:
        if parameter.when is not None:
            _check_fields(parameter.when, origin=f"{parameter.origin}.when")
            for field in parameter.when.fields:
                _check_reference(field, parameter=parameter, earlier=earlier, space=space)
        match parameter:
            case ChoiceParameter():
                known = earlier | {parameter.field}
                decided = [_check_references(arm.branch, earlier=known, space=space) for arm in parameter.arms]
                earlier = known.union(*decided, *(_fixed(arm.branch) for arm in parameter.arms))
            case IntParameter():
                earlier |= {parameter.field}
            case _:
                pass
    return earlier


def _fixed(branch: Branch) -> set[str]:
    return {setting.field for setting in branch.settings}


def _check_reference(field: str, *, parameter: Parameter, earlier: frozenset[str], space: Space) -> None:
    assert parameter.when is not None  # noqa: S101  (the caller looked)
    if field in earlier:
        return
    origin, text = f"{parameter.origin}.when", parameter.when.text
    others = [other for other in every_parameter(space.root) if other.field == field]
    if field == parameter.field:
        raise ConfigError(origin, f"{text!r} depends on the parameter itself; name another that stands before it")
    if any(isinstance(other, (ChoiceParameter, IntParameter)) for other in others):
        place = others[0].origin
        raise ConfigError(origin, f"{text!r} names {field!r}, decided later, at {place}; move that before this one")
    if others:
        raise ConfigError(origin, f"{text!r} names {field!r}, a range of numbers; name a choice or a whole number")
    known = next((setting.origin for setting in every_setting(space.root) if setting.field == field), None)
    rule = f"fixed at {known}" if known else "searched nowhere"
    raise ConfigError(origin, f"{text!r} names {field!r}, which is {rule}; name a choice or a whole number")


def _check_defaults(space: Space) -> None:
    for assignment in first_assignments(space):
        constraint = violated(space, assignment)
        if constraint is None:
            continue
        family, origin = assignment[FAMILY_PATH], f"constraints.{space.constraints.index(constraint)}"
        if not _is_satisfiable(space, family=family):
            message = f"{constraint.text!r} with the other constraints: no trial of family {family!r} was found to meet"
            raise ConfigError(origin, f"{message} them in {MAX_DRAWS:,} random ones; loosen them, or drop the family")
        look = drafted(space.root, assignment).look
        values = ", ".join(f"{field} {look(field)}" for field in constraint.fields)
        message = f"{constraint.text!r} does not hold for the defaults of family {family!r} ({values})"
        raise ConfigError(origin, f"{message}, its first trial; give them a `default` that meets it")


def _is_satisfiable(space: Space, *, family: JsonValue) -> bool:
    """Return whether some random trial of a family meets the constraints."""
    parameters = tuple(
        replace(one, arms=tuple(arm for arm in one.arms if arm.label == family))
        if isinstance(one, ChoiceParameter) and one.path == FAMILY_PATH
        else one
        for one in space.root.parameters
    )
    try:
        draw(replace(space, root=replace(space.root, parameters=parameters)), generator=random.Random(0))  # noqa: S311
    except ConfigError:
        return False
    return True


def _check_applies(condition: Condition, *, origin: str, trials: _Draws) -> None:
    for trial in trials.all():
        look = drafted(trials.space.root, trial).look
        if all(look(field) is not None for field in condition.fields):
            return
    rule = f"none of {NUM_DRAWS:,} random trials has all of {', '.join(condition.fields)}"
    raise ConfigError(origin, f"{condition.text!r} has no effect: {rule}; remove it")

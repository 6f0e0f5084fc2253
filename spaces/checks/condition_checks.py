"""Checks the conditions of a space before anything starts: the fields that they name, and whether they can hold.

Whether a condition can hold is tested with random trials: if no random trial meets it, a sampler would not find one
either.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from pydantic import JsonValue

from spaces.space.conditions import EXAMPLE, violated
from spaces.space.enumeration import MAX_DRAWS, draw, first_assignments
from spaces.space.expression_values import Condition
from spaces.space.fields import field_kind
from spaces.space.parameters import IntParameter
from spaces.space.tree import (
    FAMILY_PATH,
    Assignment,
    Branch,
    ChoiceParameter,
    Parameter,
    Space,
    every_parameter,
    every_setting,
)
from spaces.space.trial_draft import drafted
from trainables.errors import ConfigError, near_matches

NUM_DRAWS = 2000
"""Number of random trials. Each conditional parameter must be active in one of them, and each constraint must apply."""


def check_conditions(space: Space) -> None:
    """Check that the conditions of a space name fields that exist, and can hold.

    Raises:
        ConfigError: A condition names a field that does not exist or is decided later, or no trial or not the defaults
            meet a condition.
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
    """Random trials of a space, the same every time; each is drawn when it is first needed."""

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
            raise ConfigError(origin, f"{condition.text!r} names {field!r}, which is not a field of a trial{near}")
        try:
            kind = field_kind(f"{phase}.mixture" if found else field, origin=origin)
        except ConfigError as error:
            reason = str(error).removeprefix(f"{origin}: ")
            raise ConfigError(origin, f"{condition.text!r} names {field!r}: {reason}") from None
        if kind == "model":
            message = f"{condition.text!r} names {field!r}, which has fields of its own; compare one of them"
            raise ConfigError(origin, f"{message}, like {field}.batch_size")


def _check_references(branch: Branch, *, earlier: frozenset[str], space: Space) -> frozenset[str]:
    """Return the fields that are decided after a branch was walked; refuse conditions on any other field."""
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
    assert parameter.when is not None  # noqa: S101  (the caller checked this)
    if field in earlier:
        return
    origin, text = f"{parameter.origin}.when", parameter.when.text
    others = [other for other in every_parameter(space.root) if other.field == field]
    if field == parameter.field:
        raise ConfigError(origin, f"{text!r} refers to the parameter itself; name a parameter that comes before it")
    if any(isinstance(other, (ChoiceParameter, IntParameter)) for other in others):
        place = others[0].origin
        message = f"{text!r} names {field!r}, which is decided later, at {place}"
        raise ConfigError(origin, f"{message}; move that parameter before this one")
    if others:
        raise ConfigError(
            origin, f"{text!r} names {field!r}, which is a range of real numbers; name a choice or a whole number"
        )
    known = next((setting.origin for setting in every_setting(space.root) if setting.field == field), None)
    rule = f"fixed at {known}" if known else "not searched"
    raise ConfigError(origin, f"{text!r} names {field!r}, which is {rule}; name a choice or a whole number")


def _check_defaults(space: Space) -> None:
    for assignment in first_assignments(space):
        constraint = violated(space, assignment)
        if constraint is None:
            continue
        family, origin = assignment[FAMILY_PATH], f"constraints.{space.constraints.index(constraint)}"
        if not _is_satisfiable(space, family=family):
            message = (
                f"{constraint.text!r}: none of {MAX_DRAWS:,} random trials of family {family!r} meets this and the"
            )
            raise ConfigError(origin, f"{message} other constraints; loosen them, or remove the family")
        look = drafted(space.root, assignment).look
        values = ", ".join(f"{field} {look(field)}" for field in constraint.fields)
        message = f"{constraint.text!r} does not hold for the first trial of family {family!r}, its defaults ({values})"
        raise ConfigError(origin, f"{message}; give the fields a `default` that meets it")


def _is_satisfiable(space: Space, *, family: JsonValue) -> bool:
    """Return whether some random trial of a family meets the constraints."""
    parameters = tuple(
        replace(parameter, arms=tuple(arm for arm in parameter.arms if arm.label == family))
        if isinstance(parameter, ChoiceParameter) and parameter.path == FAMILY_PATH
        else parameter
        for parameter in space.root.parameters
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

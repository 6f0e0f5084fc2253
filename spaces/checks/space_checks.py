"""Checks a space before anything starts, by binding a sample of its trials.

The sample has, of the trials that meet the constraints: each family at its defaults, each arm of each choice (some of
them if there are hundreds), both ends of each range, and a few random draws for mistakes that need two values at once.
A mistake that the sample does not contain is refused by the same rules when its trial is bound.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

from pydantic import JsonValue

from spaces.checks.condition_checks import active_draws, check_conditions
from spaces.checks.contradictions import refuse_contradictions
from spaces.checks.equal_compute import check_equal_compute
from spaces.checks.fit import check_trial
from spaces.space.binder import BoundTrial, bind_with_origins
from spaces.space.conditions import violated
from spaces.space.enumeration import default_value, draw, first_assignments
from spaces.space.parameters import FloatParameter, IntParameter
from spaces.space.tree import FAMILY_PATH, Assignment, Branch, ChoiceParameter, Label, Parameter, Space
from spaces.space.walk import walk

NUM_RANDOM_PROBES = 24
"""Random draws that a check binds; about 2 ms in all."""

MAX_PROBES_OF_A_CHOICE = 500
"""Largest number of arms of one choice that are all bound; of a larger choice, some arms are bound."""


def check_space(space: Space) -> None:
    """Check a space for mistakes.

    Args:
        space: The space of a sweep spec.

    Raises:
        ConfigError: A field is set twice, a range leaves its field's limits, a task is unknown or does not fit its
            family, a language is missing; `field` is the path in the spec.
    """
    refuse_contradictions(space.root)
    check_conditions(space)
    trials: list[BoundTrial] = []
    for assignment in _probes(space):
        if violated(space, assignment) is not None:
            continue
        trials.append(bind_with_origins(space, assignment))
        check_trial(trials[-1], family=assignment.get(FAMILY_PATH))
    check_equal_compute(trials, space=space)


def _probes(space: Space) -> Iterator[Assignment]:
    yield from first_assignments(space)
    yield from _branch_probes(space, branch=space.root, answers={})
    for parameter, trial in active_draws(space):
        for value in _probe_values(parameter):
            yield _defaults_but(space, answers={**trial, parameter.path: value})
    generator = random.Random(0)  # noqa: S311  the same probes every time
    for _ in range(NUM_RANDOM_PROBES):
        yield draw(space, generator=generator)


def _branch_probes(space: Space, *, branch: Branch, answers: Mapping[str, JsonValue]) -> Iterator[Assignment]:
    for parameter in branch.parameters:
        for value in _probe_values(parameter):
            chosen = {**answers, parameter.path: value}
            yield _defaults_but(space, answers=chosen)
            if isinstance(parameter, ChoiceParameter) and (arm := parameter.arm(value)):
                yield from _branch_probes(space, branch=arm.branch, answers=chosen)


def _probe_values(parameter: Parameter) -> list[JsonValue]:
    match parameter:
        case ChoiceParameter():
            return _spread([arm.label for arm in parameter.arms])
        case IntParameter() | FloatParameter():
            return [parameter.low, parameter.high]
        case _:
            return []


def _spread(labels: list[Label]) -> list[JsonValue]:
    """Return all labels of a choice; of a very large one the smallest, the largest, and some spread over the whole."""
    if len(labels) <= MAX_PROBES_OF_A_CHOICE:
        return list(labels)
    numbers = [label for label in labels if isinstance(label, (int, float)) and not isinstance(label, bool)]
    ends: list[JsonValue] = [min(numbers), max(numbers)] if numbers else []
    others = [label for label in labels if type(label) is not type(labels[0])]
    step = len(labels) / MAX_PROBES_OF_A_CHOICE
    over_all = [labels[int(place * step)] for place in range(MAX_PROBES_OF_A_CHOICE)]
    return [*ends, *over_all, labels[-1], *others[:MAX_PROBES_OF_A_CHOICE]]


def _defaults_but(space: Space, *, answers: Mapping[str, JsonValue]) -> Assignment:
    def ask(parameter: Parameter) -> JsonValue:
        return answers[parameter.path] if parameter.path in answers else default_value(parameter)

    return walk(space, ask)

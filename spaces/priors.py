"""What is believed of a space before its sweep has run: data in the spec, so that a resumed sweep believes the same.

Two kinds: numbers for arms of choices (published effects, a transferability estimate, a hunch), and trials of an
earlier sweep. `search.sampler.priors` says what follows from them, and how they fade.
"""

from __future__ import annotations

import json

from pydantic import Field, JsonValue

from spaces.tree import Assignment, ChoiceParameter, Label, Space, every_parameter
from spaces.walk import contains
from trainables.config import FrozenModel
from trainables.errors import ConfigError, near_matches

HEEDING_SAMPLERS = ("tpe", "random", "gp", "cmaes", "nsga2", "stage_aware")
"""Samplers whose first trials are those of `search.sampler.priors`; the points of the others are fixed."""


class EarlierTrial(FrozenModel):
    """A finished trial of an earlier sweep, as a point of this one's space."""

    number: int = Field(ge=0)
    """Its number there."""
    assignment: dict[str, JsonValue]
    """Parameter of this space -> its value."""
    score: float
    """The earlier sweep's objective, of the highest rung."""
    is_same: bool
    """Whether it is the very trial that this sweep would run: every field, every stage and the objective. Else only the
    parameters are, and its score stands in relation to that sweep alone."""


class EarlierSweep(FrozenModel):
    """A sweep whose trials are known from the start."""

    sweep: str = Field(min_length=1)
    """Its name in the record, or RECORD#NAME for one of another record, of which the name is kept."""
    trials: tuple[EarlierTrial, ...] = Field(default=(), strict=False)
    """Its trials that fit; filled in when the sweep is started, and kept from then on."""


class PriorsConfig(FrozenModel):
    """What is believed of the space."""

    arms: dict[str, dict[str, float]] = Field(default_factory=dict[str, dict[str, float]])
    """Path of a choice (`family`, `intermediate.text.mixture`) -> arm -> what it is expected to do, in one unit for all
    of them; higher is better. Arms that are left out are expected to do as the mean of these."""
    earlier: EarlierSweep | None = None
    """An earlier sweep to learn from, as `--from` names it."""

    @property
    def has_any(self) -> bool:
        """Whether anything is believed."""
        return bool(self.arms) or self.earlier is not None


def label_text(label: Label) -> str:
    """Return an arm's label as a key of YAML or JSON names it: text as it is, 100 as `100`, true as `true`."""
    return label if isinstance(label, str) else json.dumps(label)


def check_priors(priors: PriorsConfig, *, space: Space, sampler: str) -> None:
    """Return when priors speak of the space, and of a sampler that heeds them.

    Args:
        priors: What the spec says.
        space: Its space.
        sampler: Name of its sampler.

    Raises:
        ConfigError: A choice or an arm is unknown, an assignment is not of the space, or nothing heeds the priors.
    """
    if priors.has_any and sampler not in HEEDING_SAMPLERS:
        rule = f"sampler {sampler!r} does not heed it, as {', '.join(HEEDING_SAMPLERS)} do"
        raise ConfigError("priors", f"has no effect: {rule}; remove it, or set sampler.name: tpe")
    choices = {one.path: one for one in every_parameter(space.root) if isinstance(one, ChoiceParameter)}
    for path, effects in priors.arms.items():
        _check_arms(effects, path=path, choices=choices)
    for place, trial in enumerate(priors.earlier.trials if priors.earlier else ()):
        if not contains(space, trial.assignment):
            rule = "its assignment is no point of the space as it is now"
            step = "give `earlier` only the name of the sweep, so that it is read anew"
            raise ConfigError(f"priors.earlier.trials.{place}", f"trial {trial.number}: {rule}; {step}")


def _check_arms(effects: dict[str, float], *, path: str, choices: dict[str, ChoiceParameter]) -> None:
    origin = f"priors.arms.{path}"
    if path not in choices:
        written = next((one.path for one in choices.values() if one.origin == path), None)
        near = f"; did you mean {written!r}?" if written else near_matches(path, choices)
        raise ConfigError(origin, f"no choice of the space has the path {path!r}{near}; it has {', '.join(choices)}")
    labels = [label_text(arm.label) for arm in choices[path].arms]
    if not effects:
        raise ConfigError(
            origin, f"says nothing of any arm; give some of {', '.join(labels)} a number, or leave it out"
        )
    for label in effects:
        if label not in labels:
            near = near_matches(label, labels)
            raise ConfigError(f"{origin}.{label}", f"{label!r} is no arm{near}; the arms are {', '.join(labels)}")


def expected(assignment: Assignment, *, priors: PriorsConfig) -> float | None:
    """Return what the arms of an assignment are expected to do, added up; None when none of them is named."""
    named = effects_of(assignment, priors=priors)
    return sum(named.values()) if named else None


def effects_of(assignment: Assignment, *, priors: PriorsConfig) -> dict[str, float]:
    """Return path of a choice -> what its arm is expected to do, of those arms of an assignment that are named."""
    return {
        path: effects[text]
        for path, effects in priors.arms.items()
        if path in assignment and (text := _text_of(assignment[path])) in effects
    }


def _text_of(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)

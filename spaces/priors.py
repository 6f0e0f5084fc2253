"""Priors: what the user expects of a space before its sweep has results.

There are three kinds: numbers for arms of choices (published effects, a transferability estimate, a guess), densities
over single numbers (a learning rate that has worked before), and trials of an earlier sweep. Priors are data in the
spec, so a resumed sweep has the same priors. `search.sampler.prior_trials` describes how they are used and how their
effect fades.
"""

from __future__ import annotations

import json
from typing import Any  # Any: dumped values

from pydantic import Field, JsonValue, SerializerFunctionWrapHandler, model_serializer

from spaces.space.tree import Assignment, ChoiceParameter, Label, Space, every_parameter
from spaces.space.walk import contains
from trainables.config import FrozenModel
from trainables.errors import ConfigError, near_matches

SAMPLERS_WITH_PRIORS = ("tpe", "random", "gp", "cmaes", "nsga2", "stage_aware")
"""Samplers that start with the trials of `search.sampler.prior_trials`. The other samplers have fixed points."""


class EarlierTrial(FrozenModel):
    """A finished trial of an earlier sweep, as a point of this sweep's space."""

    number: int = Field(ge=0, lt=2**31)
    """Its number in the earlier sweep."""
    assignment: dict[str, JsonValue]
    """Parameter of this space -> its value."""
    score: float
    """The earlier sweep's objective, at the highest rung."""
    is_same: bool
    """Whether this sweep would run exactly the same trial: every field, every stage and the objective. Otherwise only
    the parameters are the same, and its score can only be compared with scores of that sweep."""


class EarlierSweep(FrozenModel):
    """An earlier sweep that this sweep learns from."""

    sweep: str = Field(min_length=1)
    """Its name in the record, or RECORD#NAME for a sweep of another record; then only the name is stored."""
    trials: tuple[EarlierTrial, ...] = Field(default=(), strict=False)
    """Its trials that fit this space; filled in when the sweep is started, and unchanged from then on."""
    opens_test: tuple[str, ...] = Field(default=(), strict=False)
    """Its tasks that open a locked test split; filled in with `trials`: what is learnt from it is learnt from those."""

    @model_serializer(mode="wrap")
    def _without_unused_later_fields(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # This field was added later: specs on record without it stay as they are.
        return {name: value for name, value in dump(self).items() if value or name != "opens_test"}


class DensityConfig(FrozenModel):
    """Where the best value of one parameter is expected (`spaces.space.densities`)."""

    centre: float
    """The value that is expected to be the best, in the parameter's own unit."""
    confidence: float = Field(gt=0.0, lt=1.0)
    """Probability that the best value is near the centre: normally distributed around it, with a tenth of the range (of
    its log scale, where it is log) as standard deviation. Otherwise it can be anywhere in the range."""


class PriorsConfig(FrozenModel):
    """The priors of a sweep."""

    arms: dict[str, dict[str, float]] = Field(default_factory=dict[str, dict[str, float]])
    """Path of a choice (`family`, `intermediate.text.mixture`) -> arm -> its expected effect, all in the same unit;
    higher is better. The expected effect of an arm that is left out is the mean of these."""
    densities: dict[str, DensityConfig] = Field(default_factory=dict[str, DensityConfig])
    """Path of a searched number (`target.learning_rate`, `intermediate.text.learning_rate`) -> where its best value is
    expected. A choice among numbers is one too."""
    earlier: EarlierSweep | None = None
    """An earlier sweep to learn from, as `--from` names it."""

    @property
    def has_any(self) -> bool:
        """Whether there is any prior."""
        return bool(self.arms) or bool(self.densities) or self.earlier is not None

    @model_serializer(mode="wrap")
    def _without_unused_later_fields(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # This field was added later: specs on record without it stay as they are.
        return {name: value for name, value in dump(self).items() if value or name != "densities"}


def label_text(label: Label) -> str:
    """Return an arm's label as a key in YAML or JSON: text is unchanged, 100 is `100`, true is `true`."""
    return label if isinstance(label, str) else json.dumps(label)


def check_priors(priors: PriorsConfig, *, space: Space, sampler: str) -> None:
    """Check that priors fit the space, and that the sampler uses them.

    Args:
        priors: The priors of a spec.
        space: The spec's space.
        sampler: Name of the spec's sampler.

    Raises:
        ConfigError: A choice or an arm is unknown, an assignment is not in the space, or the sampler ignores priors.
    """
    if priors.has_any and sampler not in SAMPLERS_WITH_PRIORS:
        rule = f"sampler {sampler!r} ignores it; samplers that use it are {', '.join(SAMPLERS_WITH_PRIORS)}"
        raise ConfigError("priors", f"has no effect: {rule}; remove it, or set sampler.name: tpe")
    choices = {
        parameter.path: parameter for parameter in every_parameter(space.root) if isinstance(parameter, ChoiceParameter)
    }
    for path, effects in priors.arms.items():
        _check_arms(effects, path=path, choices=choices)
    for place, trial in enumerate(priors.earlier.trials if priors.earlier else ()):
        if not contains(space, trial.assignment):
            rule = "its assignment is not in the space as it is now"
            step = "keep only `sweep` in `earlier`; the trials are then read again"
            raise ConfigError(f"priors.earlier.trials.{place}", f"trial {trial.number}: {rule}; {step}")


def _check_arms(effects: dict[str, float], *, path: str, choices: dict[str, ChoiceParameter]) -> None:
    origin = f"priors.arms.{path}"
    if path not in choices:
        written = next((choice.path for choice in choices.values() if choice.origin == path), None)
        near = f"; did you mean {written!r}?" if written else near_matches(path, choices)
        raise ConfigError(origin, f"no choice of the space has the path {path!r}{near}; it has {', '.join(choices)}")
    labels = [label_text(arm.label) for arm in choices[path].arms]
    if not effects:
        raise ConfigError(origin, f"has no arm; give a number to some of {', '.join(labels)}, or remove it")
    for label in effects:
        if label not in labels:
            near = near_matches(label, labels)
            raise ConfigError(f"{origin}.{label}", f"{label!r} is not an arm{near}; the arms are {', '.join(labels)}")


def expected(assignment: Assignment, *, priors: PriorsConfig) -> float | None:
    """Return the sum of the expected effects of an assignment's arms, or None if no arm has a prior."""
    named = effects_of(assignment, priors=priors)
    return sum(named.values()) if named else None


def effects_of(assignment: Assignment, *, priors: PriorsConfig) -> dict[str, float]:
    """Return path of a choice -> expected effect of its arm, for each arm of an assignment that has a prior."""
    return {
        path: effects[text]
        for path, effects in priors.arms.items()
        if path in assignment and (text := _text_of(assignment[path])) in effects
    }


def _text_of(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)

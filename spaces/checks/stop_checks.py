"""Checks what ends a sweep against its space, its sampler and its rungs."""

from __future__ import annotations

from spaces.space.parameters import IntParameter
from spaces.space.tree import FAMILY_PATH, Branch, ChoiceParameter, Space, every_parameter
from spaces.stop import StopConfig
from trainables.errors import ConfigError

BASELINE = "none"
"""The family that the others are compared with."""

_SEED = "{int: [0, 2147483647]}"


def check_stop(
    stop: StopConfig, *, space: Space, sampler: str, is_sampler_named: bool, num_goals: int, prunes: bool
) -> None:
    """Check that the sweep can end in the way that its spec asks for.

    Args:
        stop: What ends it.
        space: Its space.
        sampler: Name of its sampler.
        is_sampler_named: Whether the sampler has settings other than the default.
        num_goals: Number of objectives.
        prunes: Whether trials can be pruned.

    Raises:
        ConfigError: A seed is not searched, or a setting does not fit.
    """
    if stop.expected_gain is not None and sampler != "stage_aware":
        rule = f"{sampler!r} does not compute the gain that it expects"
        raise ConfigError("stop.expected_gain", f"does not fit: {rule}; set sampler: {{name: stage_aware}}")
    if stop.decided is None:
        return
    if num_goals > 1:
        raise ConfigError("stop.decided", f"needs one objective, and the sweep has {num_goals}; keep one")
    if is_sampler_named:
        rule = "with stop.decided the sweep repeats the families' defaults"
        raise ConfigError("sampler", f"has no effect: {rule}; remove it, or remove stop.decided")
    if prunes:
        rule = "a verdict needs trials that were not picked by their scores"
        raise ConfigError("rungs", f"do not fit stop.decided: {rule}; set rungs.num: 1, or pruner: {{name: none}}")
    _check_seeds(space)


def _check_seeds(space: Space) -> None:
    families = next(one for one in space.root.parameters if one.path == FAMILY_PATH)
    assert isinstance(families, ChoiceParameter)  # noqa: S101  (our own space)
    names = [str(arm.label) for arm in families.arms]
    if BASELINE not in names or len(names) == 1:
        rule = f"families are compared with `{BASELINE}`, and the sweep has {', '.join(names)}"
        raise ConfigError("families", f"do not fit stop.decided: {rule}; add `{BASELINE}: {{}}` and another family")
    if not _searches(Branch(parameters=space.root.parameters), field="target.seed"):
        rule = "stop.decided repeats trials with fresh seeds"
        raise ConfigError("search.target.seed", f"is missing: {rule}; add `target.seed: {_SEED}` under `search`")
    for arm in families.arms:
        if arm.label != BASELINE and not _searches(arm.branch, field="intermediate.seed"):
            rule = "stop.decided repeats trials with fresh seeds"
            place = f"families.{arm.label}.seed"
            raise ConfigError(place, f"is missing: {rule}; add `seed: {_SEED}` under `families.{arm.label}`")


def _searches(branch: Branch, *, field: str) -> bool:
    return any(isinstance(one, IntParameter) and one.field == field for one in every_parameter(branch))

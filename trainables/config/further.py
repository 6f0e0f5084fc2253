"""Further targets of a trial: other tasks that are trained and scored from the same intermediate encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast  # Any: what a user wrote, before it is checked

from pydantic import Field

from trainables.config.evaluation import EvaluationConfig
from trainables.config.frozen import FrozenModel
from trainables.config.literature import GROUPS, LITERATURE, Recipe
from trainables.config.phases import INTERMEDIATE_TOWER, PhaseConfig, VisionConfig
from trainables.errors import near_matches

TEXTS_ALONE = "@captions_only"
"""Ending of the name of a task with images that is trained on without them (`trainables/tasks/controls.py`)."""


class FurtherTarget(FrozenModel):
    """A further task that a trial is scored on, with its own training.

    Training starts where the main target's training starts: from the intermediate encoder, or, without an intermediate
    phase, from the trial's encoder.
    """

    target: tuple[PhaseConfig, ...] = Field(default=(), strict=False)
    """Training phases in order, each on one task; none where the encoder is scored without training (retrieval)."""
    evaluation: EvaluationConfig
    """The evaluation."""


def fill_further(value: Any, *, main: str | None) -> Any:
    """Return further targets; settings that the user left out are filled in from the literature.

    Args:
        value: Name of a group, a list of evaluation tasks, or a mapping from evaluation task to the settings that
            differ from the literature.
        main: The trial's main evaluation task, which is removed from a group.

    Raises:
        ValueError: The group is not known.
    """
    if isinstance(value, str):
        value = _members(value, main=main)
    if isinstance(value, list | tuple):
        value = {str(name): {} for name in cast("list[Any]", value)}
    if not isinstance(value, Mapping):
        return value
    given = cast("Mapping[str, Any]", value)
    return {name: _filled(str(name), body) for name, body in given.items()}


def with_tower(target: FurtherTarget, *, intermediate: PhaseConfig | None) -> FurtherTarget:
    """Return a further target whose phases name their own vision tower, where they name that of the intermediate phase.

    Without a tower there, a phase trains on the texts of its task alone (the control `captions_only`), with the same
    settings: the trial cannot be asked with images, and is scored without them.

    Args:
        target: The further target.
        intermediate: The trial's intermediate phase.
    """
    tower = intermediate.vision if intermediate is not None else None
    phases = tuple(_with_tower_of(phase, tower=tower) for phase in target.target)
    return target.model_copy(update={"target": phases})


def _with_tower_of(phase: PhaseConfig, *, tower: VisionConfig | None) -> PhaseConfig:
    if phase.vision is None or phase.vision.tower != INTERMEDIATE_TOWER:
        return phase
    if tower is not None:
        return phase.model_copy(update={"vision": tower})
    texts = {name if "@" in name else f"{name}{TEXTS_ALONE}": weight for name, weight in phase.mixture.items()}
    return phase.model_copy(update={"vision": None, "mixture": texts})


def _members(group: str, *, main: str | None) -> list[str]:
    if group not in GROUPS:
        near = near_matches(group, GROUPS)
        msg = f"{group!r} is not a group of tasks{near}; groups are {', '.join(GROUPS)}; choose one of them"
        raise ValueError(msg)
    return [name for name in GROUPS[group] if name != main]


def _filled(name: str, body: Any) -> Any:
    if isinstance(body, FurtherTarget) or not isinstance(body, Mapping | None):
        return body
    given: dict[str, Any] = dict(cast("Mapping[str, Any]", body or {}))
    recipe = LITERATURE.get(name)
    evaluation = given.get("evaluation", {})
    if isinstance(evaluation, Mapping):
        fixed: dict[str, Any] = {"task": name} | ({"max_length": recipe.max_length} if recipe else {})
        if recipe and recipe.similarity != "cosine":
            fixed["similarity"] = recipe.similarity
        given["evaluation"] = fixed | dict(cast("Mapping[str, Any]", evaluation))
    given["target"] = _filled_phases(given.get("target"), recipe=recipe)
    return given


def _filled_phases(value: Any, *, recipe: Recipe | None) -> Any:
    """Return phases with the literature's settings, and with the literature's task where a phase names none."""
    tasks = recipe.training if recipe else ()
    if value is None:
        value = [{} for _ in tasks]
    if isinstance(value, Mapping | PhaseConfig):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    phases = cast("list[Any]", value)
    own = tasks if len(tasks) == len(phases) else (None,) * len(phases)
    return [_filled_phase(phase, task=task, recipe=recipe) for phase, task in zip(phases, own, strict=True)]


def _filled_phase(phase: Any, *, task: str | None, recipe: Recipe | None) -> Any:
    if not isinstance(phase, Mapping):
        return phase
    given: dict[str, Any] = dict(cast("Mapping[str, Any]", phase))
    settings: dict[str, Any] = {"mixture": {task: 1.0}} if task else {}
    if recipe:
        settings |= {"learning_rate": recipe.learning_rate, "max_length": recipe.max_length}
        if "steps" not in given:
            settings["epochs"] = recipe.epochs
        if recipe.has_images:
            settings["vision"] = {"tower": INTERMEDIATE_TOWER}
    return settings | given

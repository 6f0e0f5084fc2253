"""Which source tasks of a sweep look promising, from features of an encoder that is not trained: a prior in minutes.

Two estimates of each task (`trainables.transferability`): how near its texts are to the target's (TextEmb), and how
well what a linear classifier of its classes says of the target's texts explains the target's labels (LogME); the latter
only for tasks with classes. What is expected of a task is the mean of those that it has, each in standard deviations
over the tasks. Both are weak: they know nothing of how long is trained, of images, or of other languages.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from search.sampler.priors import arms_of
from spaces.binding import bind
from spaces.drawing import first_assignments
from spaces.priors import PriorsConfig, label_text
from spaces.sweep_spec import SweepSpec, make_space
from spaces.tree import ChoiceParameter, Space, every_parameter
from trainables.config import FrozenModel, TrialConfig
from trainables.errors import ConfigError
from trainables.tasks.controls import is_control_name

if TYPE_CHECKING:
    from trainables.models.frozen_features import FeatureMaker, FrozenFeatures

_MIXTURE = "intermediate.mixture"

_FEWEST = 2
"""Tasks that an estimate can compare."""


class RankedTask(FrozenModel):
    """A source task, and what is expected of it."""

    task: str
    """Its name."""
    similarity: float
    """Cosine of its TextEmb and the target's (arXiv 2005.00770)."""
    logme: float | None
    """LogME of the target's labels on its linear classifier's outputs (arXiv 2102.11005); None where a task has no
    classes."""
    expected: float
    """Mean of both, in standard deviations over the tasks; an estimate that only one task has does not count."""


class Ranking(FrozenModel):
    """Source tasks, the most promising first."""

    encoder: str
    """Name of the encoder."""
    target: str
    """The task that is trained for."""
    num_items: int
    """Items of each task that were read, at most."""
    target_logme: float | None
    """LogME of the target's labels on the encoder's own features: what it knows already."""
    tasks: tuple[RankedTask, ...] = Field(strict=False)
    """The source tasks."""
    left_out: tuple[str, ...] = Field(strict=False)
    """Tasks of the space that nothing is expected of: controls, whose texts say nothing of what they lack."""
    priors: PriorsConfig
    """What a spec can say of its arms."""


def rank_tasks(spec: SweepSpec, *, num_items: int, max_length: int) -> Ranking:
    """Return the source tasks of a sweep's space, ranked for its target.

    Args:
        spec: The sweep's spec.
        num_items: Items of each task to read.
        max_length: Longest text in tokens.

    Raises:
        InputError: A task's rows or the encoder cannot be read, or there are no source tasks to rank.
    """
    from trainables.models.frozen_features import FeatureMaker
    from trainables.plan.starting_weights import encoder_folder

    space = make_space(spec)
    arms = _mixtures(space)
    named = list(
        dict.fromkeys(task for of_choice in arms.values() for mixture in of_choice.values() for task in mixture)
    )
    sources = [name for name in named if not is_control_name(name)]
    if not sources:
        raise ConfigError(
            "families", "no family trains on a task that could be ranked; add a task, or leave it unranked"
        )
    config = bind(space, first_assignments(space)[0])
    target = max(config.target.mixture, key=lambda name: config.target.mixture[name])
    folder = encoder_folder(config.encoder.name, revision=config.encoder.revision)
    maker = FeatureMaker(folder, num_items=num_items, max_length=max_length)
    goal = _features(maker, target)
    tasks = _ranked({name: _features(maker, name) for name in sources}, goal=goal)
    return Ranking(
        encoder=config.encoder.name,
        target=target,
        num_items=num_items,
        target_logme=_logme_of(goal),
        tasks=tuple(tasks),
        left_out=tuple(name for name in named if name not in sources),
        priors=_priors(arms, expected={one.task: one.expected for one in tasks}),
    )


def _features(maker: FeatureMaker, name: str) -> FrozenFeatures:
    from trainables.tasks.registry import task

    return maker.features(task(name))


def _logme_of(goal: FrozenFeatures) -> float | None:
    from trainables.transferability import logme

    return None if goal.labels_N is None else logme(goal.vectors_ND, labels_N=goal.labels_N)


def _ranked(sources: Mapping[str, FrozenFeatures], *, goal: FrozenFeatures) -> list[RankedTask]:
    from trainables.transferability import linear_outputs, logme, text_similarity

    near = {name: text_similarity(of.vectors_ND, goal.vectors_ND) for name, of in sources.items()}
    told = {
        name: logme(
            linear_outputs(of.vectors_ND, labels_N=of.labels_N, others_BD=goal.vectors_ND), labels_N=goal.labels_N
        )
        for name, of in sources.items()
        if of.labels_N is not None and goal.labels_N is not None
    }
    standard = [_standardised(estimate) for estimate in (near, told)]
    ranked = [
        RankedTask(
            task=name,
            similarity=near[name],
            logme=told.get(name),
            expected=statistics.fmean([estimate[name] for estimate in standard if name in estimate] or [0.0]),
        )
        for name in sources
    ]
    return sorted(ranked, key=lambda one: one.expected, reverse=True)


def _standardised(values: Mapping[str, float]) -> dict[str, float]:
    if len(values) < _FEWEST:
        return {}
    centre, spread = statistics.fmean(values.values()), statistics.pstdev(values.values())
    return {name: (value - centre) / spread if spread else 0.0 for name, value in values.items()}


def _mixtures(space: Space) -> dict[str, dict[str, Mapping[str, float]]]:
    """Return path of a choice -> arm -> the tasks that it trains on, of the choice that has the last word on them."""
    deciding = [
        one
        for one in every_parameter(space.root)
        if isinstance(one, ChoiceParameter) and one.field in {"intermediate", _MIXTURE}
    ]
    paths = {one.path for one in deciding}
    found: dict[str, dict[str, Mapping[str, float]]] = {}
    for choice in deciding:
        for arm, assignment in zip(choice.arms, arms_of(space, path=choice.path), strict=True):
            last = [path for path in assignment if path in paths][-1]  # a walk comes to a choice before those below it
            if last == choice.path and (mixture := _mixture(bind(space, assignment))):
                found.setdefault(choice.path, {})[label_text(arm.label)] = mixture
    return found


def _mixture(config: TrialConfig) -> Mapping[str, float]:
    return config.intermediate.mixture if config.intermediate else {}


def _priors(arms: Mapping[str, Mapping[str, Mapping[str, float]]], *, expected: Mapping[str, float]) -> PriorsConfig:
    """Return what is expected of arms: the mean over an arm's tasks, weighted as it mixes them."""
    told = {
        path: {
            label: _mean(mixture, expected)
            for label, mixture in of_choice.items()
            if all(task in expected for task in mixture)
        }
        for path, of_choice in arms.items()
    }
    return PriorsConfig(arms={path: effects for path, effects in told.items() if effects})


def _mean(mixture: Mapping[str, float], expected: Mapping[str, float]) -> float:
    return round(sum(weight * expected[task] for task, weight in mixture.items()), 3)

"""Ranks the source tasks of a sweep by features of the encoder without training: priors within minutes.

It computes two estimates of each task (`trainables.transferability`). TextEmb is the similarity of its texts to the
target's texts. LogME is for tasks with classes only: a linear classifier of the task's classes is applied to the
target's texts, and LogME measures how well its outputs explain the target's labels. The expected value of a task is the
mean of its estimates, each in standard deviations over the tasks. Both estimates are weak: they ignore the length of
training, images, and other languages.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from search.sampler.prior_trials import arms_of
from spaces.priors import PriorsConfig, label_text
from spaces.space.binder import bind
from spaces.space.enumeration import first_assignments
from spaces.space.tree import ChoiceParameter, Space, every_parameter
from spaces.sweep_spec import SweepSpec, make_space
from trainables.config import FrozenModel, TrialConfig
from trainables.errors import ConfigError
from trainables.tasks.controls import is_control_name

if TYPE_CHECKING:
    from trainables.models.frozen_features import FeatureMaker, FrozenFeatures

_MIXTURE = "intermediate.mixture"

_MIN_TASKS = 2
"""An estimate can only compare at least so many tasks."""


class RankedTask(FrozenModel):
    """A source task with its estimates."""

    task: str
    """Its name."""
    similarity: float
    """Cosine of its TextEmb and the target's (arXiv 2005.00770)."""
    logme: float | None
    """LogME of the target's labels on the outputs of the task's linear classifier (arXiv 2102.11005); None for a task
    without classes."""
    expected: float
    """Mean of both, in standard deviations over the tasks; an estimate that only one task has does not count."""


class Ranking(FrozenModel):
    """Source tasks, the highest expected value first."""

    encoder: str
    """Name of the encoder."""
    target: str
    """Name of the target task."""
    num_items: int
    """The most items that were read of each task."""
    target_logme: float | None
    """LogME of the target's labels on the encoder's own features, without any source task."""
    tasks: tuple[RankedTask, ...] = Field(strict=False)
    """The source tasks."""
    left_out: tuple[str, ...] = Field(strict=False)
    """Tasks of the space that cannot be ranked: controls, because their texts do not show what is changed in them."""
    priors: PriorsConfig
    """Priors of the arms, for a spec."""


def rank_tasks(spec: SweepSpec, *, num_items: int, max_length: int) -> Ranking:
    """Return the source tasks of a sweep's space, ranked for its target.

    Args:
        spec: The sweep's spec.
        num_items: Number of items to read of each task.
        max_length: Longest text, in tokens.

    Raises:
        InputError: A task's rows or the encoder cannot be read, or there are no source tasks to rank.
    """
    from trainables.models.frozen_features import FeatureMaker
    from trainables.plan.starting_weights import encoder_folder

    space = make_space(spec)
    arms = _mixtures(space)
    named = list(dict.fromkeys(task for mixtures in arms.values() for mixture in mixtures.values() for task in mixture))
    sources = [name for name in named if not is_control_name(name)]
    if not sources:
        raise ConfigError("families", "no family trains on a task that can be ranked; add a task to a family")
    config = bind(space, first_assignments(space)[0])
    target = max(config.target.mixture, key=lambda name: config.target.mixture[name])
    folder = encoder_folder(config.encoder.name, revision=config.encoder.revision)
    maker = FeatureMaker(folder, num_items=num_items, max_length=max_length)
    target_features = _features(maker, target)
    tasks = _ranked({name: _features(maker, name) for name in sources}, target=target_features)
    return Ranking(
        encoder=config.encoder.name,
        target=target,
        num_items=num_items,
        target_logme=_logme_of(target_features),
        tasks=tuple(tasks),
        left_out=tuple(name for name in named if name not in sources),
        priors=_priors(arms, expected={ranked.task: ranked.expected for ranked in tasks}),
    )


def _features(maker: FeatureMaker, name: str) -> FrozenFeatures:
    from trainables.tasks.registry import task

    return maker.features(task(name))


def _logme_of(target: FrozenFeatures) -> float | None:
    from trainables.transferability import logme

    return None if target.labels_N is None else logme(target.vectors_ND, labels_N=target.labels_N)


def _ranked(sources: Mapping[str, FrozenFeatures], *, target: FrozenFeatures) -> list[RankedTask]:
    from trainables.transferability import linear_outputs, logme, text_similarity

    similarities = {name: text_similarity(source.vectors_ND, target.vectors_ND) for name, source in sources.items()}
    logmes = {
        name: logme(
            linear_outputs(source.vectors_ND, labels_N=source.labels_N, others_BD=target.vectors_ND),
            labels_N=target.labels_N,
        )
        for name, source in sources.items()
        if source.labels_N is not None and target.labels_N is not None
    }
    standard = [_standardised(estimate) for estimate in (similarities, logmes)]
    ranked = [
        RankedTask(
            task=name,
            similarity=similarities[name],
            logme=logmes.get(name),
            expected=statistics.fmean([estimate[name] for estimate in standard if name in estimate] or [0.0]),
        )
        for name in sources
    ]
    return sorted(ranked, key=lambda ranked_task: ranked_task.expected, reverse=True)


def _standardised(values: Mapping[str, float]) -> dict[str, float]:
    """Return values in standard deviations from their mean; empty for fewer tasks than can be compared."""
    if len(values) < _MIN_TASKS:
        return {}
    mean, deviation = statistics.fmean(values.values()), statistics.pstdev(values.values())
    return {name: (value - mean) / deviation if deviation else 0.0 for name, value in values.items()}


def _mixtures(space: Space) -> dict[str, dict[str, Mapping[str, float]]]:
    """Return path of a choice -> arm -> mixture of tasks, for the innermost choice that decides the mixture."""
    deciding = [
        parameter
        for parameter in every_parameter(space.root)
        if isinstance(parameter, ChoiceParameter) and parameter.field in {"intermediate", _MIXTURE}
    ]
    paths = {choice.path for choice in deciding}
    found: dict[str, dict[str, Mapping[str, float]]] = {}
    for choice in deciding:
        for arm, assignment in zip(choice.arms, arms_of(space, path=choice.path), strict=True):
            last = [path for path in assignment if path in paths][-1]  # an outer choice comes before those inside it
            if last == choice.path and (mixture := _mixture(bind(space, assignment))):
                found.setdefault(choice.path, {})[label_text(arm.label)] = mixture
    return found


def _mixture(config: TrialConfig) -> Mapping[str, float]:
    return config.intermediate.mixture if config.intermediate else {}


def _priors(arms: Mapping[str, Mapping[str, Mapping[str, float]]], *, expected: Mapping[str, float]) -> PriorsConfig:
    """Return the priors of the arms: the mean expected value of an arm's tasks, weighted by their sampling weights."""
    effects = {
        path: {
            label: _weighted_mean(mixture, expected)
            for label, mixture in mixtures.items()
            if all(task in expected for task in mixture)
        }
        for path, mixtures in arms.items()
    }
    return PriorsConfig(arms={path: of_arms for path, of_arms in effects.items() if of_arms})


def _weighted_mean(mixture: Mapping[str, float], expected: Mapping[str, float]) -> float:
    return round(sum(weight * expected[task] for task, weight in mixture.items()), 3)

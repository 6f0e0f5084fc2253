"""Computes a phase's mixture: the tasks that it trains, and their weights. Pure.

Weights are shares of the examples that a phase trains on. Computed ones depend on the number of examples that a task's
training split has once it is encoded (the windows of span QA, rows without a label left out), so they are known only
when the data is loaded; the stage's facts record them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from trainables.config import PhaseConfig
from trainables.config.auxiliary import BESIDE_TASK
from trainables.tasks.spec import TaskSpec


def phase_tasks(work: PhaseConfig) -> tuple[str, ...]:
    """Return the names of all tasks that a phase trains: its mixture's, and the texts beside them."""
    return (*work.mixture, BESIDE_TASK) if work.beside and work.beside.masked_lm else tuple(work.mixture)


def languages_of(work: PhaseConfig, spec: TaskSpec, *, split: str) -> tuple[str, ...]:
    """Return the languages of a task's examples in a phase.

    Texts without labels have all their languages. A task has its training language (English if it has English) and, in
    the train split, the languages of the translated copies beside the phase.

    Args:
        work: The phase.
        spec: One of its tasks.
        split: `train` or `validation`.
    """
    if spec.name == BESIDE_TASK:
        return spec.languages
    translated = work.beside.translations if work.beside and split == "train" else ()
    return (spec.training_language, *translated)


def further_dev_languages(spec: TaskSpec) -> tuple[str, ...]:
    """Return the languages, beside its training language, in which a trained task is scored on its dev split.

    Only tasks with images have any. Tasks of text are scored in other languages by evaluations.
    """
    return tuple(one for one in spec.languages if one != spec.training_language) if spec.has_images else ()


def mixture_weights(work: PhaseConfig, sizes: Mapping[str, int]) -> dict[str, float]:
    """Return task -> share of the examples; the shares sum to 1.

    Capped proportional: min(n, cap) over its sum (Raffel et al. 2020, arXiv 1910.10683, section 3.5.2, equation for
    r_m). Temperature: that rate to the power of 1 / T, over its sum (the same section).

    Args:
        work: The phase.
        sizes: Task -> examples of its encoded training split, for every task of the mixture.
    """
    beside = work.beside.masked_lm if work.beside else None
    weights = _weights_of_tasks(work, sizes)
    if beside is None:
        return weights
    return {name: weight * (1 - beside.ratio) for name, weight in weights.items()} | {BESIDE_TASK: beside.ratio}


def _weights_of_tasks(work: PhaseConfig, sizes: Mapping[str, int]) -> dict[str, float]:
    sampling = work.sampling
    if not sampling.is_computed:
        return dict(work.mixture)
    exponent = {"uniform": 0.0, "proportional": 1.0}.get(sampling.kind, 1 / (sampling.temperature or 1))
    masses = {name: _counted(work, sizes[name]) ** exponent for name in work.mixture}
    total = math.fsum(masses.values())
    return {name: mass / total for name, mass in masses.items()}


def num_examples_of_an_epoch(work: PhaseConfig, sizes: Mapping[str, int]) -> int:
    """Return the examples of one pass over a mixture; a task counts with at most the sampling's cap.

    Texts beside the mixture are added at their share.

    Args:
        work: The phase.
        sizes: Task -> examples of its encoded training split.
    """
    ratio = work.beside.masked_lm.ratio if work.beside and work.beside.masked_lm else 0.0
    return round(sum(_counted(work, sizes[name]) for name in work.mixture) / (1 - ratio))


def _counted(work: PhaseConfig, size: int) -> int:
    return size if work.sampling.cap is None else min(size, work.sampling.cap)

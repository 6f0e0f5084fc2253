"""Plans what a merge or an average is made from: the phases of its parts, and how their weights are combined. Pure.

The parts are ordinary stages with ordinary keys, so a trial that merges the encoders of SNLI and NLVR2 shares them with
the trials that train on SNLI or NLVR2 alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from trainables.config import FrozenModel, PhaseConfig
from trainables.config.combining import TIES_DENSITY, MergeMethod
from trainables.tasks.spec import TaskSpec


class Combination(FrozenModel):
    """How the weights of several stages become those of one."""

    method: MergeMethod
    """As in `MergeConfig`; an average is `linear`."""
    weights: dict[str, float] = Field(min_length=1)
    """Key of each part -> its weight, in the order of the keys, so that the order in a configuration has no effect."""
    scaling: float = 1.0
    """Factor of the weighted mean of differences."""
    density: float = 1.0
    """Share of each part's differences that is kept."""
    select: Literal["uniform", "greedy"] = "uniform"
    """As in `AverageConfig`."""


def parts_of(work: PhaseConfig, *, specs: Mapping[str, TaskSpec]) -> tuple[PhaseConfig, ...]:
    """Return the phases that are trained for a merge or an average, in the order of the configuration; else the phase.

    Args:
        work: The phase.
        specs: Task name -> specification, for every task of its mixture.
    """
    if work.merge is not None:
        parts = ((name, work.part(name)) for name in work.mixture)
        return tuple(_with_what_it_uses(part, spec=specs[name]) for name, part in parts)
    if work.average is not None:
        return tuple(_run(work, number=number) for number in range(work.average.num_runs))
    return (work,)


def combination_of(work: PhaseConfig, *, keys: tuple[str, ...]) -> Combination:
    """Return how the parts of a phase are combined.

    Args:
        work: A phase with `merge` or `average`.
        keys: Keys of what is combined: for a merge, in the order of `parts_of`.
    """
    weights = tuple(work.mixture.values()) if work.merge is not None else (1 / len(keys),) * len(keys)
    of_keys = dict(sorted(zip(keys, weights, strict=True)))
    if work.merge is None:
        select = work.average.select if work.average is not None else "uniform"
        return Combination(method="linear", weights=of_keys, select=select)
    method, density = work.merge.method, 1.0
    if method == "ties":
        density = TIES_DENSITY if work.merge.density is None else work.merge.density
    return Combination(method=method, weights=of_keys, scaling=work.merge.scaling or 1.0, density=density)


def _with_what_it_uses(part: PhaseConfig, *, spec: TaskSpec) -> PhaseConfig:
    unused = {} if spec.has_images else {"vision": None}
    unused |= {} if spec.kind == "distillation" else {"teacher": None}
    return part.model_copy(update=unused)


def _run(work: PhaseConfig, *, number: int) -> PhaseConfig:
    """Return one run of an average. The first run is the phase itself; the others start with its head."""
    head_seed = work.seed if work.head_seed is None else work.head_seed
    seed = (work.seed + number) % 2**31
    return work.model_copy(
        update={"average": None, "seed": seed, "head_seed": None if head_seed == seed else head_seed}
    )

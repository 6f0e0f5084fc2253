"""The trials of a comparison, and a group of them as independent seeds.

Trials that start from one intermediate checkpoint share its luck, and checkpoints of one seed can share a part of it:
the seed draws the heads, the order of the data and the dropout. A group is therefore reduced to one value of each seed,
the mean over its checkpoints of the mean over their trials, and uncertainty is counted in seeds. A trial without an
intermediate phase has its target phase in place of the checkpoint.

Shapes: C checkpoints of a group, S seeds of a group, N items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

POINTS = 100.0
"""Points of a score of 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One trial that counts."""

    trial: int
    """Its number."""
    checkpoint: str
    """Key of its intermediate checkpoint, or of its target stage if it has no intermediate phase."""
    lineage: str
    """Key of its evaluation stage: two trials with the same key are one run."""
    intermediate_seed: int
    """Seed of its intermediate phase, or of its target phase if it has no intermediate phase."""
    target_seed: int
    """Seed of its target phase."""
    score: float
    """The metric, 0..1."""
    items_N: NDArray[np.float64] | None = None
    """Each item's part in the metric, its mean over the parallel languages, 0..1; None where it is not known."""
    units_N: NDArray[np.int64] | None = None
    """Number of each item's premise or paragraph; None where it is not known, or each item has its own."""
    num_scored: int | None = None
    """Items times languages that the score is the mean of; None where it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of runs in a comparison."""

    name: str
    """Its name."""
    runs: tuple[Run, ...]
    """Each lineage once, in the order of trials."""
    control_of: str | None = None
    """Name of the group that it is a control of, or None."""

    @property
    def checkpoints(self) -> tuple[tuple[Run, ...], ...]:
        """Runs by checkpoint, in the order of each checkpoint's first trial."""
        found: dict[str, list[Run]] = {}
        for run in self.runs:
            found.setdefault(run.checkpoint, []).append(run)
        return tuple(map(tuple, found.values()))

    @property
    def seeds(self) -> tuple[tuple[tuple[Run, ...], ...], ...]:
        """Checkpoints by seed, in the order in which seeds first stand.

        The seed is that of the intermediate phase. Where a group has fewer target seeds, its trials share the luck of
        those, and the seed is that of the target phase.
        """
        of_target = self.num_target_seeds < self.num_intermediate_seeds
        found: dict[int, dict[str, list[Run]]] = {}
        for run in self.runs:
            seed = run.target_seed if of_target else run.intermediate_seed
            found.setdefault(seed, {}).setdefault(run.checkpoint, []).append(run)
        return tuple(tuple(map(tuple, checkpoints.values())) for checkpoints in found.values())

    @property
    def num_seeds(self) -> int:
        """Distinct seeds of the phase that has fewer of them: draws that are independent."""
        return min(self.num_intermediate_seeds, self.num_target_seeds)

    @property
    def num_intermediate_seeds(self) -> int:
        """Distinct intermediate seeds."""
        return len({run.intermediate_seed for run in self.runs})

    @property
    def num_target_seeds(self) -> int:
        """Distinct target seeds."""
        return len({run.target_seed for run in self.runs})

    @property
    def step(self) -> float:
        """Distance between two neighbouring scores of a run, in points; 0 where it is not known."""
        known = [run.num_scored for run in self.runs if run.num_scored]
        return POINTS / min(known) if known else 0.0

    def points_C(self) -> NDArray[np.float64]:
        """Return each checkpoint's mean score, in points."""
        return POINTS * np.array([fmean(run.score for run in runs) for runs in self.checkpoints], dtype=np.float64)

    def points_S(self) -> NDArray[np.float64]:
        """Return each seed's mean over its checkpoints, in points."""
        means = [fmean(fmean(run.score for run in runs) for runs in checkpoints) for checkpoints in self.seeds]
        return POINTS * np.array(means, dtype=np.float64)

    def items_SN(self) -> NDArray[np.float64] | None:
        """Return each seed's mean by item, in points; None unless the items of every run are known."""
        known = [run.items_N for run in self.runs if run.items_N is not None]
        if len(known) < len(self.runs) or len({items_N.size for items_N in known}) != 1:
            return None
        rows: list[NDArray[np.float64]] = []
        for checkpoints in self.seeds:
            means = [np.mean([run.items_N for run in runs if run.items_N is not None], axis=0) for runs in checkpoints]
            rows.append(np.mean(means, axis=0))
        return POINTS * np.array(rows, dtype=np.float64)

    def units_N(self) -> NDArray[np.int64] | None:
        """Return the number of each item's premise or paragraph; None unless every run has the same ones."""
        first = self.runs[0].units_N
        if first is None or not all(
            run.units_N is not None and np.array_equal(run.units_N, first) for run in self.runs
        ):
            return None
        return first


def make_group(name: str, runs: Sequence[Run], *, control_of: str | None = None) -> Group:
    """Return a group of runs with each lineage once: the trial that was proposed first is kept."""
    distinct = {run.lineage: run for run in sorted(runs, key=lambda run: -run.trial)}
    ordered = sorted(distinct.values(), key=lambda run: run.trial)
    return Group(name=name, runs=tuple(ordered), control_of=control_of)

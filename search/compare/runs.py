"""The trials of a comparison, and a group of them as independent checkpoints.

Trials that start from one intermediate checkpoint share its luck. A group is therefore reduced to one value of each
checkpoint, the mean over its trials, and uncertainty is counted in checkpoints. A trial without an intermediate phase
shares nothing: its target phase stands for the checkpoint.

Shapes: C checkpoints of a group, N items.
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
    """Key of its intermediate checkpoint, or of its target stage where it has none."""
    lineage: str
    """Key of its evaluation: two trials with the same one are one run."""
    intermediate_seed: int
    """Seed of its intermediate phase, or of its target phase where it has none."""
    target_seed: int
    """Seed of its target phase."""
    score: float
    """The metric, 0..1."""
    items_N: NDArray[np.float64] | None = None
    """Each item's part in the metric, its mean over the parallel languages, 0..1; None where it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Runs that are compared as one."""

    name: str
    """What it is called."""
    runs: tuple[Run, ...]
    """Each lineage once, in the order of trials."""
    control_of: str | None = None
    """Group that it is a control of."""

    @property
    def checkpoints(self) -> tuple[tuple[Run, ...], ...]:
        """Runs by checkpoint, in the order in which checkpoints first stand."""
        found: dict[str, list[Run]] = {}
        for run in self.runs:
            found.setdefault(run.checkpoint, []).append(run)
        return tuple(map(tuple, found.values()))

    @property
    def num_seeds(self) -> int:
        """Distinct intermediate seeds."""
        return len({run.intermediate_seed for run in self.runs})

    def points_C(self) -> NDArray[np.float64]:
        """Return each checkpoint's mean score, in points."""
        return POINTS * np.array([fmean(run.score for run in runs) for runs in self.checkpoints], dtype=np.float64)

    def items_CN(self) -> NDArray[np.float64] | None:
        """Return each checkpoint's mean by item, in points; None unless the items of every run are known."""
        rows: list[NDArray[np.float64]] = []
        for runs in self.checkpoints:
            known = [run.items_N for run in runs if run.items_N is not None]
            if len(known) < len(runs):
                return None
            rows.append(POINTS * np.mean(known, axis=0))
        return np.array(rows) if len({row.size for row in rows}) == 1 else None


def make_group(name: str, runs: Sequence[Run], *, control_of: str | None = None) -> Group:
    """Return a group of runs, each lineage once: the trial that was proposed first stands for it."""
    distinct = {run.lineage: run for run in sorted(runs, key=lambda run: -run.trial)}
    ordered = sorted(distinct.values(), key=lambda run: run.trial)
    return Group(name=name, runs=tuple(ordered), control_of=control_of)

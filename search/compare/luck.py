"""Finds the trials that share the luck of a seed, also through an average or a merge. Pure.

The average of the runs with seeds 0 to 4 and that of seeds 1 to 5 have four runs in common, and a single run of seed 3
is in both. Such trials are not independent: they count as one seed, that with the lowest number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

from trainables.config import TrialConfig

SeededPhase = Literal["intermediate", "target"]
"""A phase whose seeds are counted."""


def seeds_of(config: TrialConfig, *, phase: SeededPhase, with_further: bool = False) -> frozenset[int]:
    """Return the seeds of everything that a trial trains in a phase; empty without the phase.

    Args:
        config: The trial.
        phase: The phase.
        with_further: Whether further targets count as a part of the target phase, because the score depends on them.
    """
    work = config.intermediate if phase == "intermediate" else config.target
    if work is None:
        return frozenset()
    if work.merge is not None:
        return frozenset(work.part(name).seed for name in work.mixture)
    num_runs = work.average.num_runs if work.average else 1
    seeds = frozenset((work.seed + number) % 2**31 for number in range(num_runs))
    return seeds | _further_seeds(config) if with_further and phase == "target" else seeds


def _further_seeds(config: TrialConfig) -> frozenset[int]:
    return frozenset(work.seed for target in config.further.values() for work in target.target)


def shared_luck(seeds: Iterable[Collection[int]]) -> dict[int, int]:
    """Return seed -> the lowest seed whose luck it shares: those of one trial share it, directly or over others.

    Args:
        seeds: The seeds of each trial.
    """
    lowest: dict[int, int] = {}
    for of_trial in seeds:
        joined = {lowest.get(seed, seed) for seed in of_trial}
        for seed in of_trial:
            lowest.setdefault(seed, seed)
        lowest.update({seed: min(joined) for seed, now in lowest.items() if now in joined})
    return lowest

"""A phase's mixture: which tasks it trains, and with which weights. Pure.

Weights are shares of the examples that a phase trains on. Computed ones depend on the number of examples that a task's
training split has once it is encoded (the windows of span QA, rows without a label left out), so they are known when
the data is open; the stage's facts record them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from trainables.config import PhaseConfig


def mixture_weights(work: PhaseConfig, sizes: Mapping[str, int]) -> dict[str, float]:
    """Return task -> share of the examples; the shares sum to 1.

    Capped proportional: min(n, cap) over its sum (Raffel et al. 2020, arXiv 1910.10683, section 3.5.2, equation for
    r_m). Temperature: that rate to the power of 1 / T, over its sum (the same section).

    Args:
        work: The phase.
        sizes: Task -> examples of its encoded training split, for every task of the mixture.
    """
    sampling = work.sampling
    if not sampling.is_computed:
        return dict(work.mixture)
    exponent = {"uniform": 0.0, "proportional": 1.0}.get(sampling.kind, 1 / (sampling.temperature or 1))
    masses = {name: _counted(work, sizes[name]) ** exponent for name in work.mixture}
    total = math.fsum(masses.values())
    return {name: mass / total for name, mass in masses.items()}


def num_examples_of_an_epoch(work: PhaseConfig, sizes: Mapping[str, int]) -> int:
    """Return the examples of one pass over a mixture; a task counts with at most the sampling's cap.

    Args:
        work: The phase.
        sizes: Task -> examples of its encoded training split.
    """
    return sum(_counted(work, sizes[name]) for name in work.mixture)


def _counted(work: PhaseConfig, size: int) -> int:
    return size if work.sampling.cap is None else min(size, work.sampling.cap)

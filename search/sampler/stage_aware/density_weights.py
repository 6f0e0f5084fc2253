"""Weights of acquisition values by prior densities, with exponents that fall as the model contradicts a density.

pi-BO (Hvarfner et al. 2022, arXiv 2204.11051) weights the acquisition value with density^(beta / n) after n trials.
Here the exponent is beta / (beta + n), and that of each density is multiplied by what the model says of it: twice the
probability that the best known configuration would score higher with the centre in place of its own value, and at most
1. The density counts as a share of its highest value. So a configuration without the parameter, like one of another
family, is neither favoured nor held back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from search.sampler.density_first_trials import moved
from spaces.space.densities import Density
from spaces.space.tree import Assignment, Space

BETA = 10.0
"""Trials after which the exponent of a density that nothing contradicts is a half."""

Predict = Callable[[Sequence[Assignment]], tuple[np.ndarray, np.ndarray]]
"""Returns mean and deviation of configurations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityWeights:
    """The weights of one proposal.

    Args:
        densities: Path of a parameter -> its density.
        exponents: Path -> exponent of its density.
        of_target: Paths that change nothing before the target phase.
    """

    densities: Mapping[str, Density]
    exponents: Mapping[str, float]
    of_target: frozenset[str]

    def of_pairs(self, before: Sequence[Assignment], target: Sequence[Assignment]) -> np.ndarray:
        """Return weight_FT of every intermediate configuration with every target, in (0, 1]."""
        logs_F = np.array([self._log(one, is_target=False) for one in before])
        logs_T = np.array([self._log(one, is_target=True) for one in target])
        return np.exp(logs_F[:, None] + logs_T[None])

    def _log(self, assignment: Assignment, *, is_target: bool) -> float:
        return sum(
            self.exponents[path] * density.log_share(assignment[path])
            for path, density in self.densities.items()
            if path in assignment and (path in self.of_target) == is_target
        )


def exponents(
    densities: Mapping[str, Density], *, space: Space, by_mean: Sequence[Assignment], predict: Predict, num_trials: int
) -> dict[str, float]:
    """Return path of a parameter -> exponent of its density.

    Args:
        densities: Path of a parameter -> its density.
        space: The space.
        by_mean: Configurations of trials, the highest predicted mean first.
        predict: The model's prediction.
        num_trials: Trials so far.
    """
    fading = BETA / (BETA + num_trials)
    return {
        path: fading * _trust(density, space=space, by_mean=by_mean, predict=predict)
        for path, density in densities.items()
    }


def _trust(density: Density, *, space: Space, by_mean: Sequence[Assignment], predict: Predict) -> float:
    """Return twice the probability that the best known configuration is better at the centre, and at most 1."""
    from scipy.special import ndtr

    best = next((one for one in by_mean if density.path in one), None)
    if best is None or best[density.path] == density.value:
        return 1.0
    mean, deviation = predict([best, moved(space, best, {density.path: density.value})])
    z = (mean[1] - mean[0]) / float(np.hypot(*deviation))
    return min(1.0, 2 * float(ndtr(z)))

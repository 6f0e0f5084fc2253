"""The effects that priors expect, as numbers that the stage model uses."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from search.sampler.stage_aware.points import is_of_target
from spaces.priors import PriorsConfig, effects_of
from spaces.space.tree import Assignment, Space, every_parameter


@dataclass(frozen=True, slots=True, kw_only=True)
class Beliefs:
    """The arms' priors in standard deviations of their numbers; 0 for a configuration that no prior names.

    Args:
        space: The space.
        priors: The user's priors of it.
    """

    space: Space
    priors: PriorsConfig
    _of_target: frozenset[str] = field(init=False, repr=False, compare=False)
    _centre: float = field(init=False, repr=False, compare=False)
    _spread: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = [effect for effects in self.priors.arms.values() for effect in effects.values()] or [0.0]
        paths = (one.path for one in every_parameter(self.space.root) if is_of_target(one))
        object.__setattr__(self, "_of_target", frozenset(paths))
        object.__setattr__(self, "_centre", statistics.fmean(numbers))
        object.__setattr__(self, "_spread", statistics.pstdev(numbers) or 1.0)

    def of(self, assignments: Sequence[Assignment]) -> np.ndarray:
        """Return expected_N of N configurations."""
        return self._in_deviations(*_added([effects_of(one, priors=self.priors) for one in assignments]))

    def of_pairs(self, before: Sequence[Assignment], target: Sequence[Assignment]) -> np.ndarray:
        """Return expected_FT of every intermediate configuration with every target; see `StageModel.predict_pairs`."""
        sums_F, named_F = _added([self._part(one, is_target=False) for one in before])
        sums_T, named_T = _added([self._part(one, is_target=True) for one in target])
        return self._in_deviations(sums_F[:, None] + sums_T[None], named_F[:, None] | named_T[None])

    def _part(self, assignment: Assignment, *, is_target: bool) -> dict[str, float]:
        found = effects_of(assignment, priors=self.priors)
        return {path: effect for path, effect in found.items() if (path in self._of_target) == is_target}

    def _in_deviations(self, sums: np.ndarray, named: np.ndarray) -> np.ndarray:
        return np.where(named, (sums - self._centre) / self._spread, 0.0)


def _added(effects: Sequence[dict[str, float]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum of each configuration's effects, and whether it has any."""
    return np.array([sum(one.values()) for one in effects], dtype=float), np.array([bool(one) for one in effects])

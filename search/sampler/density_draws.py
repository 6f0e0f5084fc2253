"""Random draws of which some come from prior densities; for `random`, a share that scores decide.

The share starts at a half. Later it depends on the trials so far: those whose value is likely by the density are
compared with the others (Mann and Whitney 1947). The more certain it is that they score lower, the smaller is the
share. So a density that is contradicted costs a few trials. PriorBand (Mallik et al. 2023, arXiv 2306.12370) also draws
a share of the configurations from the prior, and also lets scores decide on it.
"""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from pydantic import JsonValue

from search.sampler.contract import PastTrial
from spaces.space.conditions import violated
from spaces.space.densities import Density
from spaces.space.enumeration import MAX_DRAWS, draw, draw_value
from spaces.space.tree import Assignment, Parameter, Space
from spaces.space.walk import walk
from spaces.sweep_spec import SweepSpec

SHARE = 0.5
"""Share of the draws from a density that no trial contradicts."""


def depends_on_scores(spec: SweepSpec) -> bool:
    """Return whether proposals of a sweep depend on its scores: random ones do where a spec has densities."""
    return spec.sampler.learns or (spec.sampler.name == "random" and bool(spec.priors.densities))


def draw_believed(
    space: Space,
    *,
    densities: Mapping[str, Density],
    generator: random.Random,
    shares: Mapping[str, float] | None = None,
) -> Assignment:
    """Return a random configuration, with the values of some parameters from their densities.

    Args:
        space: The space.
        densities: Path of a parameter -> its density.
        generator: Of the random numbers.
        shares: Path of a parameter -> chance that its value comes from its density; 1 without.
    """

    def ask(parameter: Parameter) -> JsonValue:
        density = densities.get(parameter.path)
        if density is None or (shares is not None and generator.random() >= shares[parameter.path]):
            return draw_value(parameter, generator=generator)
        return density.draw(generator=generator)

    for _ in range(MAX_DRAWS):
        assignment = walk(space, ask)
        if violated(space, assignment) is None:
            return assignment
    return draw(space, generator=generator)  # the densities contradict the constraints


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityDraws:
    """The draws of random search over one space with densities.

    Args:
        space: The space.
        densities: Path of a parameter -> its density.
    """

    space: Space
    densities: Mapping[str, Density]

    def at(self, seed: int, *, history: Sequence[PastTrial]) -> Assignment:
        """Return the configuration that is tried next.

        Args:
            seed: Of the proposal.
            history: The trials that it can depend on.
        """
        generator = random.Random(seed)  # noqa: S311  proposals are no secrets
        shares = {path: SHARE * _trust(density, history=history) for path, density in self.densities.items()}
        if generator.random() >= max(shares.values()):
            return draw(self.space, generator=generator)
        most = max(shares.values())
        relative = {path: share / most for path, share in shares.items()}
        return draw_believed(self.space, densities=self.densities, generator=generator, shares=relative)


def _trust(density: Density, *, history: Sequence[PastTrial]) -> float:
    """Return twice the chance that likely values score higher than others, and at most 1 (a normal approximation)."""
    scored = [
        (density.of(one.assignment[density.path]) > 1, (one.rung, one.score))
        for one in history
        if one.state in {"finished", "pruned"} and one.score is not None and density.path in one.assignment
    ]
    likely = [outcome for is_likely, outcome in scored if is_likely]
    others = sorted(outcome for is_likely, outcome in scored if not is_likely)
    if not likely or not others:
        return 1.0
    wins = sum(0.5 * (bisect.bisect_left(others, one) + bisect.bisect_right(others, one)) for one in likely)
    num_pairs = len(likely) * len(others)
    deviation = math.sqrt(num_pairs * (len(scored) + 1) / 12)
    return min(1.0, 2 * NormalDist().cdf((wins - num_pairs / 2) / deviation))

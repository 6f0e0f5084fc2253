"""Compares prior densities in right and wrong places with none, on the same worlds."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from statistics import fmean

from pydantic import JsonValue
from simulated.density_worlds import RATE_PATHS, TARGET_RATE, Densities, DensityOutcome, DensityWorld, rate_at
from simulated.resampling import ratio_of_means

CONFIDENCE = 0.8


def _centred(world: DensityWorld, *, paths: Sequence[str], place: Callable[[float], float]) -> Densities:
    """Return densities whose centres depend on the best places of a world."""
    found: dict[str, JsonValue] = {
        path: {"centre": rate_at(place(world.best_places[path])), "confidence": CONFIDENCE} for path in paths
    }
    return found


def _beside(best: float, *, distance: float) -> float:
    """Return a place at a distance from the best one, on the side with more room."""
    return best + distance if best < 0.5 else best - distance  # noqa: PLR2004  the middle


def _far_end(best: float) -> float:
    return 1.0 if best < 0.5 else 0.0  # noqa: PLR2004  the middle


_PLACES: dict[str, Callable[[float], float]] = {
    "at the best": lambda best: best,
    "a tenth of the range off": partial(_beside, distance=0.1),
    "a quarter of the range off": partial(_beside, distance=0.25),
    "half of the range off": partial(_beside, distance=0.5),
    "at the far end": _far_end,
}
_NAMED: dict[str, Sequence[str]] = {"both learning rates": RATE_PATHS, "the target's alone": (TARGET_RATE,)}

CASES: dict[str, Callable[[DensityWorld], Densities]] = {
    "none": lambda world: {},  # noqa: ARG005  each is asked with its world
    **{
        f"{named}, {place}": partial(_centred, paths=paths, place=of_best)
        for named, paths in _NAMED.items()
        for place, of_best in _PLACES.items()
    },
}


def density_lines(*, sampler: str, num_worlds: int, num_trials: int) -> list[str]:
    """Return the comparison of all places with no density, as lines of text."""
    work = partial(_outcome, sampler=sampler, num_trials=num_trials)
    lines: list[str] = []
    with ProcessPoolExecutor(os.cpu_count()) as executor:
        outcomes = {name: list(executor.map(partial(work, name), range(num_worlds), chunksize=4)) for name in CASES}
    for title, measure in _MEASURES.items():
        against = [measure(one) for one in outcomes["none"]]
        lines += ["", f"{title:46}{'mean':>8}   ratio to no density (95 %)"]
        for name, found in outcomes.items():
            values = [measure(one) for one in found]
            ratio = "" if name == "none" else f"   {ratio_of_means(values, against=against)}"
            lines.append(f"  {name:44}{fmean(values):>8.1f}{ratio}")
    num_late = sum(one.trials > num_trials for one in outcomes["none"])
    return [*lines, "", f"{num_late} of {num_worlds} sweeps without a density did not reach the goal"]


_MEASURES: dict[str, Callable[[DensityOutcome], float]] = {
    "trials to 99 % of the best": lambda outcome: outcome.trials,
    "steps to 99 % of the best": lambda outcome: outcome.steps,
}


def _outcome(name: str, seed: int, *, sampler: str, num_trials: int) -> DensityOutcome:
    world = DensityWorld(seed, sampler=sampler)
    return world.sweep(num_trials=num_trials, densities=CASES[name](world))

"""Compares prior densities in right and wrong places with none, on the same worlds."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from statistics import fmean

from pydantic import JsonValue
from simulated.density_worlds import RATE_PATHS, Densities, DensityOutcome, DensityWorld, rate_at
from simulated.resampling import ratio_of_means

CONFIDENCE = 0.8


def _centred(world: DensityWorld, *, place: Callable[[float], float]) -> Densities:
    """Return densities over both learning rates, whose centres depend on the best places of a world."""
    found: dict[str, JsonValue] = {
        path: {"centre": rate_at(place(world.best_places[path])), "confidence": CONFIDENCE} for path in RATE_PATHS
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
CASES: dict[str, Callable[[DensityWorld], Densities]] = {
    "none": lambda world: {},  # noqa: ARG005  each is asked with its world
    **{name: partial(_centred, place=place) for name, place in _PLACES.items()},
}


def density_lines(*, sampler: str, num_worlds: int, num_trials: int) -> list[str]:
    """Return the comparison of all places with no density, as lines of text."""
    outcomes: dict[str, list[DensityOutcome]] = {}
    with ProcessPoolExecutor(os.cpu_count()) as executor:
        for name in CASES:
            work = partial(_outcome, name, sampler=sampler, num_trials=num_trials)
            outcomes[name] = list(executor.map(work, range(num_worlds), chunksize=4))
            print(_line(name, outcomes, measure=_steps), flush=True)  # the run takes minutes
    lines: list[str] = []
    for title, measure in _MEASURES.items():
        lines += ["", f"{title:46}{'mean':>8}   ratio to no density (95 %)"]
        lines += [_line(name, outcomes, measure=measure) for name in outcomes]
    num_late = [sum(one.trials > num_trials for one in found) for found in outcomes.values()]
    late = f"sweeps that did not reach the goal, which count with one trial more: {', '.join(map(str, num_late))}"
    return [*lines, "", f"{late} (in the order above)"]


def _line(name: str, outcomes: dict[str, list[DensityOutcome]], *, measure: Callable[[DensityOutcome], float]) -> str:
    values, against = ([measure(one) for one in outcomes[case]] for case in (name, "none"))
    ratio = "" if name == "none" else f"   {ratio_of_means(values, against=against)}"
    return f"  {name:44}{fmean(values):>8.1f}{ratio}"


def _trials(outcome: DensityOutcome) -> float:
    return outcome.trials


def _steps(outcome: DensityOutcome) -> float:
    return outcome.steps


_MEASURES: dict[str, Callable[[DensityOutcome], float]] = {
    "trials to 99 % of the best": _trials,
    "steps to 99 % of the best": _steps,
}


def _outcome(name: str, seed: int, *, sampler: str, num_trials: int) -> DensityOutcome:
    world = DensityWorld(seed, sampler=sampler)
    return world.sweep(num_trials=num_trials, densities=CASES[name](world))

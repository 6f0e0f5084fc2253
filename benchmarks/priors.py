# ruff: noqa: S311  draws for a simulation are no secrets
"""Measures what a right prior saves and a wrong prior costs, on arms of known effect (`simulated/prior_worlds.py`).

    python benchmarks/priors.py [--sampler tpe] [--seeds 32] [--arms 6] [--trials 32] [--densities] [--save FILE]

Every prior is compared with no prior on the same worlds. The table shows the mean over seeds, and the ratio of the two
means with its 95 % bootstrap interval over the seeds. A ratio below 1 is a saving. `reversed` ranks the arms in the
opposite order of the truth. `best in the middle` is the worst case for the order of the first trials, because the
first trials take the two ends of the ranking.

--densities measures densities over learning rates instead, whose centres are at the best place or at a distance from it
(`simulated/density_worlds.py`), for a sampler whose later proposals use them.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: a proposal's matrices are small

from machine import heading, save
from pydantic import JsonValue
from simulated.density_places import density_lines
from simulated.prior_worlds import ARMS, Outcome, World
from simulated.resampling import ratio_of_means

from spaces.priors import SAMPLERS_WITH_PRIORS

NUM_EARLIER = 20


def _of_arms(world: World, values: Sequence[float], *, ranked: Sequence[str] | None = None) -> JsonValue:
    effects: dict[str, JsonValue] = dict(zip(ranked or world.ranked, values, strict=True))
    return {"arms": {ARMS: effects}}


def _falling(world: World) -> list[float]:
    return sorted(world.effects.values(), reverse=True)


def _in_the_middle(world: World) -> JsonValue:
    others = world.ranked[:0:-1]
    middle = len(others) // 2
    return _of_arms(world, _falling(world), ranked=[*others[:middle], world.ranked[0], *others[middle:]])


def _shuffled(world: World) -> JsonValue:
    values = _falling(world)
    random.Random(repr(world.ranked)).shuffle(values)
    return _of_arms(world, values)


def _earlier(world: World) -> JsonValue:
    return world.earlier(num_trials=NUM_EARLIER, effects=world.effects)


def _misleading_earlier(world: World) -> JsonValue:
    reversed_effects = dict(zip(world.ranked, _falling(world)[::-1], strict=True))
    return world.earlier(num_trials=NUM_EARLIER, effects=reversed_effects)


PRIORS: dict[str, Callable[[World], JsonValue]] = {
    "none": lambda world: None,  # noqa: ARG005  (each is asked with its world)
    "right": lambda world: _of_arms(world, _falling(world)),
    "reversed": lambda world: _of_arms(world, _falling(world)[::-1]),
    "best in the middle": _in_the_middle,
    "random order": _shuffled,
    "earlier sweep": _earlier,
    "earlier, reversed": _misleading_earlier,
}

_MEASURES: dict[str, Callable[[Outcome], float]] = {
    "trials to try the best arm": lambda outcome: outcome.trials_to_try,
    "trials to find the best arm": lambda outcome: outcome.trials_to_find,
    "steps to 99 % of the best": lambda outcome: outcome.steps,
}


def main() -> None:
    """Run every prior in every world, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sampler", default="tpe", choices=SAMPLERS_WITH_PRIORS)
    parser.add_argument("--seeds", type=int, default=32)
    parser.add_argument("--arms", type=int, default=6)
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--densities", action="store_true", help="densities over learning rates, instead")
    parser.add_argument("--save", type=Path)
    options = parser.parse_args()
    lines = [
        *heading(["optuna"]),
        "note      trials and steps are counted: the machine's load does not change them",
        "",
    ]
    began = time.perf_counter()
    if options.densities:
        lines.append(f"{options.sampler}, up to {options.trials} trials, {options.seeds} worlds")
        lines += density_lines(sampler=options.sampler, num_worlds=options.seeds, num_trials=options.trials)
    else:
        lines += _arm_lines(options)
    lines += ["", f"took {time.perf_counter() - began:.0f} s"]
    text = "\n".join(lines)
    print(text)
    if options.save:
        save(options.save, title="Priors", text=text)


def _arm_lines(options: argparse.Namespace) -> list[str]:
    """Return the comparison of priors over arms."""
    worlds = [World(seed, num_arms=options.arms, sampler=options.sampler) for seed in range(options.seeds)]
    outcomes = {
        name: [world.sweep(num_trials=options.trials, priors=prior(world)) for world in worlds]
        for name, prior in PRIORS.items()
    }
    lines = [
        f"{options.sampler}, {options.arms} arms and a baseline, up to {options.trials} trials, {options.seeds} seeds"
    ]
    for title, measure in _MEASURES.items():
        lines += ["", f"{title:32}{'mean':>8}   ratio to no prior (95 %)"]
        against = [measure(outcome) for outcome in outcomes["none"]]
        for name, of_prior in outcomes.items():
            lines.append(_line(name, [measure(outcome) for outcome in of_prior], against=against))
    return lines


def _line(name: str, values: Sequence[float], *, against: Sequence[float]) -> str:
    if values == against:
        return f"  {name:30}{fmean(values):>8.1f}"
    return f"  {name:30}{fmean(values):>8.1f}   {ratio_of_means(values, against=against)}"


if __name__ == "__main__":
    main()

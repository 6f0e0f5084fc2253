"""Compares the regret of TPE that sees a window of the trials with TPE that sees all, on standard functions.

Each sweep maximises the negative of a function over a space of this project: the coordinates of the function are
parameters of a trial, mapped from their ranges, in one conditional family. So everything except the trials is the real
code. Regret is the distance from the known minimum, of the best trial and of the mean of the last 100 trials.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any  # a YAML document

from search.sampler import PastTrial, Sampler, make_sampler
from search.sampler import optuna_samplers as ours
from spaces.space.tree import Assignment
from spaces.sweep_spec import make_sweep_spec

NUM_TRIALS = 1500
_LAST = 100
_FIELDS = ("learning_rate", "weight_decay", "adam_epsilon", "max_gradient_norm", "dropout", "adam_beta2")
Point = Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A standard test function over [0, 1]^n, to be minimised (Surjanovic and Bingham, sfu.ca/~ssurjano)."""

    name: str
    num_dimensions: int
    value: Callable[[Point], float]
    minimum: float


def _branin(u: Point) -> float:
    x, y = 15 * u[0] - 5, 15 * u[1]
    bent = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    return bent**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


_ALPHA = (1.0, 1.2, 3.0, 3.2)
_A = ((10, 3, 17, 3.5, 1.7, 8), (0.05, 10, 17, 0.1, 8, 14), (3, 3.5, 1.7, 10, 17, 8), (17, 8, 0.05, 10, 0.1, 14))
_P = (
    (1312, 1696, 5569, 124, 8283, 5886),
    (2329, 4135, 8307, 3736, 1004, 9991),
    (2348, 1451, 3522, 2883, 3047, 6650),
    (4047, 8828, 8732, 5743, 1091, 381),
)


def _hartmann(u: Point) -> float:
    inner = [sum(a * (x - p * 1e-4) ** 2 for a, x, p in zip(_A[i], u, _P[i], strict=True)) for i in range(4)]
    return -sum(alpha * math.exp(-value) for alpha, value in zip(_ALPHA, inner, strict=True))


def _rosenbrock(u: Point) -> float:
    x = [4 * value - 2 for value in u]
    return sum(100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2 for i in range(len(x) - 1))


FUNCTIONS = (
    Function(name="Branin, 2", num_dimensions=2, value=_branin, minimum=0.397887),
    Function(name="Hartmann, 6", num_dimensions=6, value=_hartmann, minimum=-3.32237),
    Function(name="Rosenbrock, 4", num_dimensions=4, value=_rosenbrock, minimum=0.0),
)


def regret_lines(*, num_seeds: int) -> list[str]:
    """Return the comparison, a line for each function.

    Args:
        num_seeds: Sweeps of each sampler on each function.
    """
    lines = [
        "",
        f"regret after {NUM_TRIALS} trials, median of {num_seeds} seeds: the best trial / mean of the last 100",
    ]
    lines.append(f"{'':16}{'window':>24}{'all trials':>24}{'seeds where the window is better':>36}")
    for function in FUNCTIONS:
        pairs = [
            (_regret(function, seed, is_window=True), _regret(function, seed, is_window=False))
            for seed in range(num_seeds)
        ]
        won = sum(window[1] < full[1] for window, full in pairs)
        cells = "".join(_cell([pair[side] for pair in pairs]) for side in (0, 1))
        lines.append(f"{function.name:16}{cells}{won:>30} of {num_seeds}")
    return lines


def _cell(regrets: list[tuple[float, float]]) -> str:
    best, late = (statistics.median(values) for values in zip(*regrets, strict=True))
    return f"{best:>14.3g} /{late:>8.3g}"


def _regret(function: Function, seed: int, *, is_window: bool) -> tuple[float, float]:
    sampler = make_sampler(make_sweep_spec(document_of(function, seed)))
    kept = ours.window
    if not is_window:
        ours.window = lambda history, num_startup: history  # noqa: ARG005  the other side sees everything
    try:
        values = _sweep(sampler, function)
    finally:
        ours.window = kept
    return min(values) - function.minimum, statistics.fmean(values[-_LAST:]) - function.minimum


def _sweep(sampler: Sampler, function: Function) -> list[float]:
    history: list[PastTrial] = []
    values: list[float] = []
    for number in range(NUM_TRIALS):
        proposal = sampler.propose(number, history=history)
        values.append(function.value(point_of(proposal.assignment, function)))
        history.append(
            PastTrial(
                number=number,
                assignment=proposal.assignment,
                state="finished",
                score=-values[-1],
                attributes=proposal.attributes,
            )
        )
    return values


def document_of(function: Function, seed: int) -> dict[str, Any]:
    """Return the spec of a sweep over a function."""
    fields = _FIELDS[: function.num_dimensions]
    return {
        "name": "regret",
        "trials": NUM_TRIALS,
        "seed": seed,
        "sampler": {"name": "tpe", "num_startup": 20},
        "trial": {
            "target": {"mixture": {"miniature_nli": 1.0}, "steps": 10},
            "evaluation": {"task": "miniature_nli"},
        },
        "families": {"none": {}},
        "search": {f"target.{field}": {"float": list(_RANGES[field])} for field in fields},
    }


_RANGES = {
    "learning_rate": (1e-5, 1e-3),
    "weight_decay": (0.0, 0.5),
    "adam_epsilon": (1e-8, 1e-6),
    "max_gradient_norm": (0.5, 5.0),
    "dropout": (0.0, 0.5),
    "adam_beta2": (0.9, 0.999),
}


def point_of(assignment: Assignment, function: Function) -> Point:
    """Return where in [0, 1]^n a trial is."""
    point: list[float] = []
    for field in _FIELDS[: function.num_dimensions]:
        low, high = _RANGES[field]
        point.append((float(str(assignment[f"target.{field}"])) - low) / (high - low))
    return point

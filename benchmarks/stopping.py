"""Measures what stopping by verdicts saves on simulated sweeps, and how often its verdicts are wrong.

    python benchmarks/stopping.py [--sweeps 1000] [--save FILE]

Each sweep has three families beside `none` and runs through the sampler that `stop: {decided: families}` uses, until
every family has a verdict or the steps of the fixed budget are spent. The fixed budget has 40 seeds of each group (the
fewest tens that give 95 % of the families a verdict in every world), and
is compared once, by the code of `xstilts compare`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from machine import heading, save
from simulated.deciding_worlds import ARMS, MARGIN, Ended, fixed, fixed_steps, spec_of, stopped

WORLDS: dict[str, dict[str, float]] = {
    "no effects": {},
    "one of +1.2, one of -1.2, one of 0": {"text": 1.2, "multitask": -1.2},
    "three of +1.2": dict.fromkeys(ARMS, 1.2),
    "at the margin, +0.5": dict.fromkeys(ARMS, MARGIN),
    "between, +0.25": dict.fromkeys(ARMS, MARGIN / 2),
}
"""World -> true effects of its families in points; seeds change a score by 0.5 points."""

DECIDABLE = tuple(WORLDS)[:3]
"""Worlds whose effects are not near a border: stopping has to save there."""

MOST_STEPS, MOST_WRONG = 60, 5
"""Bounds in percent."""


def wrong_better(ended: Ended, *, effects: Mapping[str, float]) -> bool:
    """Return whether a family without an effect, or with one in the other direction, is called better or worse."""
    signs = {"better": 1, "worse": -1}
    return any(
        verdict in signs and signs[verdict] * effects.get(family, 0.0) <= 0
        for family, verdict in ended.verdicts.items()
    )


def wrong_equivalent(ended: Ended, *, effects: Mapping[str, float]) -> bool:
    """Return whether a family whose effect is at the margin or beyond it is called equivalent."""
    return any(
        verdict == "equivalent" and abs(effects.get(family, 0.0)) >= MARGIN
        for family, verdict in ended.verdicts.items()
    )


def measure(num: int) -> tuple[list[str], bool]:
    """Return the lines of the table, and whether every bound holds."""
    lines = [f"{'world':<38}{'steps':>7}{'median':>8}{'decided':>9}{'fixed':>7}{'better':>8}{'equivalent':>12}"]
    holds = True
    spec = spec_of(0)
    for place, (name, effects) in enumerate(WORLDS.items()):
        seeds = [1_000_000 * place + number for number in range(num)]
        ended = [stopped(spec, effects=effects, seed=seed) for seed in seeds]
        once = [fixed(effects=effects, seed=seed) for seed in seeds]
        shares = [100 * one.steps / fixed_steps() for one in ended]
        better = _percent(ended, lambda one, known=effects: wrong_better(one, effects=known))
        same = _percent(ended, lambda one, known=effects: wrong_equivalent(one, effects=known))
        decided, of_fixed = (
            statistics.fmean(100 * len(one.verdicts) / len(ARMS) for one in all_) for all_ in (ended, once)
        )
        mean = statistics.fmean(shares)
        fits = better <= MOST_WRONG and same <= MOST_WRONG and (name not in DECIDABLE or mean <= MOST_STEPS)
        holds &= fits
        lines.append(
            f"{name:<38}{mean:>5.0f} %{statistics.median(shares):>6.0f} %{decided:>7.0f} %{of_fixed:>5.0f} %"
            f"{better:>6.1f} %{same:>10.1f} %{'' if fits else '  FAILS'}"
        )
    return lines, holds


def _percent(ended: Sequence[Ended], is_wrong: Callable[[Ended], bool]) -> float:
    return 100 * statistics.fmean(is_wrong(one) for one in ended)


def main() -> int:
    """Measure, print and save; 1 when a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=int, default=1000, help="simulated sweeps of each world")
    parser.add_argument("--save", type=Path, help="Markdown file to write")
    arguments = parser.parse_args()
    lines = heading(["numpy", "scipy"])
    started = time.process_time()
    rows, holds = measure(arguments.sweeps)
    lines += [f"sweeps    {arguments.sweeps} of each world, {time.process_time() - started:.0f} s of CPU time", ""]
    lines += [
        "Steps in percent of the fixed budget (mean, median); families with a verdict, and with one at the end of"
    ]
    lines += [
        f"the fixed budget; sweeps with a wrong better or worse, and a wrong equivalent. Margin {MARGIN} points.",
        "",
    ]
    text = "\n".join([*lines, *rows])
    print(text)
    if arguments.save:
        save(arguments.save, title="Sweeps that stop by their verdicts", text=text)
    return 0 if holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
